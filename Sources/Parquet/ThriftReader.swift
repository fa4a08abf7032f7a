// Reads thrift's compact protocol, in which parquet writes its metadata. What is not asked for is skipped.

/// A struct's fields, read one after the other.
struct ThriftReader {
  /// The type of a field or an element, by its number in the protocol.
  enum Kind: UInt8 {
    // A bool's value is its type.
    case yes = 1
    case no, byte, int16, int32, int64, double, binary, list, set, map, structure
  }

  var cursor: ByteCursor
  /// Structs and lists that are open.
  private var depth = 0
  private static let maximumDepth = 64

  init(_ bytes: UnsafeRawBufferPointer) { cursor = ByteCursor(bytes) }

  /// Calls `body` for every field of a struct with its number; `body` returns false if it did not read the field.
  mutating func structure(
    _ body: (inout ThriftReader, Int, Kind) throws(ParquetFlaw) -> Bool
  ) throws(ParquetFlaw) {
    try enter()
    defer { depth -= 1 }
    var field = 0
    while true {
      let header = try cursor.byte()
      if header == 0 { return }
      guard let kind = Kind(rawValue: header & 0x0F) else {
        throw ParquetFlaw("a thrift field of unknown type \(header & 0x0F)")
      }
      if header >> 4 == 0 {
        guard let number = Int16(exactly: try cursor.zigzag()) else { throw ParquetFlaw("a thrift field's number") }
        field = Int(number)
      } else {
        field += Int(header >> 4)
      }
      if !(try body(&self, field, kind)) { try skip(kind) }
    }
  }

  /// Calls `body` for every element of a list of `kind`.
  mutating func list(
    of kind: Kind, _ body: (inout ThriftReader) throws(ParquetFlaw) -> Void
  ) throws(ParquetFlaw) {
    try enter()
    defer { depth -= 1 }
    let (count, found) = try listHeader()
    guard count == 0 || found == kind else { throw ParquetFlaw("a thrift list of \(found), expected \(kind)") }
    for _ in 0..<count { try body(&self) }
  }

  mutating func integer(_ kind: Kind) throws(ParquetFlaw) -> Int64 {
    switch kind {
    case .byte: Int64(Int8(bitPattern: try cursor.byte()))
    case .int16, .int32, .int64: try cursor.zigzag()
    default: throw ParquetFlaw("a thrift field of type \(kind), expected a number")
    }
  }

  mutating func bool(_ kind: Kind) throws(ParquetFlaw) -> Bool {
    guard kind == .yes || kind == .no else { throw ParquetFlaw("a thrift field of type \(kind), expected a bool") }
    return kind == .yes
  }

  mutating func binary(_ kind: Kind) throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    guard kind == .binary else { throw ParquetFlaw("a thrift field of type \(kind), expected bytes") }
    return try cursor.take(try length())
  }

  mutating func text(_ kind: Kind) throws(ParquetFlaw) -> String {
    guard let text = String(validating: try binary(kind), as: UTF8.self) else {
      throw ParquetFlaw("a name that is not valid UTF-8")
    }
    return text
  }

  mutating func skip(_ kind: Kind) throws(ParquetFlaw) {
    switch kind {
    case .yes, .no: break
    case .byte: _ = try cursor.byte()
    case .int16, .int32, .int64: _ = try cursor.varint()
    case .double: _ = try cursor.take(8)
    case .binary: _ = try cursor.take(try length())
    case .structure: try structure { _, _, _ in false }
    case .list, .set:
      try enter()
      defer { depth -= 1 }
      let (count, kind) = try listHeader()
      for _ in 0..<count { try skipElement(kind) }
    case .map:
      try enter()
      defer { depth -= 1 }
      let count = try length()
      if count == 0 { return }
      let kinds = try cursor.byte()
      guard let key = Kind(rawValue: kinds >> 4), let value = Kind(rawValue: kinds & 0x0F) else {
        throw ParquetFlaw("a thrift map of unknown types \(kinds)")
      }
      for _ in 0..<count {
        try skipElement(key)
        try skipElement(value)
      }
    }
  }

  /// An element that is a bool has a byte of its own; a field that is one has its value in its type.
  private mutating func skipElement(_ kind: Kind) throws(ParquetFlaw) {
    if kind == .yes || kind == .no { _ = try cursor.byte() } else { try skip(kind) }
  }

  private mutating func listHeader() throws(ParquetFlaw) -> (count: Int, kind: Kind) {
    let header = try cursor.byte()
    // Some writers give an empty list no type.
    guard let kind = header == 0 ? .byte : Kind(rawValue: header & 0x0F) else {
      throw ParquetFlaw("a thrift list of unknown type \(header & 0x0F)")
    }
    return (header >> 4 == 15 ? try length() : Int(header >> 4), kind)
  }

  /// A number of bytes or elements: every element has at least one byte.
  private mutating func length() throws(ParquetFlaw) -> Int {
    let length = try cursor.varint()
    guard length <= cursor.remaining else {
      throw ParquetFlaw("a thrift length of \(length), but \(cursor.remaining) bytes are left")
    }
    return Int(length)
  }

  private mutating func enter() throws(ParquetFlaw) {
    guard depth < Self.maximumDepth else { throw ParquetFlaw("thrift nested deeper than \(Self.maximumDepth)") }
    depth += 1
  }
}
