// Where the gradients of a backward pass go.

package import Tensors

/// Takes the gradient of every parameter as the backward pass computes it.
package protocol GradientSink: AnyObject {
  /// Adds a gradient to the entries of the arena from `offset` on. A parameter that is used twice comes twice.
  /// - Parameter gradient: dense; its memory is used again afterwards.
  func add(_ gradient: Matrix, at offset: Int, _ pool: ThreadPool)
}

/// Gathers gradients in fp32, in the parameters' layout.
package final class GradientArena: GradientSink {
  package let values: Storage

  package init(count: Int) { values = Storage(count: count) }

  package func clear(_ pool: ThreadPool) { values.clear(pool) }

  package func add(_ gradient: Matrix, at offset: Int, _ pool: ThreadPool) {
    Kernels.combine(
      Matrix(values, offset: offset, rows: gradient.rows, columns: gradient.columns), 1, gradient, 1, pool)
  }
}

/// Computes the gradients of parameters in a buffer and hands them on.
struct ParameterGradients {
  let layout: PolicyLayout
  let sink: any GradientSink
  /// Holds the largest gradient that is computed at once.
  let buffer: Matrix
  let pool: ThreadPool

  /// - Parameter compute: overwrites a matrix of the given shape.
  func add(at offset: Int, rows: Int, columns: Int, _ compute: (Matrix) throws -> Void) rethrows {
    let gradient = buffer.reshaped(rows: rows, columns: columns)
    try compute(gradient)
    hand(on: gradient, at: offset)
  }

  /// Hands on a gradient without the entries that are masked.
  func hand(on gradient: Matrix, at offset: Int) {
    let count = gradient.rows * gradient.columns
    let masked = layout.masked.map { $0.clamped(to: offset..<offset + count) }.filter { !$0.isEmpty }
    guard !masked.isEmpty else { return sink.add(gradient, at: offset, pool) }
    var start = offset
    for hole in masked + [offset + count..<offset + count] {
      if start < hole.lowerBound {
        let row = gradient.reshaped(rows: 1, columns: count).columns(start - offset..<hole.lowerBound - offset)
        sink.add(row.reshaped(rows: 1, columns: row.columns), at: start, pool)
      }
      start = hole.upperBound
    }
  }

  /// The same for a weight, if it is trained. Vectors are one row.
  func add(_ weight: WeightName, _ compute: (Matrix) throws -> Void) rethrows {
    guard let range = layout.range(of: weight) else { return }
    let shape = weight.shape(layout.configuration)
    try add(
      at: range.lowerBound, rows: shape.count == 2 ? shape[0] : 1, columns: shape[shape.count - 1], compute)
  }
}
