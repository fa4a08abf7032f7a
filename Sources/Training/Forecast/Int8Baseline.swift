// The limit of int8 products, measured between a benchmark's steps.

import Model
import Runtime
import Tensors

/// Int8 products on a layer's weights, forward and backward, without anything around them.
final class Int8Baseline {
  private let layer: DecoderLayer
  private let rows: Int
  private let a, c: Matrix
  private let memory: Int8Rows

  init(_ layer: DecoderLayer, rows: Int) {
    (self.layer, self.rows) = (layer, rows)
    let widest = layer.linears.values.map { max($0.rows, $0.columns) }.max() ?? 1
    a = Matrix(rows: rows, columns: widest)
    c = Matrix(rows: rows, columns: widest)
    for i in 0..<rows * widest { a.base[i] = Float(i % 17 - 8) * 0.01 }
    memory = Int8Rows(Matrix(rows: rows, columns: Int8Rows.width(depth: widest)))
  }

  /// Operations per second of the instruction alone.
  static func peak(_ pool: ThreadPool) -> Double {
    let clock = ContinuousClock()
    let began = clock.now
    let operations = Machine.int8Products(pool)
    return Double(operations) / (clock.now - began).seconds
  }

  /// Operations per second over all products of the layer, measured for at least half a second.
  func measure(_ pool: ThreadPool) -> Double {
    let clock = ContinuousClock()
    let began = clock.now
    var (taken, work) = (0.0, 0.0)
    repeat {
      for module in LinearModule.allCases {
        let weight = layer.weight(module)
        let input = a.reshaped(rows: rows, columns: weight.columns)
        let gradient = a.reshaped(rows: rows, columns: weight.rows)
        Products.compute(
          c.reshaped(rows: rows, columns: weight.rows), [.forward(input, weight)], int8Rows: memory, pool)
        Products.compute(
          c.reshaped(rows: rows, columns: weight.columns), [.backward(gradient, weight)], int8Rows: memory, pool)
        work += 4 * Double(rows * weight.rows * weight.columns)
      }
      taken = (clock.now - began).seconds
    } while taken < 0.5
    return work / taken
  }
}
