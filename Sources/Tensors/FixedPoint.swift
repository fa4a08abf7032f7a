// Exact sums: gradients as 64-bit integers in units of 2^-50, whose sum is the same in any order.

internal import CShoal
import Synchronization

/// Sums fp32 numbers as integers. The sum of a step has the range ±2^13.
package enum FixedPoint {
  /// The fault of a number; the sum is then invalid.
  package struct Fault: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package static let nonFinite = Fault(rawValue: 1)
    package static let outOfRange = Fault(rawValue: 2)
  }

  private static let block = 1 << 16

  /// sum += round(gradient · 2^50), from `offset` on.
  /// - Parameters:
  ///   - terms: the number of sums that a step adds up; it limits each sum so that the total cannot overflow.
  ///   - locks: of the sums; nil when nobody else adds to them.
  package static func add(
    _ gradient: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Int64>, at offset: Int = 0, count: Int, terms: Int,
    locks: BlockLocks? = nil, _ pool: ThreadPool
  ) -> Fault {
    let fault = Atomic<UInt64>(0)
    let limit = Float(4096) / Float(max(terms, 1))
    nonisolated(unsafe) let (gradient, sum) = (gradient, sum)
    pool.clock.enter(.reduction)
    defer { pool.clock.enter(.input) }
    @Sendable func add(_ range: Range<Int>) {
      let status = kernels.fixed_add(
        sum + range.lowerBound, gradient + (range.lowerBound - offset), Int64(range.count), limit)
      if status != 0 { fault.bitwiseOr(UInt64(status), ordering: .relaxed) }
    }
    pool.blocks(of: count, by: block) { part in
      let range = offset + part.lowerBound..<offset + part.upperBound
      if let locks { locks.forEachBlock(of: range, add) } else { add(range) }
    }
    return Fault(rawValue: fault.load(ordering: .relaxed))
  }

  /// gradient = sum · 2^-50, on the calling thread.
  package static func toFloat(_ sum: UnsafePointer<Int64>, _ gradient: UnsafeMutablePointer<Float>, count: Int) {
    kernels.fixed_to_float(gradient, sum, Int64(count))
  }
}
