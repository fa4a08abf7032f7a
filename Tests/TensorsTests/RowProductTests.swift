import CShoal
import Tensors
import TestSupport
import Testing

/// Compares products with few rows with naive sums in fp64, and with each other.
@Suite struct RowProductTests {
  private static let shapes = [(1, 1), (5, 7), (33, 15), (128, 64), (130, 65), (40, 200), (700, 896), (3, 5000)]

  @Test(arguments: [ElementType.float32, .bfloat16, .float16])
  func `a row times weights of every type`(type: ElementType) {
    for (columns, depth) in Self.shapes {
      let samples = [
        ProductTests.Sample(.forward, 1, columns, depth, type: type, seed: 3),
        ProductTests.Sample(.timesTransposed, 1, columns, 6, seed: 5),
      ]
      let bias = randomMatrix(1, columns, seed: 8)
      let (c, other) = (randomMatrix(1, columns, seed: 9), randomMatrix(1, columns, seed: 10))
      let before = copy(other)
      let margin = c.base - 1
      // Two products in one loop; the second product adds to the present values.
      let products = [
        Product(c, from: .bias(bias), samples.map(\.term)),
        Product(other, from: .matrix(other), [samples[0].term]),
      ]
      Products.computeRows(products, ThreadPool(threads: 2))
      #expect(ProductTests.error(c, start: { Double(bias[0, $1]) }, samples) <= 1, "\(columns) over \(depth)")
      #expect(
        ProductTests.error(other, start: { Double(before[0, $1]) }, [samples[0]]) <= 1, "\(columns) over \(depth)")
      #expect(margin.pointee.isNaN && (c.base + columns).pointee.isNaN, "wrote beside \(columns)")
    }
  }

  @Test func `a row times NF4`() throws {
    for (columns, depth) in [(1, 64), (31, 128), (300, 960), (700, 4864)] {
      let pool = ThreadPool(threads: 2)
      let weight = try NF4Quantizer.quantized(ProductTests.randomWeight(columns, depth, .float32, seed: 4), pool)
        .required("")
      let wide = weight.widened()
      let x = randomMatrix(1, depth, seed: 5)
      // Rows in the middle of a matrix start with their own scales.
      for rows in [0..<columns, columns / 3..<columns] {
        let sample = ProductTests.Sample(
          term: .forward(x, weight.rows(rows)), a: { Double(x[$0, $1]) },
          b: { Double(wide[rows.lowerBound + $1, $0]) }, depth: depth)
        let c = randomMatrix(1, rows.count, seed: 6)
        Products.computeRows([Product(c, [sample.term])], pool)
        // The scale is multiplied in after the sum of its block.
        #expect(ProductTests.error(c, start: { _, _ in 0 }, [sample]) <= 2, "\(rows) over \(depth)")
      }
    }
  }

  @Test func `bits do not depend on threads`() throws {
    let x = randomMatrix(1, 896, seed: 1)
    let weight = ProductTests.randomWeight(3000, 896, .bfloat16, seed: 2)
    let quantized = try NF4Quantizer.quantized(weight, ThreadPool(threads: 1)).required("NF4")
    let results = [1, 2, 3].map { threads in
      let (c, d) = (Matrix(rows: 1, columns: 3000), Matrix(rows: 1, columns: 3000))
      Products.computeRows(
        [Product(c, [.forward(x, weight)]), Product(d, [.forward(x, quantized)])], ThreadPool(threads: threads))
      return bits(c) + bits(d)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test(arguments: [ElementType.float32, .bfloat16, .float16, nil])
  func `a row has the bits that it has alone`(type: ElementType?) throws {
    for (rows, columns, depth) in [(2, 7, 64), (5, 33, 192), (50, 131, 960), (13, 40, 4864)] {
      let pool = ThreadPool(threads: 2)
      let floats = ProductTests.randomWeight(columns, depth, type ?? .float32, seed: 4)
      let weight = type == nil ? try NF4Quantizer.quantized(floats, pool).required("NF4") : floats
      let (x, start) = (randomMatrix(rows, depth, seed: 5), randomMatrix(rows, columns, seed: 6))
      let c = randomMatrix(rows, columns, seed: 7)
      Products.computeRows([Product(c, from: .matrix(start), [.forward(x, weight)])], pool)
      for row in 0..<rows {
        let alone = randomMatrix(1, columns, seed: 8)
        let own = row..<row + 1
        Products.computeRows(
          [Product(alone, from: .matrix(start.rows(own)), [.forward(x.rows(own), weight)])], ThreadPool(threads: 1))
        #expect(bits(alone) == bits(c.rows(own)), "row \(row) of \(rows), \(columns) over \(depth)")
      }
    }
  }

  /// Tests every vector level that this processor supports.
  private func checkLevels(_ term: shoal_term, _ sample: ProductTests.Sample, columns: Int, share: Double) {
    let scratch = Storage(count: 8192)
    for level in VectorLevel.available {
      let c = randomMatrix(1, columns, seed: 6)
      withUnsafePointer(to: term) {
        shoal_kernels_of(level.rawValue).pointee.products_rows(
          c.base, Int64(columns), 1, 0, Int64(columns), nil, 0, $0, 1, scratch.base, Int64(scratch.count))
      }
      #expect(ProductTests.error(c, start: { _, _ in 0 }, [sample]) <= share, "level \(level), depth \(sample.depth)")
    }
  }

  private func term(_ x: Matrix, _ base: UnsafeRawPointer?, _ type: Int, _ scales: shoal_nf4_scales) -> shoal_term {
    shoal_term(
      a: x.base, a_row: Int64(x.stride), a_depth: 1, b: base, b_depth: 1, b_column: Int64(x.columns),
      depth: Int64(x.columns), b_type: Int32(type), scales: scales, int8: shoal_int8_scales())
  }

  @Test(arguments: [(SHOAL_F32, ElementType.float32), (SHOAL_BF16, .bfloat16), (SHOAL_F16, .float16)])
  func `vector levels agree`(code: Int, type: ElementType) {
    for depth in [7, 64, 81, 960] {
      let (x, weight) = (randomMatrix(1, depth, seed: 5), ProductTests.randomWeight(19, depth, type, seed: 4))
      let wide = weight.widened()
      let sample = ProductTests.Sample(
        term: .forward(x, weight), a: { Double(x[$0, $1]) }, b: { Double(wide[$1, $0]) }, depth: depth)
      checkLevels(term(x, weight.base, code, shoal_nf4_scales()), sample, columns: 19, share: 1)
    }
  }

  @Test func `vector levels agree about NF4`() throws {
    let pool = ThreadPool(threads: 1)
    for depth in [64, 192, 960] {
      let (x, floats) = (randomMatrix(1, depth, seed: 5), ProductTests.randomWeight(19, depth, .float32, seed: 4))
      let wide = try NF4Quantizer.quantized(floats, pool).required("NF4").widened()
      let maxima = try NF4Quantizer.blockMaxima(of: floats, pool).required("maxima")
      let scales = NF4Quantizer.scales(of: maxima, offset: NF4Quantizer.offset(of: maxima), pool)
      let sample = ProductTests.Sample(
        term: .forward(x, floats), a: { Double(x[$0, $1]) }, b: { Double(wide[$1, $0]) }, depth: depth)
      NF4Quantizer.codes(of: floats, pool).withUnsafeBytes { codes in
        scales.codes.withUnsafeBufferPointer { scaleCodes in
          scales.maxima.withUnsafeBufferPointer { maxima in
            let scales = shoal_nf4_scales(
              codes: scaleCodes.baseAddress, maxima: maxima.baseAddress, offset: scales.offset, first: 0)
            checkLevels(term(x, codes.baseAddress, SHOAL_NF4, scales), sample, columns: 19, share: 2)
          }
        }
      }
    }
  }

  /// Values that widening handles separately: subnormal, infinite and NaN.
  @Test func `odd fp16 numbers are widened as ever`() {
    let patterns: [UInt16] = [0, 0x8000, 1, 0x8001, 0x3FF, 0x400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E01, 0xFE55]
    for pattern in patterns {
      let storage = Storage(count: 32)
      storage.base.withMemoryRebound(to: UInt16.self, capacity: 64) { $0[5] = pattern }
      let x = Matrix(rows: 1, columns: 64)
      x[0, 5] = 1
      let c = Matrix(rows: 1, columns: 1)
      let weight = Weight(base: storage.base, type: .float16, rows: 1, columns: 64, owner: storage)
      Products.computeRows([Product(c, [.forward(x, weight)])], ThreadPool(threads: 1))
      let expected = Float(Float16(bitPattern: pattern))
      #expect(expected.isNaN ? c[0, 0].isNaN : c[0, 0] == expected, "\(pattern)")
    }
  }
}
