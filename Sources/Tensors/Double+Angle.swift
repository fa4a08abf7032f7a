// Cosine and sine that have the same bits on every processor (see Double+Exponential.swift).

extension Double {
  /// The cosine of an angle in radians, of any size, to 0.58 units of the last place.
  package static func cos(_ x: Double) -> Double {
    guard x.isFinite else { return .nan }
    let (quarters, rest) = reduced(x.magnitude)
    let value = quarters & 1 == 0 ? Self.cos(rest: rest) : Self.sin(rest: rest)
    return (quarters + 1) & 2 == 0 ? value : -value
  }

  /// The sine of an angle in radians, of any size, to 0.58 units of the last place.
  package static func sin(_ x: Double) -> Double {
    guard x.isFinite else { return .nan }
    // Here x³/6 is less than what is rounded off; and −0 stays −0.
    guard x.magnitude >= 0x1p-27 else { return x }
    let (quarters, rest) = reduced(x.magnitude)
    let value = quarters & 1 == 0 ? Self.sin(rest: rest) : Self.cos(rest: rest)
    return (quarters & 2 == 0) == (x > 0) ? value : -value
  }

  // MARK: Between -π/4 and π/4

  /// x - x³/3! + x⁵/5! - … + x^17/17!; 2^-62 x is left out. Of x³/3!, that of the first 17 bits of x is rounded once.
  private static func sin(rest x: DoublePair) -> Double {
    let (a, b) = (x.high, x.high.leading(bits: 17))
    let z = a * a
    let z2 = z * z
    let first = (1.0 / 120 + z * (-1.0 / 5040)) + z2 * (1.0 / 362_880 + z * (-1.0 / 39_916_800))
    let second =
      (1.0 / 6_227_020_800 + z * (-1.0 / 1_307_674_368_000)) + z2 * (1.0 / 355_687_428_096_000)
    let sum = DoublePair.orderedSum(a, -(b * b * b) / 6)
    let cube = (a - b) * (z + a * b + b * b) * (1.0 / 6)
    return sum.high + (sum.low + (z2 * a * (first + z2 * z2 * second) - cube + x.low * (1 - 0.5 * z)))
  }

  /// 1 - x²/2! + x⁴/4! - … + x^18/18!; 2^-68 is left out. Of x²/2, that of the first half of x is exact.
  private static func cos(rest x: DoublePair) -> Double {
    let (a, b) = (x.high, x.high.leading(bits: 26))
    let z = a * a
    let z2 = z * z
    let first = (1.0 / 24 + z * (-1.0 / 720)) + z2 * (1.0 / 40_320 + z * (-1.0 / 3_628_800))
    let second =
      (1.0 / 479_001_600 + z * (-1.0 / 87_178_291_200))
      + z2 * (1.0 / 20_922_789_888_000 + z * (-1.0 / 6_402_373_705_728_000))
    let sum = DoublePair.orderedSum(1, -0.5 * b * b)
    let square = 0.5 * (a - b) * (a + b)
    return sum.high + (sum.low + (z2 * (first + z2 * z2 * second) - square - x.low * a * (1 - z * (1.0 / 6))))
  }

  // MARK: Reduction

  /// x = quarters · π/2 + rest, but for a multiple of 4 quarters, with |rest| <= π/4, to 2^-62 of the rest
  /// (Payne and Hanek 1983).
  private static func reduced(_ x: Double) -> (quarters: Int, rest: DoublePair) {
    guard x > 0x1.921fb54442d18p-1 else { return (0, DoublePair(x)) }
    // x · 2/π modulo 4, as a whole number of 2^-126. x is a significand of 53 bits times 2^scale: digits of 2/π whose
    // products are multiples of 4 are left out, and of the others 192 are enough.
    let significand = x.significandBitPattern | 1 << 52
    let scale = Int(x.exponent) - 52
    let start = 64 + scale - 2
    func digits(_ place: Int) -> UInt64 {
      let (word, shift) = (start >> 6 + place, UInt64(start & 63))
      return twoOverPi[word] << shift | twoOverPi[word + 1] >> (64 - shift)
    }
    let turns =
      UInt128(significand &* digits(0)) << 64 &+ UInt128(significand) * UInt128(digits(1))
      &+ UInt128(significand.multipliedFullWidth(by: digits(2)).high)
    let quarters = Int(truncatingIfNeeded: (turns &+ 1 << 125) >> 126)
    // What is left of the nearest quarter, of 2^-128, with its sign.
    let fraction = Int128(truncatingIfNeeded: turns << 2)
    let zeros = fraction.magnitude.leadingZeroBitCount
    let top = UInt64(truncatingIfNeeded: (fraction.magnitude << zeros) >> 64)
    // Times π/2, here of 2^-63. The last 11 bits of the product go into the second double.
    let product = top.multipliedFullWidth(by: 0xC90F_DAA2_2168_C235).high
    let unit = fraction < 0 ? -powerOfTwo(-63 - zeros) : powerOfTwo(-63 - zeros)
    return (quarters, DoublePair(Double(product & ~0x7FF) * unit, Double(product & 0x7FF) * unit))
  }

  /// The digits of 2/π, after 64 zeros.
  private static let twoOverPi: [UInt64] = [
    0, 0xA2F9_836E_4E44_1529, 0xFC27_57D1_F534_DDC0, 0xDB62_9599_3C43_9041, 0xFE51_63AB_DEBB_C561,
    0xB724_6E3A_424D_D2E0, 0x0649_2EEA_09D1_921C, 0xFE1D_EB1C_B129_A73E, 0xE882_35F5_2EBB_4484, 0xE99C_7026_B45F_7E41,
    0x3991_D639_8353_39F4, 0x9C84_5F8B_BDF9_283B, 0x1FF8_97FF_DE05_980F, 0xEF2F_118B_5A0A_6D1F, 0x6D36_7ECF_27CB_09B7,
    0x4F46_3F66_9E5F_EA2D, 0x7527_BAC7_EBE5_F17B, 0x3D07_39F7_8A52_92EA, 0x6BFB_5FB1_1F8D_5D08, 0x5603_3046_FC7B_6BAB,
  ]
}
