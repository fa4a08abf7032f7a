// Exponential functions, logarithms and powers that have the same bits on every processor.
//
// The system's libm takes other instructions on other processors, and another version may round otherwise. These
// functions add, multiply and divide doubles in a fixed order and nothing else. Polynomials are Taylor's, so that their
// coefficients are fractions; pairs of doubles carry what is large enough to matter. Tests/Fixtures/elementary.py makes
// the other constants, and the values that the tests compare with.

extension Double {
  // MARK: Exponential functions

  /// e^x, to 0.53 units of the last place.
  package static func exp(_ x: Double) -> Double {
    guard x.magnitude < 746 else { return x.isNaN ? x : x > 0 ? .infinity : 0 }
    return Self.exp(DoublePair(x))
  }

  /// e^x - 1 without cancellation, to 0.6 units of the last place.
  package static func expm1(_ x: Double) -> Double {
    guard x.magnitude >= 0x1p-54 else { return x }
    guard x > -40 else { return x.isNaN ? x : -1 }
    // Here 1 is less than what is rounded off.
    guard x < 40 else { return Self.exp(x) }
    let (exponent, rest) = reduced(DoublePair(x))
    let less = Self.expm1(rest: rest)
    guard exponent != 0 else { return less.high + less.low }
    let scale = powerOfTwo(exponent)
    let one = DoublePair.orderedSum(1, less.high)
    let sum = DoublePair.sum(scale * one.high, -1)
    return sum.high + (sum.low + scale * (one.low + less.low))
  }

  /// e^x of a number between -746 and 746.
  private static func exp(_ x: DoublePair) -> Double {
    let (exponent, rest) = reduced(x)
    let less = Self.expm1(rest: rest)
    let one = DoublePair.orderedSum(1, less.high)
    // 2^exponent may not be a double where the result is one. Only the last product rounds, if it is subnormal.
    let half = exponent >> 1
    return (one.high + (one.low + less.low)) * powerOfTwo(half) * powerOfTwo(exponent - half)
  }

  /// x = exponent · log 2 + rest, with |rest| <= log 2 / 2.
  private static func reduced(_ x: DoublePair) -> (exponent: Int, rest: DoublePair) {
    // Adding 1.5 · 2^52 rounds to a whole number, which then stands in the last bits.
    let shifted = x.high * 0x1.71547652b82fep+0 + 0x1.8p52
    let exponent = Int(truncatingIfNeeded: Int64(bitPattern: shifted.bitPattern &- 0x1.8p52.bitPattern))
    let whole = shifted - 0x1.8p52
    // The product has at most 53 bits, and the difference is exact too.
    let rest = x.high - whole * logTwo.high
    return (exponent, DoublePair.sum(rest, x.low - whole * logTwo.low))
  }

  /// e^x - 1 for |x| <= 0.35: x + x²/2 in pairs, then x³ (1/3! + x/4! + … + x^11/14!), of which 2^-60 x is left out.
  private static func expm1(rest x: DoublePair) -> DoublePair {
    let (a, b) = (x.high, x.high.leading(bits: 26))
    let (a2, a4) = (a * a, a * a * (a * a))
    let first = (1.0 / 6 + a * (1.0 / 24)) + a2 * (1.0 / 120 + a * (1.0 / 720))
    let second = (1.0 / 5040 + a * (1.0 / 40_320)) + a2 * (1.0 / 362_880 + a * (1.0 / 3_628_800))
    let third =
      (1.0 / 39_916_800 + a * (1.0 / 479_001_600)) + a2 * (1.0 / 6_227_020_800 + a * (1.0 / 87_178_291_200))
    let series = a2 * a * (first + a4 * (second + a4 * third))
    // x² = b² + (x - b) (x + b), of which b² is exact.
    let sum = DoublePair.orderedSum(a, 0.5 * b * b)
    let square = 0.5 * (a - b) * (a + b)
    return DoublePair(sum.high, sum.low + (square + (series + (x.low + x.low * (a + 0.5 * a2)))))
  }

  // MARK: Logarithms

  /// The natural logarithm, to 0.54 units of the last place.
  package static func log(_ x: Double) -> Double {
    guard x > 0, x < .infinity else { return x == 0 ? -.infinity : x < 0 ? .nan : x }
    let (exponent, significand) = parts(x)
    return Self.log(exponent: exponent, fraction: significand - 1, rest: 0)
  }

  /// log(1 + x) without cancellation, to 0.54 units of the last place.
  package static func log1p(_ x: Double) -> Double {
    guard x.magnitude >= 0x1p-54 else { return x }
    guard x > -1, x < .infinity else { return x == -1 ? -.infinity : x < -1 ? .nan : x }
    guard x.magnitude >= 0.25 else { return Self.log(exponent: 0, fraction: x, rest: 0) }
    let sum = DoublePair.sum(1, x)
    let (exponent, significand) = parts(sum.high)
    // At most 2^-1022, where it is far too small to matter.
    let scale = powerOfTwo(max(-exponent, -1022))
    return Self.log(exponent: exponent, fraction: significand - 1, rest: sum.low * scale)
  }

