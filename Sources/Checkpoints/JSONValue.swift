// JSON as a value: it keeps the order of members and compares names byte by byte. Foundation's parser is not used: it
// accepts duplicate keys and compares names by Unicode equivalence, but a vocabulary has names that differ only in
// that.

import Tensors

/// A JSON value. Objects keep the order of their members.
package enum JSONValue: Sendable {
  case null
  case bool(Bool)
  /// A number without fraction and exponent that fits 64 bits.
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])
  /// A value that is wrong in itself, but does not hide where the next one begins. Only `Rules.data`, and files
  /// that are not JSON, have one, so that it matters only where it is used.
  case unusable(JSONSyntaxError)

  /// One name with its value.
  package struct Member: Sendable {
    package var name: String
    package var value: JSONValue

    package init(_ name: String, _ value: JSONValue) { (self.name, self.value) = (name, value) }
  }

  /// The value of an object's member `name`; nil for other values.
  package subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.hasSameBytes(as: name) }?.value
  }

  package var string: String? { if case .string(let value) = self { value } else { nil } }

  package var int: Int? { if case .integer(let value) = self { Int(exactly: value) } else { nil } }

  /// The value of a number, in either form.
  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

  package var members: [Member]? { if case .object(let value) = self { value } else { nil } }

  package var isNull: Bool { if case .null = self { true } else { false } }
}

extension JSONValue: Equatable {
  /// Equal if all bytes of all strings and the order of members are equal. `1` and `1.0` differ.
  package static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.integer(let left), .integer(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.unusable(let left), .unusable(let right)): left == right
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)):
      left == right
    default: false
    }
  }
}

extension JSONValue.Member: Equatable {
  package static func == (left: Self, right: Self) -> Bool {
    left.name.hasSameBytes(as: right.name) && left.value == right.value
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements.map { Member($0, $1) }) }
}

extension String {
  /// Swift's `==` treats composed and decomposed letters as equal; in files they are different names.
  func hasSameBytes(as other: String) -> Bool { utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8) }
}

/// The reason why a text is not JSON, and its place.
package struct JSONSyntaxError: UserError, Equatable {
  /// Zero-based offset of the wrong byte.
  package let byteOffset: Int
  /// One-based line of that byte.
  package let line: Int
  package let reason: String

  /// Without a place: the reason why a value of a file that is not JSON has no JSON form.
  package init(byteOffset: Int = 0, line: Int = 1, reason: String) {
    (self.byteOffset, self.line, self.reason) = (byteOffset, line, reason)
  }

  package var description: String { "not valid JSON at line \(line), byte \(byteOffset): \(reason)" }
}
