// Parquet's encodings DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY.

import Checkpoints

/// Numbers as differences, packed bit by bit in blocks of their own width.
struct DeltaNumbers: NumberValues {
  private var cursor: ByteCursor
  private let miniblocks: Int
  private let valuesPerMiniblock: Int
  /// Numbers that are left.
  private var count: Int
  /// The number before the next, or the first.
  private var value: Int64
  private var isFirst = true
  // The current block.
  private var minimum: Int64 = 0
  private var widths = UnsafeRawBufferPointer(start: nil, count: 0)
  private var miniblock: Int
  // The current miniblock.
  private var packed = UnsafeRawBufferPointer(start: nil, count: 0)
  private var width = 0
  private var bit = 0
  private var left = 0

  init(_ bytes: UnsafeRawBufferPointer) throws(ParquetFlaw) {
    cursor = ByteCursor(bytes)
    let (block, miniblocks, total) = (try cursor.varint(), try cursor.varint(), try cursor.varint())
    value = try cursor.zigzag()
    guard miniblocks > 0, block > 0, block <= 1 << 24, block.isMultiple(of: miniblocks),
      (block / miniblocks).isMultiple(of: 8), total <= UInt64(Int32.max)
    else { throw ParquetFlaw("\(total) differences in blocks of \(block) and \(miniblocks) parts") }
    (self.miniblocks, valuesPerMiniblock, count) = (Int(miniblocks), Int(block / miniblocks), Int(total))
    miniblock = self.miniblocks
  }

  mutating func next() throws(ParquetFlaw) -> Int64 {
    guard count > 0 else { throw ParquetFlaw("a page has fewer numbers than it states") }
    count -= 1
    if isFirst {
      isFirst = false
      return value
    }
    if left == 0 { try nextMiniblock(remaining: count + 1) }
    left -= 1
    let mask = width == 64 ? UInt64.max : 1 << UInt64(width) - 1
    let difference = width == 0 ? 0 : packed.bits(from: bit) & mask
    bit += width
    value = value &+ minimum &+ Int64(bitPattern: difference)
    return value
  }

  private mutating func nextMiniblock(remaining: Int) throws(ParquetFlaw) {
    if miniblock == miniblocks {
      minimum = try cursor.zigzag()
      widths = try cursor.take(miniblocks)
      miniblock = 0
    }
    width = Int(widths[miniblock])
    guard width <= 64 else { throw ParquetFlaw("differences of \(width) bits") }
    miniblock += 1
    (bit, left) = (0, valuesPerMiniblock)
    // The last miniblock may lack the bytes of numbers that do not exist.
    let bytes = valuesPerMiniblock / 8 * width
    packed = try cursor.take(min(bytes, cursor.remaining))
    guard packed.count * 8 >= min(remaining, left) * width else {
      throw ParquetFlaw("a page has fewer numbers than it states")
    }
  }

  /// What follows the numbers.
  func rest() throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    var ahead = self
    if ahead.isFirst, ahead.count > 0 { _ = try ahead.next() }
    while ahead.count > ahead.left {
      ahead.count -= ahead.left
      try ahead.nextMiniblock(remaining: ahead.count)
    }
    return ahead.cursor.rest
  }
}

/// INT32 as differences: sums of 32 bits.
struct DeltaShortNumbers: NumberValues {
  private var numbers: DeltaNumbers

  init(_ bytes: UnsafeRawBufferPointer) throws(ParquetFlaw) { numbers = try DeltaNumbers(bytes) }

  mutating func next() throws(ParquetFlaw) -> Int64 { Int64(Int32(truncatingIfNeeded: try numbers.next())) }
}

/// The lengths of all values, then their bytes.
struct DeltaLengthBytes: ByteValues {
  private var lengths: DeltaNumbers
  private var cursor: ByteCursor

  init(_ bytes: UnsafeRawBufferPointer) throws(ParquetFlaw) {
    lengths = try DeltaNumbers(bytes)
    cursor = ByteCursor(try lengths.rest())
  }

  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    try cursor.take(Int(try lengths.next()))
  }
}

/// How much of the value before each value begins with, then what it goes on with.
struct DeltaBytes: ByteValues {
  private var prefixes: DeltaNumbers
  private var suffixes: DeltaLengthBytes
  private let value = PageBuffer()
  private var count = 0

  init(_ bytes: UnsafeRawBufferPointer) throws(ParquetFlaw) {
    prefixes = try DeltaNumbers(bytes)
    suffixes = try DeltaLengthBytes(try prefixes.rest())
  }

  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    let prefix = Int(try prefixes.next())
    let suffix = try suffixes.next()
    guard 0...count ~= prefix else {
      throw ParquetFlaw("a value shares \(prefix) bytes with the one before, which has \(count)")
    }
    count = prefix + suffix.count
    if count > value.bytes.count {
      try value.grow(to: max(count, min(2 * value.bytes.count, PageBuffer.maximumBytes)))
    }
    if let base = value.bytes.baseAddress, let source = suffix.baseAddress {
      (base + prefix).copyMemory(from: source, byteCount: suffix.count)
    }
    return UnsafeRawBufferPointer(start: value.bytes.baseAddress, count: count)
  }
}
