// A strict reader of the event files that Shoal writes: any deviation from the format is an error.

import Foundation

/// A record of an event file.
package struct EventFileEntry: Equatable {
  package enum Content: Equatable {
    case version(String)
    case start
    case scalars([Scalar])
  }

  package struct Scalar: Equatable {
    package let tag: String
    package let value: Float

    package init(tag: String, value: Float) {
      (self.tag, self.value) = (tag, value)
    }
  }

  package let wallTime: Double
  package let step: Int
  package let content: Content

  /// Reads the records of a file and checks their checksums.
  package static func entries(of path: String) throws -> [EventFileEntry] {
    try entries(Array(Data(contentsOf: URL(fileURLWithPath: path))))
  }

  package static func entries(_ bytes: [UInt8]) throws -> [EventFileEntry] {
    var reader = ByteReader(bytes[...])
    var entries: [EventFileEntry] = []
    while !reader.isEmpty {
      let length = try reader.take(8)
      try reader.checksum(of: length)
      let message = try reader.take(Int(length.littleEndian))
      try reader.checksum(of: message)
      entries.append(try EventFileEntry(message))
    }
    return entries
  }

  private init(_ message: ArraySlice<UInt8>) throws {
    var (wallTime, step, content): (Double?, Int, Content?) = (nil, 0, nil)
    var reader = ByteReader(message)
    try reader.fields { field, value in
      switch (field, value) {
      case (1, .eightBytes(let bits)): wallTime = Double(bitPattern: bits)
      case (2, .varint(let value)): step = Int(Int64(bitPattern: value))
      case (3, .bytes(let text)) where content == nil:
        content = .version(try String(validating: text, as: UTF8.self).required("UTF-8"))
      case (5, .bytes(let summary)) where content == nil: content = .scalars(try Self.scalars(summary))
      case (7, .bytes([0x08, 0x01])) where content == nil: content = .start
      default: throw EventFileDamage(text: "field \(field) of an event: \(value)")
      }
    }
    self.wallTime = try wallTime.required("wall_time")
    self.step = step
    self.content = try content.required("content")
  }

  private static func scalars(_ summary: ArraySlice<UInt8>) throws -> [Scalar] {
    var scalars: [Scalar] = []
    var reader = ByteReader(summary)
    try reader.fields { field, value in
      guard field == 1, case .bytes(let entry) = value else { throw EventFileDamage(text: "summary field \(field)") }
      var (tag, number): (String?, Float?)
      var reader = ByteReader(entry)
      try reader.fields { field, value in
        switch (field, value) {
        case (1, .bytes(let text)): tag = String(validating: text, as: UTF8.self)
        case (2, .fourBytes(let bits)): number = Float(bitPattern: bits)
        default: throw EventFileDamage(text: "field \(field) of a value: \(value)")
        }
      }
      scalars.append(Scalar(tag: try tag.required("tag"), value: try number.required("simple_value")))
    }
    return scalars
  }
}

package struct EventFileDamage: Error {
  package let text: String
}

private enum WireValue {
  case varint(UInt64)
  case eightBytes(UInt64)
  case bytes(ArraySlice<UInt8>)
  case fourBytes(UInt32)
}

private struct ByteReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  var isEmpty: Bool { rest.isEmpty }

  mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard (0...rest.count).contains(count) else { throw EventFileDamage(text: "cut short") }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try take(1).littleEndian
      value |= (byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw EventFileDamage(text: "varint too long")
  }

  mutating func fields(_ body: (Int, WireValue) throws -> Void) throws {
    while !isEmpty {
      let key = try varint()
      let value: WireValue
      switch key & 7 {
      case 0: value = .varint(try varint())
      case 1: value = .eightBytes(try take(8).littleEndian)
      case 2: value = .bytes(try take(Int(varint())))
      case 5: value = .fourBytes(UInt32(try take(4).littleEndian))
      default: throw EventFileDamage(text: "wire type \(key & 7)")
      }
      try body(Int(key >> 3), value)
    }
  }

  /// Compares the next four bytes with the masked CRC-32C of `bytes`, computed bit by bit.
  mutating func checksum(of bytes: ArraySlice<UInt8>) throws {
    var value = ~UInt32(0)
    for byte in bytes {
      value ^= UInt32(byte)
      for _ in 0..<8 { value = value >> 1 ^ (value & 1) * 0x82F6_3B78 }
    }
    let masked = (~value >> 15 | ~value << 17) &+ 0xA282_EAD8
    guard UInt32(try take(4).littleEndian) == masked else { throw EventFileDamage(text: "checksum") }
  }
}

extension ArraySlice<UInt8> {
  fileprivate var littleEndian: UInt64 { reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
