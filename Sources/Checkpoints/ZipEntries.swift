// The directory of a zip archive: where each member's bytes are. Members are not decompressed.

import Tensors

/// The members of a zip archive, with or without its 64-bit extension. No two members share a byte.
struct ZipEntries {
  /// Bytes of each member from the start of the file, by name.
  private(set) var ranges: [String: Range<Int>] = [:]

  private static let maximumEntries = 1 << 15

  private let path: String
  private let bytes: UnsafeRawBufferPointer

  /// - Throws: `ContentError` if the archive is damaged, compressed or encrypted.
  init(_ file: MappedFile) throws(ContentError) {
    (path, bytes) = (file.path, file.bytes)
    let directory = try findDirectory()
    var position = directory.offset
    for _ in 0..<directory.entries { position = try readEntry(at: position, before: directory.offset) }
    try checkOverlaps()
  }

  private func failure(_ found: String, expected: String? = nil) -> ContentError {
    ContentError(path, "is a damaged zip archive: \(found)", expected: expected)
  }

  // MARK: Numbers

  /// A little-endian number of the file.
  private func number<Number: FixedWidthInteger>(
    _ type: Number.Type, at offset: Int
  ) throws(ContentError) -> Int {
    let size = MemoryLayout<Number>.size
    guard offset >= 0, offset <= bytes.count - size else { throw failure("it ends within its directory") }
    let value = Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
    guard let number = Int(exactly: value) else { throw failure("a size of \(value) bytes") }
    return number
  }

  private func hasSignature(_ signature: Int, at offset: Int) throws(ContentError) -> Bool {
    try number(UInt32.self, at: offset) == signature
  }

  // MARK: The directory

  private static let endBytes = 22
  private static let maximumComment = 1 << 16

  /// The central directory's place and number of entries, from the record at the end of the file.
  private func findDirectory() throws(ContentError) -> (offset: Int, entries: Int) {
    var end = bytes.count - Self.endBytes
    let last = max(0, end - Self.maximumComment)
    while end >= last, !(try hasSignature(0x0605_4b50, at: end)) { end -= 1 }
    guard end >= last else { throw failure("it has no directory (a truncated download?)") }
    var (entries, offset) = (try number(UInt16.self, at: end + 10), try number(UInt32.self, at: end + 16))
    if end >= 20, try hasSignature(0x0706_4b50, at: end - 20) {
      let record = try number(UInt64.self, at: end - 12)
      guard record < end, try hasSignature(0x0606_4b50, at: record) else {
        throw failure("its 64-bit directory is missing")
      }
      (entries, offset) = (try number(UInt64.self, at: record + 32), try number(UInt64.self, at: record + 48))
    }
    guard entries <= Self.maximumEntries else {
      throw failure("\(entries) members", expected: "at most \(Self.maximumEntries)")
    }
    guard offset <= end else { throw failure("its directory begins behind its end") }
    return (offset, entries)
  }

  /// Reads an entry of the directory; returns the place of the next.
  private mutating func readEntry(at offset: Int, before limit: Int) throws(ContentError) -> Int {
    guard try hasSignature(0x0201_4b50, at: offset) else { throw failure("its directory has no entry at \(offset)") }
    let flags = try number(UInt16.self, at: offset + 8)
    let method = try number(UInt16.self, at: offset + 10)
    var sizes = [
      try number(UInt32.self, at: offset + 24), try number(UInt32.self, at: offset + 20),
      try number(UInt32.self, at: offset + 42),
    ]
    let nameCount = try number(UInt16.self, at: offset + 28)
    let extraCount = try number(UInt16.self, at: offset + 30)
    let commentCount = try number(UInt16.self, at: offset + 32)
    let extra = offset + 46 + nameCount
    guard extra + extraCount + commentCount <= bytes.count else { throw failure("it ends within its directory") }
    let name = String(decoding: bytes[offset + 46..<extra], as: UTF8.self)
    try readLongSizes(&sizes, extra: extra..<extra + extraCount)
    guard flags & 1 == 0, method == 0, sizes[0] == sizes[1] else {
      throw ContentError(
        path, String(name.prefix(200)), "is compressed or encrypted", expected: "stored, as torch.save writes it")
    }
    let range = try range(local: sizes[2], count: sizes[0], before: limit)
    guard ranges.updateValue(range, forKey: name) == nil else {
      throw ContentError(path, String(name.prefix(200)), "occurs twice")
    }
    return extra + extraCount + commentCount
  }

  /// Replaces sizes and offset that do not fit 32 bits by those of the 64-bit extension.
  private func readLongSizes(_ sizes: inout [Int], extra: Range<Int>) throws(ContentError) {
    var position = extra.lowerBound
    while position + 4 <= extra.upperBound {
      let kind = try number(UInt16.self, at: position)
      let end = position + 4 + (try number(UInt16.self, at: position + 2))
      guard end <= extra.upperBound else { return }
      position += 4
      if kind == 1 {
        for index in sizes.indices where sizes[index] == 0xFFFF_FFFF && position + 8 <= end {
          sizes[index] = try number(UInt64.self, at: position)
          position += 8
        }
      }
      position = end
    }
  }

  /// The bytes of a member, which follow a header of its own.
  private func range(local: Int, count: Int, before limit: Int) throws(ContentError) -> Range<Int> {
    guard local < limit, try hasSignature(0x0403_4b50, at: local) else {
      throw failure("a member is missing at \(local)")
    }
    let start = local + 30 + (try number(UInt16.self, at: local + 26)) + (try number(UInt16.self, at: local + 28))
    let end = start.addingReportingOverflow(count)
    guard !end.overflow, end.partialValue <= limit else { throw failure("a member reaches beyond the archive") }
    return start..<end.partialValue
  }

  private func checkOverlaps() throws(ContentError) {
    var end = 0
    for (name, range) in ranges.sorted(by: { ($0.value.lowerBound, $0.key) < ($1.value.lowerBound, $1.key) })
    where !range.isEmpty {
      guard range.lowerBound >= end else {
        throw ContentError(path, String(name.prefix(200)), "shares bytes with another member")
      }
      end = range.upperBound
    }
  }
}
