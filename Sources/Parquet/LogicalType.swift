// What a column's stored values mean, in the newer of parquet's two spellings.

enum LogicalType: Sendable, Equatable {
  enum Unit: Int64 {
    case milliseconds = 1
    case microseconds, nanoseconds
  }

  case none
  case text, uuid, float16, date
  case map, list
  case decimal(scale: Int64)
  case time(Unit)
  /// `isInstant`: the values are in UTC; otherwise on a clock of no known zone.
  case timestamp(Unit, isInstant: Bool)
  case unsigned(bits: Int64)
  /// Bytes that are no text, by their name.
  case opaque(String)
  /// A meaning that cannot be read.
  case unknown(String)

  /// The union `LogicalType`.
  init(_ reader: inout ThriftReader, _ kind: ThriftReader.Kind) throws(ParquetFlaw) {
    guard kind == .structure else { throw ParquetFlaw("a logical type is no struct") }
    var type = LogicalType.none
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      guard kind == .structure else { throw ParquetFlaw("a logical type is no struct") }
      switch field {
      case 1, 4, 12: type = .text
      case 2: type = .map
      case 3: type = .list
      case 5:
        type = .decimal(scale: try Self.fields(&reader)[1] ?? 0)
        return true
      case 6: type = .date
      case 7, 8:
        let fields = try Self.fields(&reader)
        guard let unit = Unit(rawValue: fields[2] ?? 0) else {
          type = .unknown("a time of an unknown unit")
          return true
        }
        type = field == 7 ? .time(unit) : .timestamp(unit, isInstant: fields[1] == 1)
        return true
      case 10:
        let fields = try Self.fields(&reader)
        if fields[2] == 0 { type = .unsigned(bits: fields[1] ?? 0) }
        return true
      case 13: type = .opaque("BSON")
      case 14: type = .uuid
      case 15: type = .float16
      default: break
      }
      return false
    }
    self = type
  }

  /// The numbers and bools of a type's parameters; of a union the number of its member.
  private static func fields(_ reader: inout ThriftReader) throws(ParquetFlaw) -> [Int: Int64] {
    var values: [Int: Int64] = [:]
    try reader.structure { (reader, field, kind) throws(ParquetFlaw) in
      switch kind {
      case .yes, .no: values[field] = try reader.bool(kind) ? 1 : 0
      case .byte, .int16, .int32, .int64: values[field] = try reader.integer(kind)
      case .structure:
        try reader.structure { _, member, _ in
          values[field] = Int64(member)
          return false
        }
      default: return false
      }
      return true
    }
    return values
  }

  /// The older spelling, `ConvertedType`. It says of no timestamp that it is an instant, so none is one, as in Arrow.
  init(converted: Int64, scale: Int64) {
    self =
      switch converted {
      case 0, 4, 19: .text
      case 1, 2: .map
      case 3: .list
      case 5: .decimal(scale: scale)
      case 6: .date
      case 7: .time(.milliseconds)
      case 8: .time(.microseconds)
      case 9: .timestamp(.milliseconds, isInstant: false)
      case 10: .timestamp(.microseconds, isInstant: false)
      case 11: .unsigned(bits: 8)
      case 12: .unsigned(bits: 16)
      case 13: .unsigned(bits: 32)
      case 14: .unsigned(bits: 64)
      case 20: .opaque("BSON")
      case 21: .opaque("an interval")
      default: .none
      }
  }
}
