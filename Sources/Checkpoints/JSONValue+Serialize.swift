// The JSON writer: UTF-8 without escapes, numbers in the shortest form that parses to the same bits.

extension JSONValue {
  /// How values are written.
  package enum Style: Sendable {
    /// NaN and infinity have no JSON form and are `null`. One line has no spaces.
    case strict
    /// Python's `json.dumps(…, ensure_ascii=False)`: NaN and infinity have names, and one line has spaces after commas
    /// and colons.
    case python
  }

  /// The value as JSON text, without a final newline.
  /// - Parameters:
  ///   - indent: spaces per level, one member per line; nil: one line.
  ///   - sortedKeys: sorts members by the code points of their names; otherwise they keep their order.
  package func serialized(indent: Int? = nil, sortedKeys: Bool = false, _ style: Style = .strict) -> String {
    var writer = JSONWriter(indent: indent, sortsKeys: sortedKeys, isPython: style == .python)
    writer.write(self, level: 0)
    return String(decoding: writer.text, as: UTF8.self)
  }
}

private struct JSONWriter {
  let indent: Int?
  let sortsKeys: Bool
  let isPython: Bool
  private(set) var text: [UInt8] = []

  init(indent: Int?, sortsKeys: Bool, isPython: Bool) {
    (self.indent, self.sortsKeys, self.isPython) = (indent, sortsKeys, isPython)
  }

  mutating func write(_ value: JSONValue, level: Int) {
    switch value {
    case .null, .unusable: text += "null".utf8
    case .bool(let value): text += (value ? "true" : "false").utf8
    case .integer(let value): text += value.description.utf8
    case .number(let value): write(value)
    case .string(let value): write(value)
    case .array(let elements):
      write(elements, between: ("[", "]"), level: level) { $0.write($1, level: level + 1) }
    case .object(var members):
      if sortsKeys { members.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } }
      write(members, between: ("{", "}"), level: level) {
        $0.write($1.name)
        $0.text += ($0.indent == nil && !$0.isPython ? ":" : ": ").utf8
        $0.write($1.value, level: level + 1)
      }
    }
  }

  private mutating func write<Element>(
    _ elements: [Element], between brackets: (String, String), level: Int, element: (inout Self, Element) -> Void
  ) {
    text += brackets.0.utf8
    for (index, value) in elements.enumerated() {
      if index > 0 { text += (indent == nil && isPython ? ", " : ",").utf8 }
      breakLine(level: level + 1)
      element(&self, value)
    }
    if !elements.isEmpty { breakLine(level: level) }
    text += brackets.1.utf8
  }

  private mutating func breakLine(level: Int) {
    guard let indent else { return }
    text.append(0x0A)
    text += repeatElement(0x20, count: indent * level)
  }

  private mutating func write(_ number: Double) {
    if number.isFinite {
      text += number.description.utf8
    } else if isPython {
      text += (number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity").utf8
    } else {
      text += "null".utf8
    }
  }

  private mutating func write(_ string: String) {
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
      case 0x7F where isPython: text.append(byte)
      case 0..<0x20, 0x7F:
        text += #"\u00"#.utf8
        for digit in [byte >> 4, byte & 15] { text.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}
