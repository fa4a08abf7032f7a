// The norms of the rows of W + s B A, by which DoRA divides. They are constants between two changes of the parameters.

import Synchronization
import Tensors

/// The norms of all decomposed linear layers of one adapter.
final class RowNorms: @unchecked Sendable {
  private let values: Storage
  private let layout: AdapterLayout
  private let areStale = Atomic(true)
  /// Σ W² of every row, by layer and module. The base never changes.
  private var squares: [[LinearModule: [Double]]] = []

  init(_ layout: AdapterLayout) {
    self.layout = layout
    values = Storage(count: layout.normCount)
  }

  /// [1, out]; nil for a linear layer without an adapter.
  func of(_ module: LinearModule, layer: Int) -> Matrix? { layout.norm(module, layer: layer, in: values) }

  func invalidate() { areStale.store(true, ordering: .relaxed) }

  /// Computes all norms if the parameters have changed. Not from two threads at once.
  /// - Parameter arena: begins with the adapter.
  func refresh(_ arena: Storage, _ model: LanguageModel, _ pool: ThreadPool) {
    guard areStale.exchange(false, ordering: .relaxed) else { return }
    if squares.isEmpty {
      squares = model.layers.indices.map { layer in
        Dictionary(
          uniqueKeysWithValues: layout.modules.filter { layout.shape($0, layer: layer) != nil }.map {
            ($0, Self.squares(model.layers[layer].weight($0), pool))
          })
      }
    }
    for layer in model.layers.indices {
      for (module, squares) in squares[layer] {
        guard let a = layout.a(module, layer: layer, in: arena),
          let b = layout.b(module, layer: layer, in: arena), let shape = layout.shape(module, layer: layer),
          let norm = of(module, layer: layer)
        else { continue }
        let (cross, gram) = (Matrix(rows: a.rows, columns: b.rows), Matrix(rows: a.rows, columns: a.rows))
        let inner = Matrix(rows: b.rows, columns: b.columns)
        Products.compute(cross, [.forward(a, model.layers[layer].weight(module), inFloats: true)], phase: .lora, pool)
        Products.compute(gram, [.timesTransposed(a, a)], phase: .lora, pool)
        Products.compute(inner, [.times(b, gram)], phase: .lora, pool)
        Kernels.rowNorms(norm, squares: squares, b: b, cross: cross, inner: inner, scale: shape.scale, pool)
      }
    }
  }

  private static func squares(_ weight: Weight, _ pool: ThreadPool) -> [Double] {
    [Double](unsafeUninitializedCapacity: weight.rows) { buffer, count in
      nonisolated(unsafe) let squares = buffer
      pool.blocks(of: weight.rows, by: 64) { rows in
        let wide = weight.rows(rows).widened()
        for row in rows {
          squares[row] = Kernels.sumOfSquares(wide.rows(row - rows.lowerBound..<row - rows.lowerBound + 1))
        }
      }
      count = weight.rows
    }
  }
}
