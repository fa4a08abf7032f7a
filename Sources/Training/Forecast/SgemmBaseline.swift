// The machine's limit: OpenBLAS's own sgemm, measured between a benchmark's steps.

import Model
import Runtime
import Tensors

/// OpenBLAS's sgemm on a layer's products, forward and backward, with weights that are already fp32.
final class SgemmBaseline {
  let rows: Int
  private let a, b, c: Matrix
  private let products: [(out: Int, input: Int)]
  private var seconds: [Double]
  private var operations: [Double]

  init(_ configuration: ModelConfiguration, rows: Int) throws {
    self.rows = rows
    let linears = LinearModule.allCases.map {
      (out: $0.outputWidth(configuration), input: $0.inputWidth(configuration))
    }
    products = linears + linears.map { (out: $0.input, input: $0.out) }
    let widest = products.map(\.out).max() ?? 1
    a = Matrix(rows: rows, columns: widest)
    b = Matrix(rows: 1, columns: products.map { $0.out * $0.input }.max() ?? 1)
    c = Matrix(rows: rows, columns: widest)
    for i in 0..<a.columns * rows { a.base[i] = Float(i % 17) * 0.01 }
    for i in 0..<b.columns { b.base[i] = Float(i % 13) * 0.01 }
    seconds = products.map { _ in 0 }
    operations = products.map { _ in 0 }
  }

  /// Operations per second over all products of a layer, measured for at least half a second.
  func measure(threads: Int) -> Double {
    let clock = ContinuousClock()
    var (total, work) = (0.0, 0.0)
    repeat {
      for (i, product) in products.enumerated() {
        let began = clock.now
        Machine.sgemm(
          c.reshaped(rows: rows, columns: product.out), a.reshaped(rows: rows, columns: product.input),
          b.reshaped(rows: product.out, columns: product.input), threads: threads)
        let taken = (clock.now - began).seconds
        let done = 2 * Double(rows * product.out * product.input)
        seconds[i] += taken
        operations[i] += done
        total += taken
        work += done
      }
    } while total < 0.5
    return work / total
  }

  /// Rates over all measurements by shape, forward first.
  var shapes: [(name: String, rate: Double)] {
    var merged: [String: (Double, Double)] = [:]
    for (i, product) in products.enumerated() {
      let name = "\(product.out) x \(product.input)"
      let known = merged[name] ?? (0, 0)
      merged[name] = (known.0 + operations[i], known.1 + seconds[i])
    }
    return merged.map { ($0.key, $0.value.0 / $0.value.1) }.sorted { $0.name < $1.name }
  }
}
