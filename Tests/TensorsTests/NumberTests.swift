import CShoal
import Foundation
import Tensors
import TestSupport
import Testing

/// Tests exp, 16-bit floats and fixed-point sums over their whole ranges.
@Suite struct NumberTests {
  // MARK: exp

  /// Distance in units of the last place of the fp32 number nearest to `exact`.
  static func ulps(_ found: Float, _ exact: Double) -> Double { abs(Double(found) - exact) / Double(Float(exact).ulp) }

  private static let kernels = shoal_kernels_of(VectorLevel.inUse.rawValue).pointee

  private static func exponential(_ x: Float) -> Float {
    var (x, y) = (x, Float(0))
    kernels.exponentials(&y, &x, 1)
    return y
  }

  @Test func `exp over its whole range`() {
    var worst = 0.0
    // Every 301st fp32 number from each end of the range to 0.
    for end in [Float(88.72), -87.33] {
      for bits in stride(from: Float(0).bitPattern, through: abs(end).bitPattern, by: 301) {
        let x = end < 0 ? -Float(bitPattern: bits) : Float(bitPattern: bits)
        worst = max(worst, Self.ulps(Self.exponential(x), exp(Double(x))))
      }
    }
    #expect(worst < 1, "\(worst) units of the last place")
  }

  @Test func `exp beyond its range`() {
    #expect(Self.exponential(0) == 1 && Self.exponential(-0.0) == 1)
    #expect(Self.exponential(-.infinity) == 0 && Self.exponential(-1e30) == 0 && Self.exponential(-87.34) == 0)
    #expect(
      Self.exponential(.infinity) == .infinity && Self.exponential(1e30) == .infinity
        && Self.exponential(88.73) == .infinity)
    #expect(Self.exponential(.nan).isNaN && Self.exponential(-.nan).isNaN)
    #expect(Self.exponential(88.72).isFinite && Self.exponential(-87.33) > 0)
  }

  /// The same in a vector kernel: the softmax computes exp of logits below a maximum of 0.
  @Test func `exp in vectors`() {
    let values: [Float] =
      [0, -.infinity, .nan, -1e30, -87.34, -87.33, -0.0] + (0..<4000).map { -Float($0) * 0.0218 }
    var (logits, maximum, sum, best) = (values, Float(0), 0.0, Int32(0))
    Self.kernels.softmax_tile(&logits, Int64(values.count), &maximum, &sum, &best, 0, nil, 0, 1, Int64(values.count), 0)
    #expect(maximum == 0 && sum.isNaN)
    for (x, y) in zip(values, logits) {
      if x.isNaN {
        #expect(y.isNaN)
      } else if x < -87.33 {
        #expect(y == 0)
      } else {
        #expect(Self.ulps(y, exp(Double(x))) < 1, "exp(\(x))")
      }
    }
  }

  @Test func `log over its whole range`() {
    let values = stride(from: UInt32(1), to: Float.infinity.bitPattern, by: 9973).map { Float(bitPattern: $0) }
    var logarithms = [Float](repeating: 0, count: values.count)
    Self.kernels.logarithms(&logarithms, values, Int64(values.count))
    #expect(zip(values, logarithms).allSatisfy { Self.ulps($1, log(Double($0))) < 0.51 })
    let beyond: [Float] = [0, -0.0, .infinity, .nan, -1]
    var special = [Float](repeating: 0, count: beyond.count)
    Self.kernels.logarithms(&special, beyond, Int64(beyond.count))
    #expect(special[0] == -.infinity && special[1] == -.infinity && special[2] == .infinity)
    #expect(special[3].isNaN && special[4].isNaN)
  }

  // MARK: 16-bit floats

  static func widened(_ halves: [UInt16], _ type: ElementType) -> [Float] {
    halves.withUnsafeBytes { bytes in
      let storage = Storage(count: (bytes.count + 3) / 4)
      UnsafeMutableRawPointer(storage.base).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
      return Weight(base: storage.base, type: type, rows: 1, columns: halves.count, owner: storage).widened()
        .elements
    }
  }

  static func narrowed(_ values: [Float], _ type: ElementType) -> [UInt16] {
    let matrix = Matrix(rows: 1, columns: values.count)
    for (i, value) in values.enumerated() { matrix[0, i] = value }
    let bytes = matrix.narrowed(to: type)
    return (0..<values.count).map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }
  }

  static let patterns = (0...UInt16.max).map { $0 }

  @Test func `every bf16 number there and back`() {
    let wide = Self.widened(Self.patterns, .bfloat16)
    for (half, value) in zip(Self.patterns, wide) where value.bitPattern != UInt32(half) << 16 {
      Issue.record("\(half)")
    }
    for (half, back) in zip(Self.patterns, Self.narrowed(wide, .bfloat16)) where back != half {
      // A signalling NaN becomes quiet and keeps its payload.
      if !(half & 0x7f80 == 0x7f80 && half & 0x7f != 0 && back == half | 0x40) {
        Issue.record("\(half) came back as \(back)")
      }
    }
  }

  /// The value of an fp16 pattern, computed from the definition.
  static func value(_ half: UInt16) -> Double {
    let (sign, exponent, fraction) = (half >> 15 == 0 ? 1.0 : -1.0, Int(half >> 10 & 31), Double(half & 0x3ff))
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * (1024 + fraction) * pow(2, Double(exponent - 25))
    }
  }

  @Test func `every fp16 number there and back`() {
    let wide = Self.widened(Self.patterns, .float16)
    let back = Self.narrowed(wide, .float16)
    for (i, half) in Self.patterns.enumerated() {
      let expected = Self.value(half)
      if expected.isNaN {
        if !wide[i].isNaN || back[i] & 0x7c00 != 0x7c00 || back[i] & 0x3ff == 0 { Issue.record("\(half) is a NaN") }
      } else if Double(wide[i]) != expected || wide[i].sign != (half >> 15 == 0 ? .plus : .minus)
        || back[i] != half
      {
        Issue.record("\(half) is \(expected), found \(wide[i]), back \(back[i])")
      }
    }
  }

  /// Between two neighbours: the midpoint rounds to even, and numbers on either side of it to the nearer neighbour.
  @Test(arguments: [(ElementType.bfloat16, UInt16(0x7f80)), (.float16, 0x7c00)])
  func `rounding to 16 bits`(type: ElementType, infinity: UInt16) {
    let halves = (0..<infinity).map { $0 }
    let wide = Self.widened(halves, type)
    // Above the largest number, infinity counts as the next power of two.
    let middles = (0..<halves.count).map { i in
      let step =
        i + 1 < wide.count ? Double(wide[i + 1]) - Double(wide[i]) : Double(wide[i]) - Double(wide[i - 1])
      return Float(Double(wide[i]) + step / 2)
    }
    for sign in [Float(1), -1] {
      let bit: UInt16 = sign > 0 ? 0 : 0x8000
      let even = Self.narrowed(middles.map { sign * $0 }, type)
      let below = Self.narrowed(middles.map { sign * $0.nextDown }, type)
      let above = Self.narrowed(middles.map { sign * $0.nextUp }, type)
      for half in halves {
        let i = Int(half)
        if below[i] != half | bit { Issue.record("just below the middle above \(half): \(below[i])") }
        if above[i] != half + 1 | bit { Issue.record("just above the middle above \(half): \(above[i])") }
        if even[i] != half + (half & 1) | bit { Issue.record("the middle above \(half): \(even[i])") }
      }
    }
    let ends = Self.narrowed([.infinity, -.infinity, .greatestFiniteMagnitude, 0, -0.0], type)
    #expect(ends == [infinity, infinity | 0x8000, infinity, 0, 0x8000])
  }

  @Test func `fp32 stays as it is`() {
    let x = copy(randomMatrix(3, 5, seed: 1))
    #expect(x.narrowed(to: .float32) == x.elements.flatMap { value in withUnsafeBytes(of: value) { Array($0) } })
    #expect(Matrix(rows: 0, columns: 4).narrowed(to: .bfloat16).isEmpty)
  }

  // MARK: Fixed point

  static func sum(_ terms: [[Float]], _ pool: ThreadPool) -> (sums: [Int64], fault: FixedPoint.Fault) {
    var sums = [Int64](repeating: 0, count: terms[0].count)
    var fault: FixedPoint.Fault = []
    for term in terms {
      fault.formUnion(FixedPoint.add(term, to: &sums, count: term.count, terms: terms.count, pool))
    }
    return (sums, fault)
  }

  @Test func `sums are exact in any order`() {
    let count = (1 << 16) + 77
    let terms = (0..<5).map { t in
      randomMatrix(1, count, seed: UInt64(t), bound: t == 0 ? 800 : 1, margin: 0).elements
    }
    let (sums, fault) = Self.sum(terms, ThreadPool(threads: 2))
    #expect(fault.isEmpty)
    #expect(Self.sum([4, 1, 3, 0, 2].map { terms[$0] }, ThreadPool(threads: 3)).sums == sums)
    for i in stride(from: 0, to: count, by: 13) {
      // Random numbers have at most 24 + 24 bits below the largest: few are rounded, each by at most half a unit.
      let exact = terms.reduce(0.0) { $0 + Double($1[i]) }
      #expect(abs(Double(sums[i]) * 0x1p-50 - exact) <= 5 * 0x1p-51 + 0x1p-43)
    }
    var back = [Float](repeating: 0, count: count)
    FixedPoint.toFloat(sums, &back, count: count)
    #expect(zip(back, sums).allSatisfy { $0 == Float(Double($1) * 0x1p-50) })
  }

  @Test func `rounding to the unit`() {
    let unit: Float = 0x1p-50
    let values: [Float] = [
      0, -0.0, unit, -unit, unit / 2, -unit / 2, unit * 0.49999997, unit * 1.5, -unit * 2.5, 0x1p-27, 4095,
    ]
    let found = Self.sum([values], ThreadPool(threads: 1))
    #expect(found.fault.isEmpty)
    #expect(found.sums == [0, 0, 1, -1, 1, -1, 0, 2, -3, 1 << 23, 4095 << 50])
  }

  @Test func `what cannot be summed is told`() {
    let pool = ThreadPool(threads: 2)
    var fine = [Float](repeating: 1, count: 70000)
    #expect(Self.sum([fine], pool).fault == [])
    for bad in [Float.nan, .infinity, -.infinity] {
      fine[69999] = bad
      #expect(Self.sum([fine], pool).fault == .nonFinite, "\(bad)")
    }
    for large in [Float(4096), -4096, 1e30] {
      fine[69999] = large
      #expect(Self.sum([fine], pool).fault == .outOfRange, "\(large)")
    }
    fine[3] = .nan
    #expect(Self.sum([fine], pool).fault == [.nonFinite, .outOfRange])
    fine[3] = 0
    fine[69999] = Float(4096).nextDown
    #expect(Self.sum([fine], pool).fault == [])
    #expect(Self.sum([fine, fine], pool).fault == .outOfRange, "two such terms might overflow")
    // The maximum number of the largest terms: no overflow.
    for terms in [1, 2, 3, 7, 1000] {
      let largest = (Float(4096) / Float(terms)).nextDown
      let (sums, fault) = Self.sum(Array(repeating: [largest, -largest], count: terms), pool)
      #expect(fault == [] && sums[0] > 0 && sums[1] == -sums[0])
    }
  }
}
