// A checksum that detects differences between two arenas of numbers.

package enum Checksum {
  private static let block = 1 << 16

  /// Σ bits(x_i) (2 i + 1) mod 2^64. It is exact, so blocks may be added in any order. It detects any single changed
  /// entry, since the odd factor has an inverse.
  package static func of(_ x: UnsafePointer<Float>, count: Int, _ pool: ThreadPool) -> UInt64 {
    let blocks = (count + block - 1) / block
    let sums = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: blocks)
    defer { sums.deallocate() }
    nonisolated(unsafe) let (x, partial) = (x, sums)
    pool.blocks(of: count, by: block) { range in
      var sum: UInt64 = 0
      for i in range { sum &+= UInt64(x[i].bitPattern) &* UInt64(truncatingIfNeeded: 2 &* i &+ 1) }
      partial[range.lowerBound / block] = sum
    }
    return sums.reduce(0, &+)
  }
}
