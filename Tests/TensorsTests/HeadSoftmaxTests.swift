import Foundation
import Tensors
import TestSupport
import Testing

/// The running softmax, which gets its logits tile by tile.
@Suite struct HeadSoftmaxTests {
  /// New for every use: tests run in parallel, and a pool takes one loop at a time.
  static var pool: ThreadPool { ThreadPool(threads: 2) }

  struct Found {
    let logSums: [Double]
    let dx: Matrix
  }

  /// logits = x Wᵀ in tiles of `tile` columns; log Σ exp of each row, and the gradient of Σ coefficient · log-prob.
  static func run(
    _ x: Matrix, _ weight: Weight, targets: [(row: Int, token: Int32, coefficient: Float)], tile: Int
  ) -> Found {
    let softmax = HeadSoftmax(capacity: x.rows)
    softmax.reset()
    let expected = Matrix(rows: x.rows, columns: x.columns)
    for start in stride(from: 0, to: weight.rows, by: tile) {
      let part = weight.rows(start..<min(start + tile, weight.rows))
      let logits = Matrix(rows: x.rows, columns: part.rows)
      Products.compute(logits, [.forward(x, part)], pool)
      softmax.add(logits, firstColumn: start, accumulated: expected, pool)
      Products.compute(expected, from: .matrix(expected), [.backward(logits, part)], pool)
    }
    let rows = Matrix(rows: targets.count, columns: x.columns)
    Kernels.embed(rows, ids: targets.map(\.token), table: weight, pool)
    let dx = randomMatrix(x.rows, x.columns, seed: 9)
    softmax.gradient(dx, expected: expected, targetRows: rows, targets: targets.map { ($0.row, $0.coefficient) }, pool)
    return Found(logSums: (0..<x.rows).map(softmax.logSum), dx: dx)
  }

  @Test(arguments: [1, 7, 64, 1000])
  func `log sums and gradients against fp64`(tile: Int) {
    let (rows, width, vocabulary) = (19, 21, 131)
    let x = randomMatrix(rows, width, seed: 1, bound: 3)
    let weight = ProductTests.randomWeight(vocabulary, width, .bfloat16, seed: 2)
    let wide = weight.widened()
    // Row 5 predicts two tokens, row 6 predicts one token twice, row 7 predicts no token.
    var targets: [(row: Int, token: Int32, coefficient: Float)] = [(5, 130, 0.5), (6, 36, -0.25)]
    for row in 0..<rows where row != 7 { targets.append((row, Int32(row * 6), Float(row) / 8 - 1)) }
    let found = Self.run(x, weight, targets: targets, tile: tile)
    var dx = [Double](repeating: 0, count: rows * width)
    for row in 0..<rows {
      let logits = (0..<vocabulary).map { token in
        (0..<width).reduce(0.0) { $0 + Double(x[row, $1]) * Double(wide[token, $1]) }
      }
      let top = logits.max() ?? 0
      let logSum = top + log(logits.reduce(0) { $0 + exp($1 - top) })
      #expect(abs(found.logSums[row] - logSum) < 2e-5)
      for target in targets where target.row == row {
        for j in 0..<width {
          let mean = (0..<vocabulary).reduce(0.0) { $0 + exp(logits[$1] - logSum) * Double(wide[$1, j]) }
          dx[row * width + j] += Double(target.coefficient) * (Double(wide[Int(target.token), j]) - mean)
        }
      }
    }
    #expect(excess(found.dx.elements.map(Double.init), dx, .forward) < 1)
  }

  @Test func `large logits and a maximum in the last tile`() {
    let softmax = HeadSoftmax(capacity: 2)
    softmax.reset()
    for (tile, start) in [Float(-2000), -100, 5000].enumerated() {
      let logits = Matrix(rows: 2, columns: 33)
      for row in 0..<2 { for column in 0..<33 { logits[row, column] = start + Float(row * column) } }
      softmax.add(logits, firstColumn: 33 * tile, accumulated: nil, Self.pool)
    }
    // The first of equals, and the last column.
    #expect(softmax.best(row: 0) == 66 && softmax.best(row: 1) == 98)
    #expect(abs(softmax.logSum(row: 0) - (5000 + log(33.0))) < 1e-6)
    #expect(abs(softmax.logSum(row: 1) - (5032 - log(1 - exp(-1.0)))) < 1e-5)
    softmax.reset()
    let logits = Matrix(rows: 2, columns: 3)
    logits[1, 2] = .nan
    softmax.add(logits, firstColumn: 0, accumulated: nil, Self.pool)
    #expect(abs(softmax.logSum(row: 0) - log(3.0)) < 1e-12 && softmax.logSum(row: 1).isNaN)
  }

  /// A head that is trained keeps its logits: their log sums have the bits of those that it does not keep.
  @Test func `measuring logits leaves them and has the same bits`() {
    let (rows, width, vocabulary, tile, first) = (21, 16, 131, 32, 3)
    let x = randomMatrix(rows, width, seed: 1, bound: 3)
    let weight = ProductTests.randomWeight(vocabulary, width, .bfloat16, seed: 2)
    let (adding, measuring) = (HeadSoftmax(capacity: rows), HeadSoftmax(capacity: rows + first))
    adding.reset()
    measuring.reset()
    for start in stride(from: 0, to: vocabulary, by: tile) {
      let part = weight.rows(start..<min(start + tile, vocabulary))
      let logits = Matrix(rows: rows, columns: part.rows)
      Products.compute(logits, [.forward(x, part)], Self.pool)
      let before = logits.elements
      measuring.measure(logits, firstRow: first, Self.pool)
      #expect(logits.elements == before)
      adding.add(logits, firstColumn: start, accumulated: nil, Self.pool)
    }
    for row in 0..<rows { #expect(measuring.logSum(row: first + row) == adding.logSum(row: row)) }
  }
}
