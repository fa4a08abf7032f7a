// One record of an event file: a protocol buffer, `tensorflow.Event`, framed as a TFRecord.
//
// Encoded by hand, since only three kinds of record with a few fields are needed:
//   Event { double wall_time = 1; int64 step = 2; oneof { string file_version = 3; Summary summary = 5;
//           SessionLog session_log = 7 } }
//   Summary { repeated Value value = 1 }   Value { string tag = 1; float simple_value = 2 }
//   SessionLog { SessionStatus status = 1 }   with START = 1

/// The bytes of an `Event`.
package struct EventRecord: Sendable, Equatable {
  package private(set) var message = ProtocolBuffer()

  private init(wallTime: Double, step: Int = 0) {
    message.append(field: 1, wallTime)
    // Fields with the default value are left out, as all encoders of these messages do.
    if step != 0 { message.append(field: 2, Int64(step)) }
  }

  /// The first record of every file.
  /// - Parameter wallTime: seconds since 1970.
  package static func version(wallTime: Double) -> EventRecord {
    var record = EventRecord(wallTime: wallTime)
    record.message.append(field: 3, "brain.Event:2")
    return record
  }

  /// A start record: it makes the records of earlier files for `step` and later steps invalid.
  package static func start(step: Int, wallTime: Double) -> EventRecord {
    var log = ProtocolBuffer()
    log.append(field: 1, Int64(1))
    var record = EventRecord(wallTime: wallTime, step: step)
    record.message.append(field: 7, log)
    return record
  }

  package static func scalars(_ scalars: [(tag: String, value: Double)], step: Int, wallTime: Double) -> EventRecord {
    var summary = ProtocolBuffer()
    for scalar in scalars {
      var value = ProtocolBuffer()
      value.append(field: 1, scalar.tag)
      value.append(field: 2, Float(scalar.value))
      summary.append(field: 1, value)
    }
    var record = EventRecord(wallTime: wallTime, step: step)
    record.message.append(field: 5, summary)
    return record
  }

  /// A TFRecord: length, its masked checksum, the message, its masked checksum; all little-endian.
  package var framed: [UInt8] {
    let length = UInt64(message.bytes.count).littleEndianBytes
    return length + CRC32C.masked(length).littleEndianBytes + message.bytes
      + CRC32C.masked(message.bytes).littleEndianBytes
  }
}

/// Builds a protocol buffer, field by field.
package struct ProtocolBuffer: Sendable, Equatable {
  package private(set) var bytes: [UInt8] = []

  private enum WireType: UInt64 {
    case varint = 0
    case eightBytes = 1
    case lengthDelimited = 2
    case fourBytes = 5
  }

  mutating func append(field: Int, _ value: Int64) {
    append(key: field, .varint)
    append(varint: UInt64(bitPattern: value))
  }

  mutating func append(field: Int, _ value: Double) {
    append(key: field, .eightBytes)
    bytes += value.bitPattern.littleEndianBytes
  }

  mutating func append(field: Int, _ value: Float) {
    append(key: field, .fourBytes)
    bytes += value.bitPattern.littleEndianBytes
  }

  mutating func append(field: Int, _ text: String) { append(field: field, Array(text.utf8)) }

  mutating func append(field: Int, _ message: ProtocolBuffer) { append(field: field, message.bytes) }

  private mutating func append(field: Int, _ content: [UInt8]) {
    append(key: field, .lengthDelimited)
    append(varint: UInt64(content.count))
    bytes += content
  }

  private mutating func append(key field: Int, _ type: WireType) { append(varint: UInt64(field) << 3 | type.rawValue) }

  /// Seven bits per byte, lowest first; the top bit means that more bytes follow.
  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// The checksum of TFRecords: CRC-32C (Castagnoli), RFC 3720, appendix B.4.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
  }

  static func value(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { value, byte in table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8 }
  }

  /// Rotates and adds a constant, so that a checksum of bytes that include a checksum stays useful.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    let value = value(bytes)
    return (value >> 15 | value << 17) &+ 0xA282_EAD8
  }
}

extension FixedWidthInteger {
  fileprivate var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}
