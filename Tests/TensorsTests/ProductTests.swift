import CShoal
import Tensors
import TestSupport
import Testing

/// Compares the matrix product with naive sums in fp64, and checks that an entry's bits depend on that entry alone.
@Suite struct ProductTests {
  enum Kind: CaseIterable {
    case forward, backward, times, timesTransposed, transposedTimes
  }

  /// A term with its two factors in fp64: a [rows, depth], b [depth, columns].
  struct Sample {
    let term: Term
    let a, b: (Int, Int) -> Double
    let depth: Int

    init(term: Term, a: @escaping (Int, Int) -> Double, b: @escaping (Int, Int) -> Double, depth: Int) {
      (self.term, self.a, self.b, self.depth) = (term, a, b, depth)
    }

    init(_ kind: Kind, _ rows: Int, _ columns: Int, _ depth: Int, type: ElementType = .float32, seed: UInt64) {
      self.depth = depth
      let left =
        kind == .transposedTimes
        ? randomMatrix(depth, rows, seed: seed) : randomMatrix(rows, depth, seed: seed)
      a = { kind == .transposedTimes ? Double(left[$1, $0]) : Double(left[$0, $1]) }
      switch kind {
      case .forward, .backward:
        let isForward = kind == .forward
        let weight = randomWeight(isForward ? columns : depth, isForward ? depth : columns, type, seed: seed + 1)
        let wide = weight.widened()
        term = isForward ? .forward(left, weight) : .backward(left, weight)
        b = { Double(isForward ? wide[$1, $0] : wide[$0, $1]) }
      case .times, .transposedTimes:
        let right = randomMatrix(depth, columns, seed: seed + 1)
        term = kind == .times ? .times(left, right) : .transposedTimes(left, right)
        b = { Double(right[$0, $1]) }
      case .timesTransposed:
        let right = randomMatrix(columns, depth, seed: seed + 1)
        term = .timesTransposed(left, right)
        b = { Double(right[$1, $0]) }
      }
    }
  }

  static func randomWeight(_ rows: Int, _ columns: Int, _ type: ElementType, seed: UInt64) -> Weight {
    let bytes = copy(randomMatrix(rows, columns, seed: seed)).narrowed(to: type)
    let storage = Storage(count: bytes.count / 4 + 1)
    UnsafeMutableRawPointer(storage.base).copyMemory(from: bytes, byteCount: bytes.count)
    return Weight(base: storage.base, type: type, rows: rows, columns: columns, owner: storage)
  }

  /// The largest error, relative to the bound that rounding allows.
  static func error(_ c: Matrix, start: (Int, Int) -> Double, _ samples: [Sample]) -> Double {
    let terms = samples.reduce(0) { $0 + $1.depth }
    var worst = 0.0
    for row in 0..<c.rows {
      for column in 0..<c.columns {
        var (sum, size) = (start(row, column), abs(start(row, column)))
        for sample in samples {
          for k in 0..<sample.depth {
            let product = sample.a(row, k) * sample.b(k, column)
            sum += product
            size += abs(product)
          }
        }
        let share = abs(Double(c[row, column]) - sum) / (size * summationBound(terms: terms) + 1e-45)
        worst = share.isNaN ? .infinity : max(worst, share)
      }
    }
    return worst
  }

  static let shapes = [
    (1, 1, 1), (1, 33, 7), (2, 5, 1), (3, 31, 16), (4, 32, 17), (5, 33, 384), (11, 64, 385), (12, 127, 15),
    (13, 129, 33), (16, 128, 48), (23, 1, 400), (37, 260, 50), (193, 3, 9), (769, 300, 5),
  ]

