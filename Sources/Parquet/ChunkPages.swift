// The pages of a column chunk, one after the other: found, checked, unpacked, and divided into levels and values.

import CZlib
import Tensors

/// The levels of a page's values, and the bytes of those that are not null.
struct DataPage {
  let valueCount: Int
  let encoding: Int64
  var repetitions: LevelDecoder
  var definitions: LevelDecoder
  let values: UnsafeRawBufferPointer
}

/// Pages stay valid until the next one is read.
struct ChunkPages {
  private let file: MappedFile
  private let codec: Codec?
  private let maximumRepetition: UInt32
  private let maximumDefinition: UInt32
  private let end: Int
  private var position: Int
  /// Where the page whose header was read last begins.
  private(set) var pageStart: Int
  /// Pages of memory before it are given back.
  private var released: Int
  private let buffer: PageBuffer
  private let decompressor: Decompressor

  init(
    _ file: MappedFile, _ range: Range<Int>, _ codec: Codec?, maximumRepetition: UInt32, maximumDefinition: UInt32,
    _ buffer: PageBuffer, _ decompressor: Decompressor
  ) {
    (self.file, self.codec, self.buffer, self.decompressor) = (file, codec, buffer, decompressor)
    (self.maximumRepetition, self.maximumDefinition) = (maximumRepetition, maximumDefinition)
    (position, pageStart, released, end) = (range.lowerBound, range.lowerBound, range.lowerBound, range.upperBound)
  }

  /// The next page's header; nil after the last page.
  mutating func nextHeader() throws(ParquetFlaw) -> PageHeader? {
    guard position < end else { return nil }
    pageStart = position
    if position - released >= 1 << 20 { release() }
    var length = 0
    let header = try PageHeader(UnsafeRawBufferPointer(rebasing: file.bytes[position..<end]), length: &length)
    position += length
    guard header.storedBytes <= end - position else {
      throw ParquetFlaw("a page of \(header.storedBytes) bytes, but \(end - position) are left of the column")
    }
    return header
  }

  /// Goes on behind the page of `header`.
  mutating func skip(_ header: PageHeader) { position += header.storedBytes }

  /// The values of the dictionary of `header`.
  mutating func dictionary(_ header: PageHeader) throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    try unpacked(try stored(header), to: header.bytes, isCompressed: true)
  }

  mutating func data(_ header: PageHeader) throws(ParquetFlaw) -> DataPage {
    let stored = try stored(header)
    if header.kind == .dataOfVersion2 {
      // Levels are never compressed.
      var cursor = ByteCursor(stored)
      let repetitions = try cursor.take(header.repetitionBytes)
      let definitions = try cursor.take(header.definitionBytes)
      guard header.bytes >= cursor.position else {
        throw ParquetFlaw("a page of \(header.bytes) bytes with levels of \(cursor.position)")
      }
      return DataPage(
        valueCount: header.valueCount, encoding: header.encoding,
        repetitions: try LevelDecoder(repetitions, maximum: maximumRepetition),
        definitions: try LevelDecoder(definitions, maximum: maximumDefinition),
        values: try unpacked(cursor.rest, to: header.bytes - cursor.position, isCompressed: header.isCompressed))
    }
    var cursor = ByteCursor(try unpacked(stored, to: header.bytes, isCompressed: true))
    let repetitions = try LevelDecoder(
      &cursor, encoding: header.repetitionEncoding, maximum: maximumRepetition, count: header.valueCount)
    let definitions = try LevelDecoder(
      &cursor, encoding: header.definitionEncoding, maximum: maximumDefinition, count: header.valueCount)
    return DataPage(
      valueCount: header.valueCount, encoding: header.encoding, repetitions: repetitions, definitions: definitions,
      values: cursor.rest)
  }

  private mutating func stored(_ header: PageHeader) throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[position..<position + header.storedBytes])
    position += header.storedBytes
    if let expected = header.checksum {
      let base = bytes.assumingMemoryBound(to: Bytef.self).baseAddress
      let found = UInt32(truncatingIfNeeded: crc32_z(0, base, bytes.count))
      guard found == expected else {
        throw ParquetFlaw("a page's checksum is \(found), expected \(expected): the file is damaged")
      }
    }
    return bytes
  }

  private func unpacked(
    _ bytes: UnsafeRawBufferPointer, to count: Int, isCompressed: Bool
  ) throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    if count == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard isCompressed, let codec else {
      guard bytes.count == count else { throw ParquetFlaw("a page of \(bytes.count) bytes that states \(count)") }
      return bytes
    }
    try buffer.resize(to: count)
    try decompressor.unpack(bytes, codec, to: buffer.bytes)
    return UnsafeRawBufferPointer(buffer.bytes)
  }

  /// Gives back to the system what was read: memory must not grow with the file.
  mutating func release() {
    file.release(UnsafeRawBufferPointer(rebasing: file.bytes[released..<position]))
    released = max(released, position & ~0xFFFF)
  }
}
