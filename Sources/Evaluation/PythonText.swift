// Values as Python writes them, because lm-eval hashes and stores these texts.

package import Checkpoints

/// Python's `json.dumps(…, ensure_ascii=False)`, `str` and `repr`.
package enum PythonText {
  /// - Parameter indent: spaces per level; nil: one line, with a space after commas and colons.
  package static func json(_ value: JSONValue, indent: Int? = nil) -> String {
    var text: [UInt8] = []
    write(value, into: &text, indent, level: 0)
    return String(decoding: text, as: UTF8.self)
  }

  /// Python's `str`.
  package static func string(_ value: JSONValue) -> String {
    if case .string(let text) = value { text } else { representation(value) }
  }

  /// Python's `repr`.
  package static func representation(_ value: JSONValue) -> String {
    switch value {
    case .null, .unusable: "None"
    case .bool(let value): value ? "True" : "False"
    case .integer(let value): value.description
    case .number(let value): number(value)
    case .string(let text): quoted(text)
    case .array(let elements): "[" + elements.map(representation).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.map { "\(quoted($0.name)): \(representation($0.value))" }.joined(separator: ", ") + "}"
    }
  }

  /// Python's `repr` of a float.
  package static func number(_ value: Double) -> String {
    value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : value.description
  }

  // MARK: repr

  private static func quoted(_ text: String) -> String {
    let holdsQuote = text.utf8.contains(UInt8(ascii: "'")) && !text.utf8.contains(UInt8(ascii: "\""))
    let quote: Unicode.Scalar = holdsQuote ? "\"" : "'"
    var result = String.UnicodeScalarView([quote])
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", quote: result.append(contentsOf: ["\\", scalar])
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      default:
        if isPrintable(scalar) {
          result.append(scalar)
        } else {
          result.append(contentsOf: escape(scalar).unicodeScalars)
        }
      }
    }
    result.append(quote)
    return String(result)
  }

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: scalar == " "
    default: true
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    func padded(_ count: Int) -> String { String(repeating: "0", count: count - digits.count) + digits }
    return scalar.value < 0x100 ? "\\x\(padded(2))" : scalar.value < 0x1_0000 ? "\\u\(padded(4))" : "\\U\(padded(8))"
  }

  // MARK: JSON

  private static func write(_ value: JSONValue, into text: inout [UInt8], _ indent: Int?, level: Int) {
    switch value {
    case .null, .unusable: text += "null".utf8
    case .bool(let value): text += (value ? "true" : "false").utf8
    case .integer(let value): text += value.description.utf8
    case .number(let value):
      text += (value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.description).utf8
    case .string(let string): write(string, into: &text)
    case .array(let elements):
      write(elements, "[", "]", into: &text, indent, level) { write($1, into: &$0, indent, level: level + 1) }
    case .object(let members):
      write(members, "{", "}", into: &text, indent, level) {
        write($1.name, into: &$0)
        $0 += ": ".utf8
        write($1.value, into: &$0, indent, level: level + 1)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], _ start: String, _ end: String, into text: inout [UInt8], _ indent: Int?, _ level: Int,
    element: (inout [UInt8], Element) -> Void
  ) {
    func breakLine(_ text: inout [UInt8], _ level: Int) {
      guard let indent else { return }
      text.append(0x0A)
      text += repeatElement(0x20, count: indent * level)
    }
    text += start.utf8
    for (place, value) in elements.enumerated() {
      if place > 0 { text += (indent == nil ? ", " : ",").utf8 }
      breakLine(&text, level + 1)
      element(&text, value)
    }
    if !elements.isEmpty { breakLine(&text, level) }
    text += end.utf8
  }

  private static func write(_ string: String, into text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): text += #"\""#.utf8
      case UInt8(ascii: "\\"): text += #"\\"#.utf8
      case 0x08: text += #"\b"#.utf8
      case 0x0C: text += #"\f"#.utf8
      case 0x0A: text += #"\n"#.utf8
      case 0x0D: text += #"\r"#.utf8
      case 0x09: text += #"\t"#.utf8
      case 0..<0x20:
        text += #"\u00"#.utf8
        for digit in [byte >> 4, byte & 15] { text.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}

extension String {
  /// Python's `str.isspace` of one character.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20: true
    case 0..<0x80: false
    default: scalar.properties.isWhitespace
    }
  }

  /// Python's `str.strip`.
  var stripped: String {
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !Self.isSpace($0) }),
      let last = scalars.lastIndex(where: { !Self.isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }

  var startsWithSpace: Bool { unicodeScalars.first.map(Self.isSpace) ?? false }
  var endsWithSpace: Bool { unicodeScalars.last.map(Self.isSpace) ?? false }

  /// Python's `str.capitalize`: all letters but the first in lower case.
  var capitalizedFirst: String {
    guard let first = unicodeScalars.first else { return self }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
  }

  /// Python's `str.split(separator)`.
  func parts(between separator: String) -> [String] {
    var parts: [String] = []
    var rest = utf8[...]
    while let found = rest.firstRange(of: separator.utf8) {
      parts.append(String(Substring(rest[..<found.lowerBound])))
      rest = rest[found.upperBound...]
    }
    return parts + [String(Substring(rest))]
  }

  /// The text with every occurrence of another replaced, from left to right, once.
  func replacingEvery(_ old: String, with new: String) -> String { parts(between: old).joined(separator: new) }

  /// The number of Python's characters.
  var characterCount: Int { unicodeScalars.count }

  func hasBytes(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
