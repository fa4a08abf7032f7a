import Foundation
import Tensors
import TestSupport
import Testing

/// Compares norms, rotary positions, SwiGLU and row copies with naive loops in fp64.
@Suite struct KernelTests {
  /// New for every use: tests run in parallel, and a pool takes one loop at a time.
  static var pool: ThreadPool { ThreadPool(threads: 2) }
  static let shapes = [(1, 1), (2, 15), (33, 16), (5, 17), (65, 48), (3, 130), (7, 407)]

  /// The naive loop in fp64 over [rows, columns].
  static func naive(_ rows: Int, _ columns: Int, _ entry: (Int, Int) -> Double) -> [Double] {
    (0..<rows).flatMap { row in (0..<columns).map { entry(row, $0) } }
  }

  static func numbers(_ matrix: Matrix) -> [Double] { matrix.elements.map(Double.init) }

  @Test(arguments: shapes)
  func `root mean square norms`(rows: Int, columns: Int) {
    let x = randomMatrix(rows, columns, seed: 1, bound: 3)
    let weight = copy(randomMatrix(1, columns, seed: 2))
    let (y, inverse) = (randomMatrix(rows, columns, seed: 3), Matrix(rows: rows, columns: 1))
    Kernels.rmsNormForward(y, inverse: inverse, x, weight: weight, epsilon: 1e-3, Self.pool)
    func scale(_ row: Int) -> Double {
      let squares = (0..<columns).reduce(0.0) { $0 + Double(x[row, $1]) * Double(x[row, $1]) }
      return 1 / (squares / Double(columns) + 1e-3).squareRoot()
    }
    let scales = (0..<rows).map(scale)
    #expect(excess(Self.numbers(inverse), scales, .kernel) < 1)
    #expect(
      excess(
        Self.numbers(y), Self.naive(rows, columns) { Double(x[$0, $1]) * scales[$0] * Double(weight[0, $1]) },
        .kernel) < 1)

