// Values one after the other, by parquet's encodings PLAIN, RLE (of bools) and BYTE_STREAM_SPLIT.

import Checkpoints

struct PlainBools: NumberValues {
  private let bytes: UnsafeRawBufferPointer
  private var bit = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func next() throws(ParquetFlaw) -> Int64 {
    guard bit >> 3 < bytes.count else { throw ParquetFlaw("a page has fewer bools than it states") }
    defer { bit += 1 }
    return Int64(bytes[bit >> 3] >> UInt8(bit & 7) & 1)
  }
}

struct RunBools: NumberValues {
  private var runs: RLEHybrid

  init(_ bytes: UnsafeRawBufferPointer) throws(ParquetFlaw) {
    var cursor = ByteCursor(bytes)
    let length: UInt32 = try cursor.number()
    runs = try RLEHybrid(try cursor.take(Int(length)), bitWidth: 1)
  }

  mutating func next() throws(ParquetFlaw) -> Int64 {
    var value: UInt32 = 0
    let result = withUnsafeMutablePointer(to: &value) { pointer in
      Result { () throws(ParquetFlaw) in try runs.fill(UnsafeMutableBufferPointer(start: pointer, count: 1)) }
    }
    try result.get()
    return Int64(value)
  }
}

/// Numbers, or the bits of floats, of the width of `Number`.
struct PlainNumbers<Number: FixedWidthInteger>: NumberValues {
  private var cursor: ByteCursor

  init(_ bytes: UnsafeRawBufferPointer) { cursor = ByteCursor(bytes) }

  mutating func next() throws(ParquetFlaw) -> Int64 { Int64(truncatingIfNeeded: try cursor.number(Number.self)) }
}

/// Bytes with their length before them.
struct PlainBytes: ByteValues {
  private var cursor: ByteCursor

  init(_ bytes: UnsafeRawBufferPointer) { cursor = ByteCursor(bytes) }

  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    let length: UInt32 = try cursor.number()
    return try cursor.take(Int(length))
  }
}

/// Bytes of one length.
struct PlainFixedBytes: ByteValues {
  private var cursor: ByteCursor
  private let width: Int

  init(_ bytes: UnsafeRawBufferPointer, width: Int) { (cursor, self.width) = (ByteCursor(bytes), width) }

  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer { try cursor.take(width) }
}

/// The first bytes of all values, then all second bytes, …
struct SplitBytes: ByteValues {
  private let bytes: UnsafeRawBufferPointer
  private let count: Int
  private var index = 0
  private let value: PageBuffer

  init(_ bytes: UnsafeRawBufferPointer, width: Int) throws(ParquetFlaw) {
    guard bytes.count.isMultiple(of: width) else {
      throw ParquetFlaw("\(bytes.count) bytes of values, expected a multiple of \(width)")
    }
    (self.bytes, count) = (bytes, bytes.count / width)
    value = PageBuffer()
    try value.resize(to: width)
  }

  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    guard index < count else { throw ParquetFlaw("a page has fewer values than it states") }
    let target = value.bytes
    for place in target.indices { target[place] = bytes[place * count + index] }
    index += 1
    return UnsafeRawBufferPointer(target)
  }
}

struct SplitNumbers: NumberValues {
  private var values: SplitBytes

  init(_ bytes: UnsafeRawBufferPointer, width: Int) throws(ParquetFlaw) {
    values = try SplitBytes(bytes, width: width)
  }

  mutating func next() throws(ParquetFlaw) -> Int64 {
    let bytes = try values.next()
    return bytes.count == 4
      ? Int64(Int32(littleEndian: bytes.loadUnaligned(as: Int32.self)))
      : Int64(littleEndian: bytes.loadUnaligned(as: Int64.self))
  }
}
