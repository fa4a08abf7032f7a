// Random numbers as a pure function of (key, counter): no state to save, and the same on every rank.

/// Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
///
/// Every draw is a function of a 64-bit key and a 128-bit counter, so a resumed or redistributed run draws the same
/// numbers without saved state.
package struct CounterRandom: Sendable {
  package let key: UInt64

  package init(key: UInt64) { self.key = key }

  /// Four independent 32-bit words for one counter value.
  package func block(_ high: UInt64, _ low: UInt64) -> SIMD4<UInt32> {
    var counter = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: low), UInt32(truncatingIfNeeded: low >> 32),
      UInt32(truncatingIfNeeded: high), UInt32(truncatingIfNeeded: high >> 32))
    var key0 = UInt32(truncatingIfNeeded: key)
    var key1 = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      let product0 = UInt64(counter.x) * 0xD251_1F53
      let product1 = UInt64(counter.z) * 0xCD9E_8D57
      counter = SIMD4(
        UInt32(truncatingIfNeeded: product1 >> 32) ^ counter.y ^ key0,
        UInt32(truncatingIfNeeded: product1),
        UInt32(truncatingIfNeeded: product0 >> 32) ^ counter.w ^ key1,
        UInt32(truncatingIfNeeded: product0))
      key0 &+= 0x9E37_79B9
      key1 &+= 0xBB67_AE85
    }
    return counter
  }

  /// A 64-bit word for draw number `index` of `stream`.
  package func word(stream: UInt64, index: UInt64) -> UInt64 {
    let four = block(stream, index)
    return UInt64(four.x) | UInt64(four.y) << 32
  }

  /// A uniform number in [0, 1) with 53 random bits.
  package func uniform(stream: UInt64, index: UInt64) -> Double {
    Double(word(stream: stream, index: index) >> 11) * 0x1p-53
  }

  /// The numbers 0..<count in an order that depends on (key, stream) alone (Fisher–Yates).
  package func permutation(count: Int, stream: UInt64) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      // The high half of a 128-bit product is uniform on 0...last up to 2^-64.
      let draw = word(stream: stream, index: UInt64(last))
      order.swapAt(last, Int(draw.multipliedFullWidth(by: UInt64(last + 1)).high))
    }
    return order
  }
}