    let dy = randomMatrix(rows, columns, seed: 4)
    let dx = randomMatrix(rows, columns, seed: 5)
    let before = copy(dx)
    Kernels.rmsNormBackward(dx, dy, x, inverse: inverse, weight: weight, Self.pool)
    let dots = (0..<rows).map { row in
      (0..<columns).reduce(0.0) { $0 + Double(dy[row, $1]) * Double(weight[0, $1]) * Double(x[row, $1]) }
    }
    let expected = Self.naive(rows, columns) { row, column in
      let r = scales[row]
      return Double(before[row, column]) + Double(dy[row, column]) * Double(weight[0, column]) * r
        - Double(x[row, column]) * dots[row] * r * r * r / Double(columns)
    }
    #expect(excess(Self.numbers(dx), expected, .kernel) < 1)
  }

  @Test func `rotations by position and back`() {
    let (positions, width) = (70, 10)
    let table = Matrix(rows: positions, columns: width)
    for p in 0..<positions {
      for i in 0..<width / 2 {
        let angle = Double(p) * pow(100, -2 * Double(i) / Double(width))
        (table[p, i], table[p, width / 2 + i]) = (Float(cos(angle)), Float(sin(angle)))
      }
    }
    for heads in [1, 3] {
      let places = [0, 69, 3, 3] + (0..<40).map { Int32($0) }
      let x = randomMatrix(places.count, heads * width, seed: 6)
      let before = copy(x)
      Kernels.rope(x, positions: places, table: table, .forward, Self.pool)
      let expected = Self.naive(places.count, heads * width) { row, column in
        let (head, e) = (column / width * width, column % width)
        let (i, half) = (e % (width / 2), width / 2)
        let angle = Double(places[row]) * pow(100, -2 * Double(i) / Double(width))
        let (a, b) = (Double(before[row, head + i]), Double(before[row, head + half + i]))
        return e < half ? a * cos(angle) - b * sin(angle) : b * cos(angle) + a * sin(angle)
      }
      #expect(excess(Self.numbers(x), expected, .kernel) < 1)
      #expect(bits(x.rows(0..<1)) == bits(before.rows(0..<1)), "position 0 turns nothing")
      Kernels.rope(x, positions: places, table: table, .backward, Self.pool)
      #expect(excess(Self.numbers(x), Self.numbers(before), .kernel) < 1, "the transpose is the inverse")
    }
  }

  @Test(arguments: shapes)
  func `gated units`(rows: Int, columns: Int) {
    let gate = randomMatrix(rows, columns, seed: 7, bound: 20)
    let up = randomMatrix(rows, columns, seed: 8)
    let h = randomMatrix(rows, columns, seed: 9)
    let dh = randomMatrix(rows, columns, seed: 10)
    let (g0, u0, d0) = (copy(gate), copy(up), copy(dh))
    func sigmoid(_ row: Int, _ column: Int) -> Double { 1 / (1 + exp(-Double(g0[row, column]))) }
    let expected = Self.naive(rows, columns) { Double(g0[$0, $1]) * sigmoid($0, $1) * Double(u0[$0, $1]) }
    Kernels.swiGLUForward(h, gate: gate, up: up, Self.pool)
    #expect(excess(Self.numbers(h), expected, .kernel) < 1)
    Kernels.swiGLUBackward(gate: gate, up: up, dh: dh, Self.pool)
    #expect(excess(Self.numbers(dh), expected, .kernel) < 1, "dh becomes h")
    #expect(
      excess(
        Self.numbers(up),
        Self.naive(rows, columns) { Double(d0[$0, $1]) * Double(g0[$0, $1]) * sigmoid($0, $1) }, .kernel) < 1)
    let dgate = Self.naive(rows, columns) { row, column in
      let s = sigmoid(row, column)
      return Double(d0[row, column]) * Double(u0[row, column]) * s * (1 + Double(g0[row, column]) * (1 - s))
    }
    #expect(excess(Self.numbers(gate), dgate, .kernel) < 1)
  }

  @Test func `gated units at the ends of the range`() {
    let values: [Float] = [-1e30, -200, -88.8, -88.7, -1e-30, 0, 1e-30, 88.7, 200, 1e30]
    let (gate, up, h) = (
      Matrix(rows: 1, columns: values.count), Matrix(rows: 1, columns: values.count),
      Matrix(rows: 1, columns: values.count)
    )
    for (i, value) in values.enumerated() { (gate[0, i], up[0, i]) = (value, 1) }
    Kernels.swiGLUForward(h, gate: gate, up: up, Self.pool)
    for (i, value) in values.enumerated() {
      let x = Double(value)
      #expect(abs(Double(h[0, i]) - x / (1 + exp(-x))) <= 2e-6 * abs(x) + 1e-30, "silu of \(value)")
      h[0, i] = 1
    }
    Kernels.swiGLUBackward(gate: gate, up: up, dh: h, Self.pool)
    #expect(gate.elements.allSatisfy(\.isFinite) && up.elements.allSatisfy(\.isFinite))
    #expect(gate[0, 0] == 0 && gate[0, values.count - 1] == 1)
  }

  @Test(arguments: [ElementType.float32, .bfloat16, .float16])
  func `embedding`(type: ElementType) {
    let table = ProductTests.randomWeight(9, 17, type, seed: 11)
    let wide = table.widened()
    let ids: [Int32] = [8, 0, 0, 3] + (0..<40).map { $0 % 9 }
    let y = randomMatrix(ids.count, 17, seed: 12)
    Kernels.embed(y, ids: ids, table: table, Self.pool)
    for (i, id) in ids.enumerated() { #expect(bits(y.rows(i..<i + 1)) == bits(wide.rows(Int(id)..<Int(id) + 1))) }
    Kernels.embed(Matrix(rows: 0, columns: 17), ids: [], table: table, Self.pool)
  }

  @Test func `gather and scatter`() {
    let x = randomMatrix(50, 19, seed: 13)
    let index = (0..<40).map { Int32(49 - $0) }
    let y = randomMatrix(40, 19, seed: 14)
    Kernels.gather(y, x, index: index, Self.pool)
    for (i, row) in index.enumerated() { #expect(bits(y.rows(i..<i + 1)) == bits(x.rows(Int(row)..<Int(row) + 1))) }
    let sum = randomMatrix(50, 19, seed: 15)
    let before = copy(sum)
    Kernels.scatterAdd(sum, y, index: index, Self.pool)
    #expect(
      sum.elements
        == (0..<50).flatMap { row in (0..<19).map { row < 10 ? before[row, $0] : before[row, $0] + x[row, $0] } })
  }

  @Test func `combinations`() {
    let x = randomMatrix(37, 21, seed: 16)
    let y = randomMatrix(37, 21, seed: 17)
    let before = copy(y)
    Kernels.combine(y, 0.5, x, -2, Self.pool)
    let expected = Self.naive(37, 21) { 0.5 * Double(before[$0, $1]) - 2 * Double(x[$0, $1]) }
    #expect(excess(Self.numbers(y), expected, .kernel) < 1)
    for row in 0..<37 { y[row, 3] = .nan }
    Kernels.combine(y, 0, x, 2, Self.pool)
    #expect(y.elements == x.elements.map { 2 * $0 }, "what was there does not matter with a = 0")
    Kernels.scale(y, by: -0.25, Self.pool)
    #expect(y.elements == x.elements.map { -0.5 * $0 })
    Kernels.clear(y, Self.pool)
    #expect(y.elements.allSatisfy { $0 == 0 })
  }

  @Test func `finite checks and squares`() {
    let x = randomMatrix(9, 33, seed: 18)
    #expect(Kernels.firstNonFinite(x) == nil)
    let squares = x.elements.reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(Kernels.sumOfSquares(x) - squares) <= 1e-13 * squares)
    for bad in [Float.nan, .infinity, -.infinity] {
      x[6, 32] = bad
      #expect(Kernels.firstNonFinite(x).map { [$0.row, $0.column] } == [6, 32])
    }
  }

  /// Rows of a kernel are independent: any part of them has the same bits, with any number of threads.
  @Test func `bits do not depend on rows or threads`() {
    let x = randomMatrix(101, 131, seed: 19)
    let weight = copy(randomMatrix(1, 131, seed: 20))
    func norm(_ x: Matrix, threads: Int) -> [UInt32] {
      let y = Matrix(rows: x.rows, columns: x.columns)
      let dx = Matrix(rows: x.rows, columns: x.columns)
      let inverse = Matrix(rows: x.rows, columns: 1)
      let pool = ThreadPool(threads: threads)
      Kernels.rmsNormForward(y, inverse: inverse, x, weight: weight, epsilon: 1e-6, pool)
      Kernels.rmsNormBackward(dx, y, x, inverse: inverse, weight: weight, pool)
      Kernels.swiGLUForward(y, gate: dx, up: x, pool)
      return bits(y)
    }
    let whole = norm(x, threads: 1)
    #expect(norm(x, threads: 2) == whole && norm(x, threads: 3) == whole)
    #expect(norm(x.rows(40..<41), threads: 2) == Array(whole[40 * 131..<41 * 131]))
    #expect(norm(x.rows(3..<70), threads: 2) == Array(whole[3 * 131..<70 * 131]))
  }
}
