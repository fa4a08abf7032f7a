// The JSON writer: UTF-8 without escapes, numbers in the shortest form that parses to the same bits.

extension JSONValue {
  /// The value as JSON text, without a final newline.
  ///
  /// NaN and infinity have no JSON form and are written as `null`.
  /// - Parameters:
  ///   - indent: spaces per level, one member per line, as in Python's `json.dumps(indent=…)`; nil: one line without
  ///     spaces.
  ///   - sortedKeys: sorts members by the code points of their names; otherwise they keep their order.
  package func serialized(indent: Int? = nil, sortedKeys: Bool = false) -> String {
    var text: [UInt8] = []
    write(into: &text, indent: indent, level: 0, sortedKeys: sortedKeys)
    return String(decoding: text, as: UTF8.self)
  }

  private func write(into text: inout [UInt8], indent: Int?, level: Int, sortedKeys: Bool) {
    switch self {
    case .null, .unusable: text += "null".utf8
    case .bool(let value): text += (value ? "true" : "false").utf8
    case .integer(let value): text += value.description.utf8
    case .number(let value): text += (value.isFinite ? value.description : "null").utf8
    case .string(let value): Self.write(value, into: &text)
    case .array(let elements):
      Self.write(elements, between: ("[", "]"), into: &text, indent: indent, level: level) {
        $1.write(into: &$0, indent: indent, level: level + 1, sortedKeys: sortedKeys)
      }
    case .object(var members):
      if sortedKeys { members.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } }
      Self.write(members, between: ("{", "}"), into: &text, indent: indent, level: level) {
        Self.write($1.name, into: &$0)
        $0 += (indent == nil ? ":" : ": ").utf8
        $1.value.write(into: &$0, indent: indent, level: level + 1, sortedKeys: sortedKeys)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], between brackets: (String, String), into text: inout [UInt8],
    indent: Int?, level: Int, element: (inout [UInt8], Element) -> Void
  ) {
    text += brackets.0.utf8
    for (index, value) in elements.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      breakLine(&text, indent: indent, level: level + 1)
      element(&text, value)
    }
    if !elements.isEmpty { breakLine(&text, indent: indent, level: level) }
    text += brackets.1.utf8
  }

  private static func breakLine(_ text: inout [UInt8], indent: Int?, level: Int) {
    guard let indent else { return }
    text.append(0x0A)
    text += repeatElement(0x20, count: indent * level)
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
      case 0..<0x20, 0x7F:
        text += #"\u00"#.utf8
        for digit in [byte >> 4, byte & 15] { text.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}
