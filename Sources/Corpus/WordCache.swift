// Caches the tokens of words: words repeat, so most pieces of a text need no BPE merges.

/// The tokens of short pieces in a table of fixed size; a new piece replaces an older piece in the same place.
struct WordCache {
  /// A piece of at most 15 bytes: its bytes, and its length in the last byte.
  struct Key: Equatable {
    var low: UInt64
    var high: UInt64

    /// Nil for longer pieces.
    @inline(__always)
    init?(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
      let count = range.count
      guard count < 16, let base = text.baseAddress else { return nil }
      let start = UnsafeRawPointer(base + range.lowerBound)
      if range.lowerBound + 16 <= text.count {
        low = UInt64(littleEndian: start.loadUnaligned(as: UInt64.self))
        high = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        // Shifts by the width or more give 0.
        low &= ~(~0 << (8 * UInt64(count)))
        high &= ~(~0 << (8 * UInt64(max(count - 8, 0))))
      } else {
        (low, high) = (0, 0)
        for offset in 0..<count {
          let byte = UInt64(text[range.lowerBound + offset])
          if offset < 8 { low |= byte << (8 * offset) } else { high |= byte << (8 * (offset - 8)) }
        }
      }
      high |= UInt64(count) << 56
    }

    fileprivate init() { (low, high) = (0, 0) }
  }

  private struct Entry {
    var key = Key()
    /// Unused entries are -1.
    var ids: SIMD4<Int32> = SIMD4(repeating: -1)
  }

  private static let bits: UInt64 = 15
  private var entries = [Entry](repeating: Entry(), count: 1 << Int(bits))

  @inline(__always)
  private static func place(of key: Key) -> Int {
    let mixed = (key.low ^ (key.high &* 0xD6E8_FEB8_6659_FD93)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed &>> (64 - bits))
  }

  /// Appends the tokens of a cached piece; false if it is not cached.
  @inline(__always)
  func append(_ key: Key, to ids: inout [Int32]) -> Bool {
    let entry = entries[Self.place(of: key)]
    guard entry.key == key else { return false }
    for index in 0..<4 {
      guard entry.ids[index] >= 0 else { break }
      ids.append(entry.ids[index])
    }
    return true
  }

  /// Caches the tokens of a piece if there are at most four.
  mutating func insert(_ key: Key, _ ids: ArraySlice<Int32>) {
    guard ids.count <= 4 else { return }
    var entry = Entry(key: key)
    for (index, id) in ids.enumerated() { entry.ids[index] = id }
    entries[Self.place(of: key)] = entry
  }
}
