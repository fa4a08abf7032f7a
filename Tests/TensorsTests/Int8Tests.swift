import Foundation
import Tensors
import TestSupport
import Testing

/// Products in int8: exact where nothing is rounded, within the steps of their rounding elsewhere, and with bits that
/// depend on an entry's own row and column alone.
@Suite struct Int8Tests {
  private static var pool: ThreadPool { ThreadPool(threads: 2) }

  private static func quantized(_ weight: Weight) throws -> Weight {
    Int8Quantizer.quantized(weight, factors: try Int8Quantizer.factors(of: [weight], pool).required("factors"), pool)
  }

  private static func memory(_ rows: Int, depth: Int) -> Int8Rows {
    Int8Rows(Matrix(rows: rows, columns: Int8Rows.width(depth: depth)))
  }

  /// Integers up to 127, which every block of 128 and every row has: codes, scales and sums are all exact.
  private static func integers(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    let matrix = randomMatrix(rows, columns, seed: seed, bound: 127)
    for row in 0..<rows {
      for column in 0..<columns {
        matrix[row, column] = column % 128 == 0 ? 127 : matrix[row, column].rounded()
      }
    }
    return matrix
  }

  private static let shapes = [(1, 1, 1), (3, 31, 16), (5, 33, 128), (12, 127, 129), (37, 160, 700), (193, 3, 257)]

  @Test(arguments: shapes) func `products of integers are exact`(rows: Int, columns: Int, depth: Int) throws {
    let x = Self.integers(rows, depth, seed: 1)
    let bias = randomMatrix(1, columns, seed: 3, bound: 100)
    for column in 0..<columns { bias[0, column].round() }
    for isForward in [true, false] {
      // Unit factors, and scales of one: the rows that a scale belongs to have a 127 too.
      let w = isForward ? Self.integers(columns, depth, seed: 2) : Self.integers(depth, columns, seed: 2)
      for row in 0..<w.rows { w[row, 0] = 127 }
      let weight = Int8Quantizer.quantized(
        Weight(copy(w)), factors: [Float](repeating: 1, count: w.columns), Self.pool)
      #expect(weight.widened().elements == w.elements)
      let c = randomMatrix(rows, columns, seed: 4)
      let term = isForward ? Term.forward(x, weight) : .backward(x, weight)
      Products.compute(c, from: .bias(bias), [term], int8Rows: Self.memory(rows, depth: depth), Self.pool)
      for row in 0..<rows {
        for column in 0..<columns {
          let sum = (0..<depth).reduce(Double(bias[0, column])) {
            $0 + Double(x[row, $1]) * Double(isForward ? w[column, $1] : w[$1, column])
          }
          // Sums of whole numbers below 2^24 are exact in fp32; larger ones round once a block.
          let allowed = max(0, abs(sum) * 0x1p-23) * (abs(sum) < 0x1p23 ? 0 : 6)
          #expect(abs(Double(c[row, column]) - sum) <= allowed, "\(row) \(column) \(isForward)")
        }
      }
    }
  }

  @Test(arguments: shapes) func `rounding stays within its steps`(rows: Int, columns: Int, depth: Int) throws {
    for isForward in [true, false] {
      let stored = ProductTests.randomWeight(
        isForward ? columns : depth, isForward ? depth : columns, .bfloat16, seed: 5)
      let weight = try Self.quantized(stored)
      let wide = weight.widened()
      let x = randomMatrix(rows, depth, seed: 6)
      let c = Matrix(rows: rows, columns: columns)
      Products.compute(
        c, [isForward ? .forward(x, weight) : .backward(x, weight)], int8Rows: Self.memory(rows, depth: depth),
        Self.pool)
      // Half a step of each entry of x, whose block has a maximum of at most 1 times the scales.
      for row in 0..<rows {
        for column in 0..<columns {
          var (sum, step) = (0.0, 1e-6)
          for k in 0..<depth {
            let w = Double(isForward ? wide[column, k] : wide[k, column])
            sum += Double(x[row, k]) * w
            step += isForward ? abs(w) / 127 : 1.0 / 127
          }
          #expect(abs(Double(c[row, column]) - sum) <= 0.51 * step + 1e-5 * abs(sum), "\(row) \(column)")
        }
      }
    }
  }

