// The encoding of levels, dictionary indices and bools: runs of one value, and runs of values packed bit by bit.

/// Values of at most 32 bits, decoded as they are asked for: a run of millions takes no memory.
struct RLEHybrid {
  private var cursor: ByteCursor
  private let bitWidth: Int
  /// What is left of a run of one value, and the value.
  private var repeats = 0
  private var repeated: UInt32 = 0
  /// What is left of a packed run, its bytes and the next value's first bit.
  private var packedCount = 0
  private var packed = UnsafeRawBufferPointer(start: nil, count: 0)
  private var bit = 0

  init(_ bytes: UnsafeRawBufferPointer, bitWidth: Int) throws(ParquetFlaw) {
    guard 0...32 ~= bitWidth else { throw ParquetFlaw("values of \(bitWidth) bits, expected at most 32") }
    (cursor, self.bitWidth) = (ByteCursor(bytes), bitWidth)
  }

  /// Fills `values` with the next ones.
  mutating func fill(_ values: UnsafeMutableBufferPointer<UInt32>) throws(ParquetFlaw) {
    // Some writers write no run at all if there is only one value to choose.
    guard bitWidth > 0 else {
      values.update(repeating: 0)
      return
    }
    var done = 0
    while done < values.count {
      if repeats > 0 {
        let count = min(repeats, values.count - done)
        for place in done..<done + count { values[place] = repeated }
        repeats -= count
        done += count
      } else if packedCount > 0 {
        let count = min(packedCount, values.count - done)
        let mask = UInt64(1) << UInt64(bitWidth) - 1
        for place in done..<done + count {
          values[place] = UInt32(truncatingIfNeeded: packed.bits(from: bit) & mask)
          bit += bitWidth
        }
        packedCount -= count
        done += count
      } else {
        try nextRun()
      }
    }
  }

  private mutating func nextRun() throws(ParquetFlaw) {
    guard cursor.remaining > 0 else { throw ParquetFlaw("a page has fewer values than it states") }
    let header = try cursor.varint()
    if header & 1 == 0 {
      repeats = Int(header >> 1)
      repeated = 0
      for (place, byte) in try cursor.take((bitWidth + 7) / 8).enumerated() { repeated |= UInt32(byte) << (8 * place) }
      guard bitWidth == 32 || repeated >> UInt32(bitWidth) == 0 else {
        throw ParquetFlaw("a run of the value \(repeated), expected one of \(bitWidth) bits")
      }
    } else {
      // Groups of eight values. The last run may lack the bytes of values that do not exist.
      let groups = min(Int(header >> 1), (cursor.remaining + bitWidth - 1) / bitWidth)
      packed = try cursor.take(min(groups * bitWidth, cursor.remaining))
      packedCount = min(packed.count * 8 / bitWidth, groups * 8)
      bit = 0
    }
  }
}

/// The levels of a page's values, checked against the schema.
struct LevelDecoder {
  private enum Form {
    case zeros
    case hybrid(RLEHybrid)
    /// The older form: packed bit by bit, the highest bit of a byte first.
    case packed(UnsafeRawBufferPointer, bit: Int)
  }

  private let maximum: UInt32
  private var form: Form

  private static func bitWidth(_ maximum: UInt32) -> Int { UInt32.bitWidth - maximum.leadingZeroBitCount }

  /// Runs in `bytes`.
  init(_ bytes: UnsafeRawBufferPointer, maximum: UInt32) throws(ParquetFlaw) {
    self.maximum = maximum
    form = maximum == 0 ? .zeros : .hybrid(try RLEHybrid(bytes, bitWidth: Self.bitWidth(maximum)))
  }

  /// The levels of a page of version 1, which come before its values; `cursor` goes on to what follows.
  init(_ cursor: inout ByteCursor, encoding: Int64, maximum: UInt32, count: Int) throws(ParquetFlaw) {
    self.maximum = maximum
    guard maximum > 0 else {
      form = .zeros
      return
    }
    switch encoding {
    case 3:
      let length: UInt32 = try cursor.number()
      form = .hybrid(try RLEHybrid(try cursor.take(Int(length)), bitWidth: Self.bitWidth(maximum)))
    case 4:
      let bits = count.multipliedReportingOverflow(by: Self.bitWidth(maximum))
      guard !bits.overflow else { throw ParquetFlaw("a page of \(count) values") }
      form = .packed(try cursor.take(bits.partialValue / 8 + (bits.partialValue % 8 == 0 ? 0 : 1)), bit: 0)
    default: throw ParquetFlaw("levels in encoding \(encoding), expected RLE (3) or BIT_PACKED (4)")
    }
  }

  mutating func fill(_ levels: UnsafeMutableBufferPointer<UInt32>) throws(ParquetFlaw) {
    switch form {
    case .zeros: levels.update(repeating: 0)
    case .hybrid(var runs):
      try runs.fill(levels)
      form = .hybrid(runs)
    case .packed(let bytes, var bit):
      for place in levels.indices {
        var level: UInt32 = 0
        for _ in 0..<Self.bitWidth(maximum) {
          guard bit >> 3 < bytes.count else { throw ParquetFlaw("a page has fewer levels than it states") }
          level = level << 1 | UInt32(bytes[bit >> 3] >> UInt8(7 - bit & 7) & 1)
          bit += 1
        }
        levels[place] = level
      }
      form = .packed(bytes, bit: bit)
    }
    for level in levels where level > maximum {
      throw ParquetFlaw("a level of \(level), expected at most \(maximum)")
    }
  }
}
