// The header before every page. Numbers of fields are those of parquet.thrift.

struct PageHeader {
  enum Kind: Int64 { case data, index, dictionary, dataOfVersion2 }

  private(set) var kind = Kind.index
  /// The size of the page in the file, without this header, and unpacked.
  private(set) var storedBytes = 0
  private(set) var bytes = 0
  private(set) var checksum: UInt32?
  /// Values and nulls.
  private(set) var valueCount = 0
  private(set) var encoding: Int64 = 0
  // Of version 1.
  private(set) var definitionEncoding: Int64 = 3
  private(set) var repetitionEncoding: Int64 = 3
  // Of version 2.
  private(set) var definitionBytes = 0
  private(set) var repetitionBytes = 0
  private(set) var isCompressed = true

  /// Reads a header; `cursor` goes on to the page's bytes.
  init(_ bytes: UnsafeRawBufferPointer, length: inout Int) throws(ParquetFlaw) {
    var reader = ThriftReader(bytes)
    var type: Int64?
    var found: Set<Int> = []
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      switch field {
      case 1: type = try reader.integer(kind)
      case 2: self.bytes = try Self.size(&reader, kind)
      case 3: storedBytes = try Self.size(&reader, kind)
      case 4: checksum = UInt32(truncatingIfNeeded: try reader.integer(kind))
      case 5, 7, 8:
        guard kind == .structure else { throw ParquetFlaw("a page's header is no struct") }
        found.insert(field)
        try reader.structure { (reader, part, kind) throws(ParquetFlaw) in
          field == 8 ? try readVersion2(&reader, part, kind) : try readVersion1(&reader, part, kind)
        }
      default: return false
      }
      return true
    }
    guard let type, let kind = Kind(rawValue: type) else {
      throw ParquetFlaw("a page of type \(type.map(String.init) ?? "none")")
    }
    let part = [Kind.data: 5, .dictionary: 7, .dataOfVersion2: 8][kind]
    guard found == (part.map { [$0] } ?? []) else {
      throw ParquetFlaw("a page of the kind \(kind) without the header of its kind")
    }
    self.kind = kind
    length = reader.cursor.position
  }

  /// Of a data page of version 1 or a dictionary, which begin alike.
  private mutating func readVersion1(
    _ reader: inout ThriftReader, _ field: Int, _ kind: ThriftReader.Kind
  ) throws(ParquetFlaw) -> Bool {
    switch field {
    case 1: valueCount = try Self.size(&reader, kind)
    case 2: encoding = try reader.integer(kind)
    case 3 where kind != .yes && kind != .no: definitionEncoding = try reader.integer(kind)
    case 4: repetitionEncoding = try reader.integer(kind)
    default: return false
    }
    return true
  }

  private mutating func readVersion2(
    _ reader: inout ThriftReader, _ field: Int, _ kind: ThriftReader.Kind
  ) throws(ParquetFlaw) -> Bool {
    switch field {
    case 1: valueCount = try Self.size(&reader, kind)
    case 4: encoding = try reader.integer(kind)
    case 5: definitionBytes = try Self.size(&reader, kind)
    case 6: repetitionBytes = try Self.size(&reader, kind)
    case 7: isCompressed = try reader.bool(kind)
    default: return false
    }
    return true
  }

  private static func size(_ reader: inout ThriftReader, _ kind: ThriftReader.Kind) throws(ParquetFlaw) -> Int {
    let size = try reader.integer(kind)
    guard 0...Int64(Int32.max) ~= size else { throw ParquetFlaw("a page's header states a size of \(size)") }
    return Int(size)
  }
}