  /// x = 2^exponent · significand of a finite x above 0, with the significand between √½ and √2.
  private static func parts(_ x: Double) -> (exponent: Int, significand: Double) {
    let isNormal = x >= .leastNormalMagnitude
    let bits = (isNormal ? x : x * 0x1p54).bitPattern
    let exponent = Int64(bitPattern: bits &- 0x1.6a09e667f3bcdp-1.bitPattern) >> 52
    let significand = Double(bitPattern: bits &- UInt64(bitPattern: exponent << 52))
    return (Int(exponent) - (isNormal ? 0 : 54), significand)
  }

  /// log(2^exponent (1 + f + rest)) for f from √½ - 1 to √2 - 1 and a rest below its rounding: with s = f / (2 + f),
  /// log(1 + f) = 2 s + 2 s³ (1/3 + s²/5 + … + s^20/23), of which 2^-60 s is left out.
  private static func log(exponent: Int, fraction: Double, rest: Double) -> Double {
    let s = logarithmicQuotient(fraction, rest)
    let (a, z) = (s.high, s.high * s.high)
    let z2 = z * z
    let first = (1.0 / 3 + z * (1.0 / 5)) + z2 * (1.0 / 7 + z * (1.0 / 9))
    let second = (1.0 / 11 + z * (1.0 / 13)) + z2 * (1.0 / 15 + z * (1.0 / 17))
    let third = (1.0 / 19 + z * (1.0 / 21)) + z2 * (1.0 / 23)
    let series = 2 * a * z * (first + z2 * z2 * (second + z2 * z2 * third))
    let sum = DoublePair.orderedSum(Double(exponent) * logTwo.high, 2 * a)
    return sum.high + (sum.low + (series + (2 * s.low + Double(exponent) * logTwo.low)))
  }

  /// f / (2 + f) of a fraction f with a rest.
  private static func logarithmicQuotient(_ f: Double, _ rest: Double) -> DoublePair {
    let divisor = DoublePair.orderedSum(2, f)
    let quotient = f / divisor.high
    let product = DoublePair.product(quotient, divisor.high)
    let remainder = (f - product.high - product.low) + (rest - quotient * (divisor.low + rest))
    return DoublePair.orderedSum(quotient, remainder / divisor.high)
  }

  // MARK: Powers

  /// x^y, to 0.53 units of the last place; special values as in C.
  package static func pow(_ x: Double, _ y: Double) -> Double {
    guard x != 1, y != 0 else { return 1 }
    guard !x.isNaN, !y.isNaN else { return .nan }
    let size = x.magnitude
    guard y.isFinite else { return size == 1 ? 1 : (size > 1) == (y > 0) ? .infinity : 0 }
    let isWhole = y.rounded(.towardZero) == y
    // Doubles from 2^53 on are even.
    let isOdd = isWhole && y.magnitude < 0x1p53 && Int64(y) & 1 != 0
    let sign = x.sign == .minus && isOdd ? -1.0 : 1
    guard size != 0, size != .infinity else { return sign * ((size == 0) == (y < 0) ? .infinity : 0) }
    guard x > 0 || isWhole else { return .nan }
    let log = logPair(size)
    let exponent = DoublePair.product(y, log.high)
    guard exponent.high.magnitude < 746 else { return sign * (exponent.high > 0 ? .infinity : 0) }
    return sign * Self.exp(DoublePair(exponent.high, exponent.low + y * log.low))
  }

  /// log x, to 2^-70 of itself, of a finite number above 0, by the same series: 2 s (1 + s²/3 + s⁴/5 + …). Only from
  /// s⁶/7 to s^24/25 doubles are enough.
  private static func logPair(_ x: Double) -> DoublePair {
    let (exponent, significand) = parts(x)
    let s = logarithmicQuotient(significand - 1, 0)
    let z = s * s
    let (a, a2) = (z.high, z.high * z.high)
    let first = (1.0 / 7 + a * (1.0 / 9)) + a2 * (1.0 / 11 + a * (1.0 / 13))
    let second = (1.0 / 15 + a * (1.0 / 17)) + a2 * (1.0 / 19 + a * (1.0 / 21))
    let series = first + a2 * a2 * (second + a2 * a2 * (1.0 / 23 + a * (1.0 / 25)))
    let third = DoublePair(0x1.5555555555555p-2, 0x1.5555555555555p-56)
    let fifth = DoublePair(0x1.999999999999ap-3, -0x1.999999999999ap-57)
    let factor = DoublePair(1) + z * (third + z * (fifth + DoublePair(a * series)))
    let log = DoublePair(2 * s.high, 2 * s.low) * factor
    return DoublePair(Double(exponent) * logTwo.high, Double(exponent) * logTwo.low) + log
  }

  /// log 2. Its first part has 42 bits, so that its product with an exponent is exact.
  private static var logTwo: DoublePair { DoublePair(0x1.62e42fefa38p-1, 0x1.ef35793c7673p-45) }
}
