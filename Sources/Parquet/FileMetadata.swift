// The footer of a parquet file, as far as rows are read by it. Numbers of fields are those of parquet.thrift.

/// The file's schema as a list, and its row groups.
struct FileMetadata: Sendable {
  /// Of all row groups. What the footer says of their sum is not read: nobody else does, and some writers leave it at 0.
  private(set) var rowCount = 0
  private(set) var schema: [SchemaElement] = []
  private(set) var rowGroups: [RowGroup] = []

  private static let mostElements = 1 << 16

  /// - Parameter footer: thrift's bytes.
  init(_ footer: UnsafeRawBufferPointer) throws(ParquetFlaw) {
    var reader = ThriftReader(footer)
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      switch field {
      case 2:
        try reader.list(of: .structure) { (reader) throws(ParquetFlaw) in
          // Before they are collected: an element may have a byte in the file and a hundred in memory.
          guard schema.count < Self.mostElements else {
            throw ParquetFlaw("the schema has more than \(Self.mostElements) elements")
          }
          schema.append(try SchemaElement(&reader))
        }
      case 4:
        try reader.list(of: .structure) { (reader) throws(ParquetFlaw) in rowGroups.append(try RowGroup(&reader)) }
      default: return false
      }
      return true
    }
    for group in rowGroups {
      let (sum, overflow) = rowCount.addingReportingOverflow(group.rowCount)
      guard group.rowCount >= 0, !overflow else { throw ParquetFlaw("a row group of \(group.rowCount) rows") }
      rowCount = sum
    }
  }
}

/// One node of the schema, in the order of a walk from the root.
struct SchemaElement: Sendable {
  enum Repetition: Int64 { case required, optional, repeated }

  private(set) var name = ""
  /// nil for a group.
  private(set) var type: PhysicalType?
  private(set) var typeLength = 0
  private(set) var repetition = Repetition.required
  private(set) var childCount = 0
  private(set) var logical = LogicalType.none

  init(_ reader: inout ThriftReader) throws(ParquetFlaw) {
    var (converted, scale): (Int64?, Int64) = (nil, 0)
    var (isGroup, isNamed) = (true, false)
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      switch field {
      case 1:
        let number = try reader.integer(kind)
        guard let known = PhysicalType(rawValue: number) else {
          throw ParquetFlaw("a column of unknown type \(number)")
        }
        (type, isGroup) = (known, false)
      case 2: typeLength = Int(clamping: try reader.integer(kind))
      case 3:
        let number = try reader.integer(kind)
        guard let known = Repetition(rawValue: number) else { throw ParquetFlaw("an unknown repetition \(number)") }
        repetition = known
      case 4: (name, isNamed) = (try reader.text(kind), true)
      case 5: childCount = Int(clamping: try reader.integer(kind))
      case 6: converted = try reader.integer(kind)
      case 7: scale = try reader.integer(kind)
      case 10: logical = try LogicalType(&reader, kind)
      default: return false
      }
      return true
    }
    guard isNamed || isGroup else { throw ParquetFlaw("a column of the schema without a name") }
    guard childCount >= 0, isGroup || childCount == 0 else {
      throw ParquetFlaw("\"\(name)\" of the schema has \(childCount) children")
    }
    if logical == .none, let converted { logical = LogicalType(converted: converted, scale: scale) }
    if case .decimal(let scale) = logical, !(0...76 ~= scale) {
      logical = .unknown("a decimal of scale \(scale)")
    }
  }
}

/// How a column's values are stored.
enum PhysicalType: Int64, Sendable {
  case boolean, int32, int64, int96, float, double, byteArray, fixedLengthByteArray
}

/// Some rows of all columns.
struct RowGroup: Sendable {
  private(set) var rowCount = 0
  /// In the order of the schema's leaves.
  private(set) var columns: [ColumnChunk] = []

  init(_ reader: inout ThriftReader) throws(ParquetFlaw) {
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      switch field {
      case 1:
        try reader.list(of: .structure) { (reader) throws(ParquetFlaw) in columns.append(try ColumnChunk(&reader)) }
      case 3: rowCount = Int(clamping: try reader.integer(kind))
      default: return false
      }
      return true
    }
  }
}

/// The pages of one column in one row group. Nothing is checked before the column is read.
struct ColumnChunk: Sendable {
  private(set) var type: Int64?
  private(set) var codec: Int64 = 0
  /// Values and nulls.
  private(set) var valueCount: Int64 = 0
  private(set) var byteCount: Int64 = 0
  private(set) var dataOffset: Int64 = 0
  private(set) var dictionaryOffset: Int64?
  private(set) var isEncrypted = false
  private(set) var isElsewhere = false
  /// The required fields of its metadata that were found.
  private var found: Set<Int> = []

  init(_ reader: inout ThriftReader) throws(ParquetFlaw) {
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      switch field {
      case 1: isElsewhere = !(try reader.binary(kind).isEmpty)
      case 3:
        guard kind == .structure else { throw ParquetFlaw("a column's metadata is no struct") }
        try reader.structure { (reader, field, kind) throws(ParquetFlaw) in try read(&reader, field, kind) }
      case 8:
        isEncrypted = true
        return false
      default: return false
      }
      return true
    }
    // The metadata of an encrypted column may be encrypted too.
    guard isEncrypted || found.isSuperset(of: [1, 4, 5, 7, 9]) else {
      throw ParquetFlaw("a column of a row group without its metadata")
    }
    found = []
  }

  private mutating func read(
    _ reader: inout ThriftReader, _ field: Int, _ kind: ThriftReader.Kind
  ) throws(ParquetFlaw) -> Bool {
    switch field {
    case 1: type = try reader.integer(kind)
    case 4: codec = try reader.integer(kind)
    case 5: valueCount = try reader.integer(kind)
    case 7: byteCount = try reader.integer(kind)
    case 9: dataOffset = try reader.integer(kind)
    case 11: dictionaryOffset = try reader.integer(kind)
    default: return false
    }
    found.insert(field)
    return true
  }

  /// The chunk's bytes in a file of `fileBytes`: from its dictionary or first page on.
  func range(in fileBytes: Int) throws(ParquetFlaw) -> Range<Int> {
    // Some writers state a dictionary at 0 where there is none.
    let start = dictionaryOffset.flatMap { $0 > 0 && $0 < dataOffset ? $0 : nil } ?? dataOffset
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    guard start >= 4, byteCount >= 0, !overflow, end <= fileBytes else {
      throw ParquetFlaw("its pages are said to be at byte \(start), \(byteCount) of them, in a file of \(fileBytes)")
    }
    return Int(start)..<Int(end)
  }
}
