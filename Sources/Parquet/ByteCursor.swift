// Reads numbers from bytes, one after the other, and never past their end.

struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  /// All bytes that are left.
  var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[position...]) }

  mutating func byte() throws(ParquetFlaw) -> UInt8 {
    guard position < bytes.count else { throw Self.tooShort }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func take(_ count: Int) throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw Self.tooShort }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// A little-endian number of the width of its type.
  mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(ParquetFlaw) -> Number {
    guard MemoryLayout<Number>.size <= remaining else { throw Self.tooShort }
    defer { position += MemoryLayout<Number>.size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
  }

  /// Seven bits per byte, the lowest first.
  mutating func varint() throws(ParquetFlaw) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      let byte = try byte()
      guard shift < 63 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw ParquetFlaw("a number of more than 64 bits")
  }

  /// A signed varint: 0, -1, 1, -2, …
  mutating func zigzag() throws(ParquetFlaw) -> Int64 {
    let value = try varint()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  private static let tooShort = ParquetFlaw("the bytes end too early")
}

extension UnsafeRawBufferPointer {
  /// The 64 bits from bit `bit` on, the lowest bit of a byte first; bits after the end are 0.
  @inline(__always)
  func bits(from bit: Int) -> UInt64 {
    let (first, shift) = (bit >> 3, UInt64(bit & 7))
    if first + 9 <= count {
      let low = UInt64(littleEndian: loadUnaligned(fromByteOffset: first, as: UInt64.self)) >> shift
      return shift == 0 ? low : low | UInt64(self[first + 8]) << (64 - shift)
    }
    var value: UInt64 = 0
    for place in first..<Swift.max(first, Swift.min(first + 9, count)) {
      let distance = Int64((place - first) << 3) - Int64(shift)
      value |= distance < 0 ? UInt64(self[place]) >> UInt64(-distance) : UInt64(self[place]) << UInt64(distance)
    }
    return value
  }
}