  @Test(arguments: Kind.allCases)
  func `products of every kind and shape`(kind: Kind) {
    let pool = ThreadPool(threads: 2)
    for (rows, columns, depth) in Self.shapes {
      let types: [ElementType] =
        kind == .forward || kind == .backward ? [.float32, .bfloat16, .float16] : [.float32]
      for type in types {
        let sample = Sample(kind, rows, columns, depth, type: type, seed: 11)
        let c = randomMatrix(rows, columns, seed: 1)
        let margin = c.base - 1
        Products.compute(c, [sample.term], pool)
        #expect(Self.error(c, start: { _, _ in 0 }, [sample]) <= 1, "[\(rows), \(columns)] over \(depth) of \(type)")
        #expect(
          margin.pointee.isNaN && (c.pointer(row: rows - 1) + columns).pointee.isNaN,
          "wrote beside \(rows) x \(columns)")
      }
    }
  }

  @Test func `starts and several terms`() {
    let pool = ThreadPool(threads: 2)
    for (rows, columns, depth) in Self.shapes {
      let samples = [
        Sample(.forward, rows, columns, depth, type: .bfloat16, seed: 21),
        Sample(.timesTransposed, rows, columns, 4, seed: 23), Sample(.times, rows, columns, 3, seed: 25),
        Sample(.transposedTimes, rows, columns, 6, seed: 27),
      ]
      let terms = samples.map(\.term)
      let other = randomMatrix(rows, columns, seed: 31)
      let bias = randomMatrix(1, columns, seed: 32)
      let c = randomMatrix(rows, columns, seed: 33)
      let before = copy(c)
      Products.compute(c, from: .matrix(c), terms, pool)
      #expect(Self.error(c, start: { Double(before[$0, $1]) }, samples) <= 1)
      Products.compute(c, from: .matrix(other), terms, pool)
      #expect(Self.error(c, start: { Double(other[$0, $1]) }, samples) <= 1)
      Products.compute(c, from: .bias(bias), terms, pool)
      #expect(Self.error(c, start: { Double(bias[0, $1]) }, samples) <= 1)
      Products.compute(c, terms, pool)
      #expect(Self.error(c, start: { _, _ in 0 }, samples) <= 1)
    }
  }

  @Test func `no terms and terms without depth leave the start`() {
    let pool = ThreadPool(threads: 1)
    let (rows, columns) = (14, 37)
    let other = randomMatrix(rows, columns, seed: 41)
    let bias = randomMatrix(1, columns, seed: 42)
    let empty = Term.times(Matrix(rows: rows, columns: 0), Matrix(rows: 0, columns: columns))
    for terms in [[], [empty]] {
      let c = randomMatrix(rows, columns, seed: 43)
      let before = bits(c)
      Products.compute(c, from: .matrix(c), terms, pool)
      #expect(bits(c) == before)
      Products.compute(c, from: .matrix(other), terms, pool)
      #expect(bits(c) == bits(other))
      Products.compute(c, from: .bias(bias), terms, pool)
      #expect(bits(c.rows(13..<14)) == bits(bias))
      Products.compute(c, terms, pool)
      #expect(c.elements.allSatisfy { $0 == 0 })
    }
    let sample = Sample(.times, rows, columns, 5, seed: 44)
    let c = randomMatrix(rows, columns, seed: 45)
    Products.compute(c, [empty, sample.term], pool)
    #expect(Self.error(c, start: { _, _ in 0 }, [sample]) <= 1, "an empty first term")
  }

  @Test func `empty results`() {
    let pool = ThreadPool(threads: 2)
    Products.compute(
      Matrix(rows: 0, columns: 9), [.times(Matrix(rows: 0, columns: 4), randomMatrix(4, 9, seed: 1))], pool
    )
    Products.compute(
      Matrix(rows: 9, columns: 0), [.times(randomMatrix(9, 4, seed: 1), Matrix(rows: 4, columns: 0))], pool
    )
  }

  @Test func `bits do not depend on threads, rows or columns computed along`() {
    for (rows, columns, depth) in [(50, 70, 401), (401, 300, 40), (7, 600, 390)] {
      for type in [ElementType.float32, .bfloat16, .float16] {
        let x = randomMatrix(rows, depth, seed: 51)
        let weight = Self.randomWeight(columns, depth, type, seed: 52)
        let whole = Matrix(rows: rows, columns: columns)
        Products.compute(whole, [.forward(x, weight)], ThreadPool(threads: 1))
        for threads in [2, 3] {
          let c = Matrix(rows: rows, columns: columns)
          Products.compute(c, [.forward(x, weight)], ThreadPool(threads: threads))
          #expect(bits(c) == bits(whole), "\(threads) threads")
        }
        let pool = ThreadPool(threads: 2)
        for range in [0..<1, 3..<4, 2..<7, rows - 5..<rows, 1..<rows] {
          let c = Matrix(rows: range.count, columns: columns)
          Products.compute(c, [.forward(x.rows(range), weight)], pool)
          #expect(bits(c) == bits(whole.rows(range)), "rows \(range) of \(rows)")
        }
        for range in [0..<1, 5..<6, 3..<37, columns - 17..<columns, 1..<columns] {
          let c = Matrix(rows: rows, columns: range.count)
          Products.compute(c, [.forward(x, weight.rows(range))], pool)
          #expect(bits(c) == bits(whole.columns(range)), "columns \(range) of \(columns)")
        }
      }
    }
  }

  /// Another kind of term with the same sums in the same order gives the same bits.
  @Test func `bits do not depend on the layout of the right-hand side`() {
    let (rows, columns, depth) = (29, 75, 410)
    let pool = ThreadPool(threads: 2)
    let a = randomMatrix(rows, depth, seed: 61)
    let b = randomMatrix(depth, columns, seed: 62)
    let (bTransposed, aTransposed) = (Matrix(rows: columns, columns: depth), Matrix(rows: depth, columns: rows))
    for k in 0..<depth {
      for n in 0..<columns { bTransposed[n, k] = b[k, n] }
      for m in 0..<rows { aTransposed[k, m] = a[m, k] }
    }
    let (c, d, e) = (
      Matrix(rows: rows, columns: columns), Matrix(rows: rows, columns: columns), Matrix(rows: rows, columns: columns)
    )
    Products.compute(c, [.times(a, b)], pool)
    Products.compute(d, [.timesTransposed(a, bTransposed)], pool)
    Products.compute(e, [.transposedTimes(aTransposed, b)], pool)
    #expect(bits(c) == bits(d) && bits(c) == bits(e))
  }

  @Test func `vector levels agree`() {
    for (rows, columns, depth) in Self.shapes {
      let a = randomMatrix(rows, depth, seed: 71)
      let b = randomMatrix(depth, columns, seed: 72)
      let term = shoal_term(
        a: a.base, a_row: Int64(a.stride), a_depth: 1, b: b.base, b_depth: Int64(b.stride), b_column: 1,
        depth: Int64(depth), b_type: Int32(SHOAL_F32), scales: shoal_nf4_scales(),
        int8: shoal_int8_scales())
      let panels = (columns + Int(SHOAL_PANEL) - 1) / Int(SHOAL_PANEL)
      let scratch = Storage(count: Int(SHOAL_DEPTH_BLOCK) * panels * Int(SHOAL_PANEL))
      var results: [Matrix] = []
      for level in VectorLevel.available {
        let c = randomMatrix(rows, columns, seed: 73)
        withUnsafePointer(to: term) {
          shoal_kernels_of(level.rawValue).pointee.products_tile(
            c.base, Int64(c.stride), 0, Int64(rows), 0, Int64(columns), nil, 0, $0, 1, scratch.base)
        }
        let sample = Sample(term: .times(a, b), a: { Double(a[$0, $1]) }, b: { Double(b[$0, $1]) }, depth: depth)
        #expect(Self.error(c, start: { _, _ in 0 }, [sample]) <= 1, "level \(level)")
        results.append(c)
      }
      for result in results { #expect(bits(result) == bits(results[0])) }
    }
  }
}