  @Test func `weights are rounded to half a step`() throws {
    let stored = ProductTests.randomWeight(40, 300, .float32, seed: 7)
    let (before, after) = (stored.widened(), try Self.quantized(stored).widened())
    for row in 0..<40 {
      let top = (0..<300).reduce(Float(0)) { max($0, abs(before[row, $1])) }
      for column in 0..<300 {
        #expect(abs(before[row, column] - after[row, column]) <= top / 127 * 0.501)
      }
    }
  }

  @Test func `small input channels keep their precision`() throws {
    let w = copy(randomMatrix(200, 256, seed: 8))
    for row in 0..<200 { for column in [3, 200] { w[row, column] /= 128 } }
    let factors = try Int8Quantizer.factors(of: [Weight(w)], Self.pool).required("factors")
    #expect(factors[3] == 1.0 / 128 && factors[200] == 1.0 / 128 && factors.filter { $0 == 1 }.count == 254)
    let wide = Int8Quantizer.quantized(Weight(w), factors: factors, Self.pool).widened()
    for row in 0..<200 { #expect(abs(wide[row, 3] - w[row, 3]) <= 0.51 / 128 / 127) }
    // Those who read one input share its factors.
    let other = copy(randomMatrix(200, 256, seed: 9))
    #expect(try Int8Quantizer.factors(of: [Weight(other)], Self.pool).required("factors") == factors.map { _ in 1 })
    let shared = try Int8Quantizer.factors(of: [Weight(w), Weight(w), Weight(other)], Self.pool).required("factors")
    #expect(shared[3] < 1 && shared[100] == 1)
    w[5, 5] = .infinity
    #expect(Int8Quantizer.factors(of: [Weight(w)], Self.pool) == nil)
    w[5, 5] = .nan
    #expect(Int8Quantizer.factors(of: [Weight(w)], Self.pool) == nil)
  }

  /// An entry far above its row would take all the precision of its block.
  @Test func `a block with an outlier keeps its small entries`() throws {
    let (rows, columns, depth) = (30, 65, 384)
    let weight = try Self.quantized(ProductTests.randomWeight(columns, depth, .float32, seed: 10))
    let wide = weight.widened()
    let x = randomMatrix(rows, depth, seed: 11)
    for row in stride(from: 0, to: rows, by: 2) { x[row, 130] = 300 }
    let c = Matrix(rows: rows, columns: columns)
    Products.compute(c, [.forward(x, weight)], int8Rows: Self.memory(rows, depth: depth), Self.pool)
    for row in 0..<rows {
      for column in 0..<columns {
        let sum = (0..<depth).reduce(0.0) { $0 + Double(x[row, $1]) * Double(wide[column, $1]) }
        // Without the rest, 127 entries would be off by up to 300 / 254 each.
        #expect(abs(Double(c[row, column]) - sum) < 0.35, "\(row) \(column)")
      }
    }
  }

  @Test func `bits depend on the row and the column alone`() throws {
    let (rows, columns, depth) = (50, 300, 500)
    let weight = try Self.quantized(ProductTests.randomWeight(columns, depth, .bfloat16, seed: 12))
    let b = randomMatrix(columns, 8, seed: 13)
    let (x, reduced) = (randomMatrix(rows, depth, seed: 14), randomMatrix(rows, 8, seed: 15))
    for row in stride(from: 0, to: rows, by: 7) { x[row, row] = 200 }
    let start = randomMatrix(rows, columns, seed: 16)
    func product(_ own: Range<Int>, threads: Int, few: Bool = false, withLoRA: Bool = true) -> [UInt32] {
      let c = copy(start.rows(own))
      let terms = [Term.forward(x.rows(own), weight)] + (withLoRA ? [.timesTransposed(reduced.rows(own), b)] : [])
      let (products, pool) = ([Product(c, from: .matrix(c), terms)], ThreadPool(threads: threads))
      let memory = Self.memory(own.count, depth: depth)
      if few {
        Products.computeRows(products, int8Rows: memory, pool)
      } else {
        Products.compute(products, int8Rows: memory, pool)
      }
      return bits(c)
    }
    for few in [false, true] {
      let all = product(0..<rows, threads: 1, few: few)
      #expect(product(0..<rows, threads: 3, few: few) == all)
      for own in [0..<1, 7..<9, 13..<18, 20..<50] {
        #expect(
          product(own, threads: 2, few: few) == Array(all[own.lowerBound * columns..<own.upperBound * columns]),
          "\(own)")
      }
    }
    // Of the term in int8 alone, both ways give the same bits.
    #expect(product(0..<3, threads: 1, few: true, withLoRA: false) == product(0..<3, threads: 1, withLoRA: false))
  }

