import Foundation
import Tensors
import TestSupport
import Testing

/// Compares the kernels of encoders with naive loops in fp64.
@Suite struct EncoderKernelTests {
  @Test(arguments: [(1, 1), (2, 15), (33, 16), (3, 130), (17, 407)], [true, false])
  func `layer norms, with and without a residual`(shape: (rows: Int, columns: Int), hasResidual: Bool) {
    let (rows, columns) = shape
    let x = randomMatrix(rows, columns, seed: 1, bound: 3)
    let residual = randomMatrix(rows, columns, seed: 2)
    let (weight, bias) = (copy(randomMatrix(1, columns, seed: 3)), copy(randomMatrix(1, columns, seed: 4)))
    let y = randomMatrix(rows, columns, seed: 5)
    EncoderKernels.layerNorm(
      y, x, residual: hasResidual ? residual : nil, weight: weight, bias: bias, epsilon: 1e-3, KernelTests.pool)
    let expected = (0..<rows).flatMap { row -> [Double] in
      let sums = (0..<columns).map { Double(x[row, $0]) + (hasResidual ? Double(residual[row, $0]) : 0) }
      let mean = sums.reduce(0, +) / Double(columns)
      let variance = sums.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      return sums.enumerated().map { column, sum in
        (sum - mean) / (variance + 1e-3).squareRoot() * Double(weight[0, column]) + Double(bias[0, column])
      }
    }
    #expect(excess(KernelTests.numbers(y), expected, .kernel) < 1)
    EncoderKernels.layerNorm(
      x, x, residual: hasResidual ? residual : nil, weight: weight, bias: bias, epsilon: 1e-3, KernelTests.pool)
    #expect(x.elements == y.elements, "in place")
  }

  @Test func `GELU by the normal distribution`() {
    let x = Matrix(rows: 40, columns: 101)
    for index in 0..<40 * 101 { x.base[index] = Float(index - 2020) / 101 }
    (x[0, 0], x[0, 1], x[39, 100]) = (-1e30, -60, 1e30)
    let before = x.elements.map(Double.init)
    EncoderKernels.gelu(x, KernelTests.pool)
    for (value, x) in zip(x.elements.map(Double.init), before) {
      let expected = x * 0.5 * erfc(-x / 2.squareRoot())
      // The tail is accurate in itself: small results are not rounded to 0. The exponent x² / 2 is rounded twice.
      let bound = 5e-7 + min(x * x, 200) * 0x1p-24
      #expect(abs(value - expected) <= bound * abs(expected) + 1e-37, "\(x): \(value), not \(expected)")
    }
  }

  @Test func `rows of length one`() {
    let x = randomMatrix(5, 33, seed: 8, bound: 100)
    EncoderKernels.normalize(x, KernelTests.pool)
    for row in 0..<5 {
      let squares = (0..<33).reduce(0.0) { $0 + Double(x[row, $1]) * Double(x[row, $1]) }
      #expect(abs(squares - 1) < 1e-6)
    }
  }
}

/// Attention of encoders against a loop over queries and keys.
@Suite struct EncoderAttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var texts: [Int]
    var heads, width: Int
    var keys, queries: Bool
    var testDescription: String { "\(texts) tokens, \(heads) x \(width), \(keys), \(queries)" }
  }

  /// Texts of one token, of a block's length and around it, and of several blocks.
  @Test(arguments: [
    Case(texts: [1], heads: 2, width: 8, keys: true, queries: true),
    Case(texts: [5, 1, 9], heads: 3, width: 5, keys: true, queries: false),
    Case(texts: [128, 129, 127], heads: 1, width: 16, keys: false, queries: true),
    Case(texts: [7, 300], heads: 2, width: 33, keys: true, queries: true),
    Case(texts: [40, 260], heads: 2, width: 8, keys: false, queries: false),
  ])
  func `attends to the whole text`(item: Case) {
    let (rows, columns) = (item.texts.reduce(0, +), item.heads * item.width)
    let stride = 3 * item.width
    // The three of a head beside each other.
    let all = randomMatrix(rows, item.heads * stride, seed: 1)
    let parts = (0..<3).map { all.columns($0 * item.width..<item.heads * stride - (2 - $0) * item.width) }
    let heads = EncoderHeads(
      q: parts[0], k: parts[1], v: parts[2], count: item.heads, width: item.width, stride: stride)
    let center = (item.texts.max() ?? 1) + 2
    let tables = (0..<2).map { randomMatrix(2 * center + 1, columns, seed: 2 + UInt64($0)) }
    let positions = RelativePositions(
      keys: item.keys ? tables[0] : nil, queries: item.queries ? tables[1] : nil, center: center)
    var ranges: [Range<Int>] = []
    for count in item.texts { ranges.append((ranges.last?.upperBound ?? 0)..<(ranges.last?.upperBound ?? 0) + count) }
    let out = randomMatrix(rows, columns, seed: 4)
    let scratch = EncoderAttention.scratchCount(tokens: item.texts.max() ?? 0, headWidth: item.width)
    EncoderAttention.forward(
      out, heads, positions: positions, scale: 0.7, texts: ranges, ThreadPool(threads: 2, scratchCount: scratch))
    var expected: [Double] = []
    for text in ranges {
      for i in text {
        for head in 0..<item.heads {
          expected += Self.naive(i, text, head, heads, positions)
        }
      }
    }
    #expect(excess(KernelTests.numbers(out), expected, .kernel) < 1)
  }

  private static func naive(
    _ i: Int, _ text: Range<Int>, _ head: Int, _ heads: EncoderHeads, _ positions: RelativePositions
  ) -> [Double] {
    func dot(_ a: Matrix, _ rowA: Int, _ fromA: Int, _ b: Matrix, _ rowB: Int, _ fromB: Int) -> Double {
      (0..<heads.width).reduce(0) { $0 + Double(a[rowA, fromA + $1]) * Double(b[rowB, fromB + $1]) }
    }
    let (column, own) = (head * heads.stride, head * heads.width)
    let scores = text.map { j -> Double in
      let row = positions.center + j - i
      var score = dot(heads.q, i, column, heads.k, j, column)
      if let table = positions.keys { score += dot(heads.q, i, column, table, row, own) }
      if let table = positions.queries { score += dot(heads.k, j, column, table, row, own) }
      return exp(0.7 * score)
    }
    let total = scores.reduce(0, +)
    return (0..<heads.width).map { entry in
      zip(text, scores).reduce(0) { $0 + $1.1 / total * Double(heads.v[$1.0, column + entry]) }
    }
  }
}
