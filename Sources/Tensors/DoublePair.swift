// Numbers of about 106 bits: what an elementary function computes with where 53 would not give the right last bit.

/// The unevaluated sum of two doubles, of which the second is at most a rounding error of the first (Dekker 1971).
///
/// No operation fuses a multiplication and an addition, so the bits are the same on every processor. Products are exact
/// to 2^-105 of themselves where nothing under- or overflows.
struct DoublePair {
  let high: Double
  let low: Double

  init(_ high: Double, _ low: Double = 0) { (self.high, self.low) = (high, low) }

  /// The exact sum of two doubles (Knuth 1969).
  static func sum(_ a: Double, _ b: Double) -> DoublePair {
    let sum = a + b
    let share = sum - a
    return DoublePair(sum, (a - (sum - share)) + (b - share))
  }

  /// The exact sum of two doubles, of which the first is zero or not the smaller one.
  static func orderedSum(_ a: Double, _ b: Double) -> DoublePair {
    let sum = a + b
    return DoublePair(sum, b - (sum - a))
  }

  static func product(_ a: Double, _ b: Double) -> DoublePair {
    let product = a * b
    let (aTop, bTop) = (a.leading(bits: 26), b.leading(bits: 26))
    let (aRest, bRest) = (a - aTop, b - bTop)
    return DoublePair(product, ((aTop * bTop - product) + aTop * bRest + aRest * bTop) + aRest * bRest)
  }

  /// - Precondition: the first is zero or not the smaller one.
  static func + (a: DoublePair, b: DoublePair) -> DoublePair {
    let sum = orderedSum(a.high, b.high)
    return orderedSum(sum.high, sum.low + (a.low + b.low))
  }

  static func * (a: DoublePair, b: DoublePair) -> DoublePair {
    let product = product(a.high, b.high)
    return orderedSum(product.high, product.low + (a.high * b.low + a.low * b.high))
  }
}

extension Double {
  /// The number without the bits after its first ones. Two of 26 bits have an exact product.
  func leading(bits: UInt64) -> Double { Double(bitPattern: bitPattern & ~0 << (53 &- bits)) }

  /// 2^exponent, for exponents of normal numbers.
  static func powerOfTwo(_ exponent: Int) -> Double {
    Double(bitPattern: UInt64(truncatingIfNeeded: exponent &+ 1023) << 52)
  }
}
