import CShoal
import Checkpoints
import Tensors
import TestSupport
import Testing

/// Compares NF4 with bitsandbytes (Tests/Fixtures/nf4.py) and with plain loops, and products on it with products on the
/// same numbers in fp32.
@Suite struct NF4Tests {
  private static let names = ["many", "columns", "even", "ties", "tiny", "huge"]

  /// One matrix of the fixture.
  private struct Sample {
    let file: SafetensorsFile
    let name: String
    let weight: Weight

    init(_ name: String) throws {
      file = try SafetensorsFile(path: TinyFixture.nf4Directory + "/matrices.safetensors")
      self.name = name
      let entry = try file.tensors["\(name)/weight"].required(name)
      weight = Weight(
        base: try file.bytes(of: entry).baseAddress.required(name), type: entry.type, rows: entry.shape[0],
        columns: entry.shape[1], owner: file)
    }

    func bytes(_ part: String) throws -> UnsafeRawBufferPointer {
      file.bytes(of: try file.tensors["\(name)/\(part)"].required(part))
    }

    func floats(_ part: String) throws -> [Float] {
      let bytes = try bytes(part)
      return (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  @Test(arguments: names)
  func `quantised as by bitsandbytes`(name: String) throws {
    let sample = try Sample(name)
    let pool = ThreadPool(threads: 2)
    #expect(NF4Quantizer.codes(of: sample.weight, pool) == Array(try sample.bytes("codes")))
    let maxima = try NF4Quantizer.blockMaxima(of: sample.weight, pool).required("maxima")
    #expect(maxima.map(\.bitPattern) == (try sample.floats("maxima").map(\.bitPattern)))
    let offset = try sample.floats("offset")[0]
    let ours = NF4Quantizer.offset(of: maxima)
    #expect(abs(Int(ours.bitPattern) - Int(offset.bitPattern)) <= 2, "\(ours), expected \(offset)")
    let scales = NF4Quantizer.scales(of: maxima, offset: offset, pool)
    #expect(scales.codes == Array(try sample.bytes("scale_codes")))
    #expect(scales.maxima.map(\.bitPattern) == (try sample.floats("scale_maxima").map(\.bitPattern)))
  }

  @Test(arguments: names)
  func `dequantised as by bitsandbytes`(name: String) throws {
    let sample = try Sample(name)
    let scaleCodes = try sample.bytes("scale_codes").bindMemory(to: UInt8.self)
    // The file does not align them.
    let scaleMaxima = try sample.floats("scale_maxima")
    try scaleMaxima.withUnsafeBufferPointer { maxima in
      let weight = Weight(
        nf4: try sample.bytes("codes").baseAddress.required("codes"),
        scaleCodes: try scaleCodes.baseAddress.required("codes"),
        scaleMaxima: try maxima.baseAddress.required("maxima"), offset: try sample.floats("offset")[0],
        rows: sample.weight.rows, columns: sample.weight.columns, owner: sample.file)
      #expect(bits(weight.widened()) == (try sample.floats("dequantized").map(\.bitPattern)))
    }
  }

  private static let codeValues: [Float] = withUnsafeBytes(of: shoal_nf4_values) {
    Array($0.bindMemory(to: Float.self))
  }

  /// Covers pieces for several threads, groups of scales that no piece splits, and every type of a checkpoint.
  @Test(arguments: [ElementType.float32, .bfloat16, .float16])
  func `quantised as by plain loops`(type: ElementType) throws {
    let (rows, columns) = (600, 576)
    let weight = ProductTests.randomWeight(rows, columns, type, seed: 5)
    let entries = weight.widened().elements
    let bounds = zip(Self.codeValues, Self.codeValues.dropFirst()).map { ($0 + $1) / 2 }
    var (maxima, codes) = ([Float](), [UInt8]())
    for start in stride(from: 0, to: entries.count, by: NF4.block) {
      let block = entries[start..<start + NF4.block]
      let largest = block.map(abs).max() ?? 0
      maxima.append(largest)
      let nibbles = block.map { entry in UInt8(bounds.count { entry * (1 / largest) > $0 }) }
      codes += stride(from: 0, to: NF4.block, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
    }
    for threads in [1, 3] {
      let pool = ThreadPool(threads: threads)
      #expect(NF4Quantizer.blockMaxima(of: weight, pool) == maxima)
      #expect(NF4Quantizer.codes(of: weight, pool) == codes)
      let offset = NF4Quantizer.offset(of: maxima)
      let whole = NF4Quantizer.scales(of: maxima, offset: offset, pool)
      var pieces: (codes: [UInt8], maxima: [Float]) = ([], [])
      for start in stride(from: 0, to: maxima.count, by: NF4.scaleBlock) {
        let piece = Array(maxima[start..<min(maxima.count, start + NF4.scaleBlock)])
        let scales = NF4Quantizer.scales(of: piece, offset: offset, pool)
        pieces.codes += scales.codes
        pieces.maxima += scales.maxima
      }
      #expect(whole.codes == pieces.codes && whole.maxima == pieces.maxima)
    }
    // In each block, a value differs from its weight by at most one code.
    let wide = try NF4Quantizer.quantized(weight, ThreadPool(threads: 2)).required("finite weights").widened().elements
    for (i, (ours, entry)) in zip(wide, entries).enumerated() {
      #expect(abs(ours - entry) < 0.17 * maxima[i / NF4.block])
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `refuses what no code stands for`(entry: Float) {
    let matrix = copy(randomMatrix(3, 128, seed: 6))
    let weight = Weight(base: matrix.base, type: .float32, rows: 3, columns: 128, owner: matrix.storage)
    #expect(NF4Quantizer.quantized(weight, ThreadPool(threads: 1)) != nil)
    matrix[1, 72] = entry
    #expect(NF4Quantizer.quantized(weight, ThreadPool(threads: 1)) == nil)
    #expect(NF4Quantizer.blockMaxima(of: weight, ThreadPool(threads: 1)) == nil)
  }

  /// A random NF4 matrix whose scales span several groups, and the same numbers in fp32.
  private static func pair(_ rows: Int, _ columns: Int, seed: UInt64) throws -> (nf4: Weight, floats: Weight) {
    let weight = ProductTests.randomWeight(rows, columns, .bfloat16, seed: seed)
    let quantized = try NF4Quantizer.quantized(weight, ThreadPool(threads: 1)).required("finite weights")
    let wide = quantized.widened()
    return (quantized, Weight(base: wide.base, type: .float32, rows: rows, columns: columns, owner: wide.storage))
  }

  @Test func `rows of a matrix`() throws {
    let (nf4, floats) = try Self.pair(700, 128, seed: 7)
    for range in [0..<0, 0..<1, 1..<4, 127..<300, 511..<700] {
      #expect(bits(nf4.rows(range).widened()) == bits(floats.rows(range).widened()))
      #expect(bits(nf4.rows(range).rows(0..<range.count).widened()) == bits(floats.rows(range).widened()))
    }
    #expect(nf4.byteCount == 700 * 64 + 700 * 2 + 4 * 6 + 4)
  }

  @Test(arguments: [(1, 1, 64), (5, 33, 128), (12, 96, 448), (13, 129, 64), (37, 260, 960), (400, 48, 192)])
  func `products on it have the bits of products on its numbers`(rows: Int, out: Int, width: Int) throws {
    let (nf4, floats) = try Self.pair(out, width, seed: 8)
    let pool = ThreadPool(threads: 2)
    let (x, dy) = (randomMatrix(rows, width, seed: 9), randomMatrix(rows, out, seed: 10))
    for range in [0..<out, out / 3..<out, 0..<(out + 1) / 2] {
      let (y, expected) = (Matrix(rows: rows, columns: range.count), Matrix(rows: rows, columns: range.count))
      Products.compute(y, [.forward(x, nf4.rows(range))], pool)
      Products.compute(expected, [.forward(x, floats.rows(range))], pool)
      #expect(bits(y) == bits(expected), "forward, rows \(range) of [\(out), \(width)]")
      let (dx, expectedGradient) = (Matrix(rows: rows, columns: width), Matrix(rows: rows, columns: width))
      Products.compute(dx, [.backward(dy.columns(range), nf4.rows(range))], pool)
      Products.compute(expectedGradient, [.backward(dy.columns(range), floats.rows(range))], pool)
      #expect(bits(dx) == bits(expectedGradient), "backward, rows \(range) of [\(out), \(width)]")
    }
  }

  /// The packing of every vector level, in tiles that begin at any place.
  @Test func `vector levels and tiles agree`() throws {
    let (rows, out, width) = (7, 150, 448)
    let (nf4, floats) = try Self.pair(out, width, seed: 11)
    let weight = ProductTests.randomWeight(out, width, .bfloat16, seed: 11)
    let pool = ThreadPool(threads: 1)
    let maxima = try NF4Quantizer.blockMaxima(of: weight, pool).required("finite weights")
    let quantized = NF4Quantizer.scales(of: maxima, offset: NF4Quantizer.offset(of: maxima), pool)
    let (scaleCodes, scaleMaxima) = (
      UnsafeMutablePointer<UInt8>.allocate(capacity: quantized.codes.count),
      UnsafeMutablePointer<Float>.allocate(capacity: quantized.maxima.count)
    )
    defer {
      scaleCodes.deallocate()
      scaleMaxima.deallocate()
    }
    scaleCodes.initialize(from: quantized.codes, count: quantized.codes.count)
    scaleMaxima.initialize(from: quantized.maxima, count: quantized.maxima.count)
    let scales = shoal_nf4_scales(codes: scaleCodes, maxima: scaleMaxima, offset: quantized.offset, first: 0)
    for isForward in [true, false] {
      let (depth, columns) = isForward ? (width, out) : (out, width)
      let a = randomMatrix(rows, depth, seed: 12)
      func term(_ base: UnsafeRawPointer, _ type: Int, _ scales: shoal_nf4_scales) -> shoal_term {
        shoal_term(
          a: a.base, a_row: Int64(a.stride), a_depth: 1, b: base, b_depth: isForward ? 1 : Int64(width),
          b_column: isForward ? Int64(width) : 1, depth: Int64(depth), b_type: Int32(type), scales: scales,
          int8: shoal_int8_scales())
      }
      let terms = [term(nf4.base, Int(SHOAL_NF4), scales), term(floats.base, Int(SHOAL_F32), shoal_nf4_scales())]
      let scratch = Storage(count: Int(SHOAL_DEPTH_BLOCK) * 512)
      for level in VectorLevel.available {
        for tile in [0..<columns, 5..<5 + 64, 16..<16 + 33, 48..<columns, columns - 1..<columns] {
          let results = terms.map { term in
            let c = randomMatrix(rows, columns, seed: 13)
            withUnsafePointer(to: term) {
              shoal_kernels_of(level.rawValue).pointee.products_tile(
                c.base, Int64(c.stride), 0, Int64(rows), Int64(tile.lowerBound), Int64(tile.count), nil, 0, $0,
                1, scratch.base)
            }
            return bits(c)
          }
          #expect(results[0] == results[1], "level \(level), columns \(tile), forward \(isForward)")
        }
      }
    }
  }
}