  @Test func `terms add up and inputs are shared`() throws {
    let depth = 200
    let weights = try (0..<3).map { try Self.quantized(ProductTests.randomWeight(70, depth, .float32, seed: 20 + $0)) }
    let x = randomMatrix(9, depth, seed: 30)
    let memory = Self.memory(9, depth: depth)
    let alone = weights.map { weight in
      let c = Matrix(rows: 9, columns: 70)
      Products.compute(c, [.forward(x, weight)], int8Rows: memory, Self.pool)
      return c
    }
    let together = weights.map { _ in Matrix(rows: 9, columns: 70) }
    Products.compute(
      zip(together, weights).map { Product($0, [.forward(x, $1)]) }, int8Rows: memory, Self.pool)
    for (one, other) in zip(alone, together) { #expect(bits(one) == bits(other)) }
    // The gradient of a shared input: a sum of terms in int8, with an fp32 term at the end.
    let dy = (0..<3).map { randomMatrix(9, 70, seed: 40 + $0) }
    let (reduced, a) = (randomMatrix(9, 4, seed: 50), randomMatrix(4, depth, seed: 51))
    let backward = Int8Rows(Matrix(rows: 9, columns: Int8Rows.width(depth: 70)))
    let (sum, stepwise) = (Matrix(rows: 9, columns: depth), Matrix(rows: 9, columns: depth))
    let terms = zip(dy, weights).map { Term.backward($0, $1) } + [.times(reduced, a)]
    Products.compute(sum, terms, int8Rows: backward, Self.pool)
    for term in terms { Products.compute(stepwise, from: .matrix(stepwise), [term], int8Rows: backward, Self.pool) }
    #expect(bits(sum) == bits(stepwise))
  }

  @Test func `what is not finite stays in its row`() throws {
    let weight = try Self.quantized(ProductTests.randomWeight(40, 256, .float32, seed: 60))
    let x = randomMatrix(5, 256, seed: 61)
    let (clean, c) = (Matrix(rows: 5, columns: 40), Matrix(rows: 5, columns: 40))
    let memory = Self.memory(5, depth: 256)
    Products.compute(clean, [.forward(x, weight)], int8Rows: memory, Self.pool)
    (x[1, 3], x[4, 200]) = (.nan, .infinity)
    Products.compute(c, [.forward(x, weight)], int8Rows: memory, Self.pool)
    for row in 0..<5 {
      if row == 1 || row == 4 {
        #expect((0..<40).allSatisfy { c[row, $0].isNaN })
      } else {
        #expect(bits(c.rows(row..<row + 1)) == bits(clean.rows(row..<row + 1)))
      }
    }
  }

  @Test func `fp32 products read the same weight`() throws {
    let stored = ProductTests.randomWeight(70, 200, .bfloat16, seed: 70)
    let weight = try Self.quantized(stored)
    let wide = Weight(weight.widened())
    let x = randomMatrix(7, 200, seed: 71)
    for rows in [0..<70, 5..<40] {
      let (c, expected) = (Matrix(rows: 7, columns: rows.count), Matrix(rows: 7, columns: rows.count))
      Products.compute(c, [.forward(x, weight.rows(rows), inFloats: true)], Self.pool)
      Products.compute(expected, [.forward(x, wide.rows(rows))], Self.pool)
      #expect(bits(c) == bits(expected))
      Products.computeRows([Product(c, [.forward(x, weight.rows(rows), inFloats: true)])], Self.pool)
      Products.computeRows([Product(expected, [.forward(x, wide.rows(rows))])], Self.pool)
      #expect(bits(c) == bits(expected))
    }
    #expect(weight.byteCount == 70 * 200 + 4 * 270)
  }
}
