// What a column's values become as JSON.

import Checkpoints

/// The form of one column's values.
enum ValueKind: Sendable, Equatable {
  case bool, integer, float, double, text, uuid, float16, date, int96
  case unsigned(bits: Int64)
  /// Of INT32 and INT64, and of big-endian bytes.
  case decimal(scale: Int)
  case decimalBytes(scale: Int)
  case time(LogicalType.Unit)
  case timestamp(LogicalType.Unit, isInstant: Bool)
  /// Bytes that have no JSON form, by their name.
  case opaque(String)

  /// - Throws: if the meaning is unknown, or does not fit the stored type.
  init(_ element: SchemaElement) throws(ParquetFlaw) {
    guard let type = element.type else { throw ParquetFlaw("a group has no values") }
    if type == .fixedLengthByteArray, !(1...(1 << 20) ~= element.typeLength) {
      throw ParquetFlaw("values of \(element.typeLength) bytes")
    }
    let length = type == .fixedLengthByteArray ? element.typeLength : nil
    switch (element.logical, type) {
    case (.unknown(let what), _): throw ParquetFlaw(what)
    case (.decimal(let scale), .int32), (.decimal(let scale), .int64): self = .decimal(scale: Int(scale))
    case (.decimal(let scale), .byteArray), (.decimal(let scale), .fixedLengthByteArray):
      self = .decimalBytes(scale: Int(scale))
    case (.date, .int32): self = .date
    case (.time(.milliseconds), .int32): self = .time(.milliseconds)
    case (.time(let unit), .int64): self = .time(unit)
    case (.timestamp(let unit, let isInstant), .int64): self = .timestamp(unit, isInstant: isInstant)
    case (.unsigned(let bits), .int32) where [8, 16, 32].contains(bits): self = .unsigned(bits: bits)
    case (.unsigned(64), .int64): self = .unsigned(bits: 64)
    case (.uuid, .fixedLengthByteArray) where length == 16: self = .uuid
    case (.float16, .fixedLengthByteArray) where length == 2: self = .float16
    case (.opaque(let name), .byteArray), (.opaque(let name), .fixedLengthByteArray): self = .opaque(name)
    case (_, .boolean): self = .bool
    case (_, .int32), (_, .int64): self = .integer
    case (_, .int96): self = .int96
    case (_, .float): self = .float
    case (_, .double): self = .double
    case (_, .byteArray), (_, .fixedLengthByteArray): self = .text
    }
  }

  /// - Parameter bits: a number, or the bits of a float.
  @inline(__always)
  func json(_ bits: Int64) -> JSONValue {
    switch self {
    case .bool: .bool(bits != 0)
    case .integer: .integer(bits)
    case .float: .number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))))
    case .double: .number(Double(bitPattern: UInt64(bitPattern: bits)))
    case .unsigned(64): Self.number(UInt64(bitPattern: bits))
    case .unsigned(let width): .integer(bits & (1 << width - 1))
    case .decimal(let scale): DecimalText.json(Int128(bits), scale: scale)
    case .date: TimeText.date(days: bits)
    case .time(let unit): TimeText.time(bits, unit)
    case .timestamp(let unit, let isInstant): TimeText.timestamp(bits, unit, isInstant: isInstant)
    case .text, .uuid, .float16, .int96, .decimalBytes, .opaque: .null
    }
  }

  @inline(__always)
  func json(_ bytes: UnsafeRawBufferPointer) -> JSONValue {
    switch self {
    case .text: Self.text(bytes)
    case .uuid: Self.uuid(bytes)
    case .float16:
      .number(Double(Float16(bitPattern: UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self)))))
    case .int96: TimeText.int96(bytes)
    case .decimalBytes(let scale): DecimalText.json(bytes, scale: scale)
    case .opaque(let name): .unusable(JSONSyntaxError(reason: "\(name), which is no text"))
    default: .null
    }
  }

  private static func text(_ bytes: UnsafeRawBufferPointer) -> JSONValue {
    // Three times as fast for short texts as String(validating:as:), which looks up its generic types at every call.
    guard let text = try? UTF8Span(validating: Span<UInt8>(_unsafeBytes: bytes)) else {
      return .unusable(JSONSyntaxError(reason: "bytes that are not valid UTF-8"))
    }
    return .string(String(copying: text))
  }

  private static func number(_ value: UInt64) -> JSONValue {
    Int64(exactly: value).map { .integer($0) } ?? .number(Double(value))
  }

  private static func uuid(_ bytes: UnsafeRawBufferPointer) -> JSONValue {
    var text = ""
    for (place, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(place) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return .string(text)
  }
}

/// Decimals as the JSON numbers that their digits are.
private enum DecimalText {
  static func json(_ value: Int128, scale: Int) -> JSONValue {
    number(digits: String(value), scale: scale)
  }

  /// - Parameter bytes: big-endian, in two's complement.
  static func json(_ bytes: UnsafeRawBufferPointer, scale: Int) -> JSONValue {
    let isNegative = bytes.first.map { $0 >= 0x80 } ?? false
    if bytes.count <= 16 {
      let value = bytes.reduce(isNegative ? Int128(-1) : 0) { $0 << 8 | Int128($1) }
      return json(value, scale: scale)
    }
    guard bytes.count <= 64 else { return .unusable(JSONSyntaxError(reason: "a decimal of \(bytes.count) bytes")) }
    // The absolute value, divided by 10 until nothing is left.
    var absolute = bytes.map { isNegative ? ~$0 : $0 }
    if isNegative {
      for place in absolute.indices.reversed() {
        absolute[place] &+= 1
        if absolute[place] != 0 { break }
      }
    }
    var digits: [UInt8] = []
    repeat {
      var remainder = 0
      for place in absolute.indices {
        let value = remainder << 8 | Int(absolute[place])
        absolute[place] = UInt8(value / 10)
        remainder = value % 10
      }
      digits.append(0x30 + UInt8(remainder))
    } while absolute.contains { $0 != 0 }
    return number(
      digits: (isNegative ? "-" : "") + String(decoding: digits.reversed(), as: UTF8.self), scale: scale)
  }

  /// An integer if there are no digits after the point, else the nearest fp64.
  private static func number(digits: String, scale: Int) -> JSONValue {
    if scale == 0, let integer = Int64(digits) { return .integer(integer) }
    return .number(Double("\(digits)e-\(scale)") ?? .nan)
  }
}
