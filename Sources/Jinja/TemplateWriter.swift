// Values as text: as Python's repr and json.dumps write them.

import Patterns

/// Writes values, and no more bytes than a text may have.
struct TemplateWriter {
  /// How `tojson` writes.
  struct JSONStyle {
    var indent: Int?
    var itemSeparator = ", "
    var keySeparator = ": "
    var sortsKeys = false
    var isASCII = false
  }

  private let budget: TemplateBudget
  private var bytes: [UInt8] = []

  init(_ budget: TemplateBudget) { self.budget = budget }

  func text() throws(TemplateProblem) -> String {
    try budget.make(bytes: bytes.count)
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func write(_ text: String) throws(TemplateProblem) {
    bytes.append(contentsOf: text.utf8)
    if bytes.count > TemplateBudget.maximumBytes {
      throw TemplateProblem("a text of more than \(TemplateBudget.maximumBytes) bytes")
    }
  }

  private static func decimal(_ value: Double, infinity: String, nan: String) -> String {
    if value.isNaN { return nan }
    if value.isInfinite { return (value < 0 ? "-" : "") + infinity }
    return value.description
  }

  // MARK: repr

  mutating func writeRepresentation(of value: TemplateValue) throws(TemplateProblem) {
    try budget.spend()
    switch value {
    case .undefined: try write("Undefined")
    case .none: try write("None")
    case .bool(let value): try write(value ? "True" : "False")
    case .integer(let value): try write("\(value)")
    case .number(let value): try write(Self.decimal(value, infinity: "inf", nan: "nan"))
    case .text(let text): try writeQuoted(text.plain)
    case .list(let elements):
      try write("[")
      try writeRepresentations(of: elements)
      try write("]")
    case .tuple(let elements):
      try write("(")
      try writeRepresentations(of: elements)
      try write(elements.count == 1 ? ",)" : ")")
    case .mapping(let mapping):
      try write("{")
      for (place, member) in mapping.members.enumerated() {
        if place > 0 { try write(", ") }
        try writeRepresentation(of: member.key)
        try write(": ")
        try writeRepresentation(of: member.value)
      }
      try write("}")
    case .function(let function): try write("<function \(function.name)>")
    case .namespace: try write("<Namespace>")
    case .loop: try write("<LoopContext>")
    }
  }

  private mutating func writeRepresentations(of elements: [TemplateValue]) throws(TemplateProblem) {
    for (place, element) in elements.enumerated() {
      if place > 0 { try write(", ") }
      try writeRepresentation(of: element)
    }
  }

  private mutating func writeQuoted(_ text: String) throws(TemplateProblem) {
    try budget.read(bytes: text.utf8.count)
    let quote = text.pythonQuote
    try write(String(quote))
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", quote: try write(scalar.pythonRepresentation(in: quote))
      case " "..."~": bytes.append(UInt8(scalar.value))
      default: try write(scalar.pythonRepresentation(in: quote))
      }
    }
    try write(String(quote))
  }

  // MARK: JSON

  mutating func writeJSON(of value: TemplateValue, _ style: JSONStyle, level: Int = 0) throws {
    try budget.spend()
    switch value {
    case .none: try write("null")
    case .bool(let value): try write(value ? "true" : "false")
    case .integer(let value): try write("\(value)")
    case .number(let value): try write(Self.decimal(value, infinity: "Infinity", nan: "NaN"))
    case .text(let text): try writeJSON(text.plain, isASCII: style.isASCII)
    case .list(let elements), .tuple(let elements):
      try write("[")
      for (place, element) in elements.enumerated() {
        try separate(place, style, level + 1)
        try writeJSON(of: element, style, level: level + 1)
      }
      if !elements.isEmpty { try indent(style, level) }
      try write("]")
    case .mapping(let mapping):
      var members = mapping.members
      if style.sortsKeys {
        let places = try TemplateValue.order(members.map(\.key), budget)
        members = places.map { members[$0] }
      }
      try write("{")
      for (place, member) in members.enumerated() {
        try separate(place, style, level + 1)
        switch member.key {
        case .text(let text): try writeJSON(text.plain, isASCII: style.isASCII)
        case .none, .bool, .integer, .number:
          try write("\"")
          try writeJSON(of: member.key, style)
          try write("\"")
        default: throw TemplateProblem("\(member.key.kind) cannot be a key in JSON")
        }
        try write(style.keySeparator)
        try writeJSON(of: member.value, style, level: level + 1)
      }
      if !members.isEmpty { try indent(style, level) }
      try write("}")
    case .undefined, .function, .namespace, .loop:
      throw TemplateProblem("\(value.kind) cannot be written as JSON")
    }
  }

  private mutating func separate(_ place: Int, _ style: JSONStyle, _ level: Int) throws(TemplateProblem) {
    if place > 0 {
      // Python leaves no space at the end of a line.
      try write(style.indent != nil && style.itemSeparator == ", " ? "," : style.itemSeparator)
    }
    try indent(style, level)
  }

  private mutating func indent(_ style: JSONStyle, _ level: Int) throws(TemplateProblem) {
    if let indent = style.indent { try write("\n" + String(repeating: " ", count: indent * level)) }
  }

  private mutating func writeJSON(_ text: String, isASCII: Bool) throws(TemplateProblem) {
    try budget.read(bytes: text.utf8.count)
    try write("\"")
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": try write("\\\"")
      case "\\": try write("\\\\")
      case "\n": try write("\\n")
      case "\r": try write("\\r")
      case "\t": try write("\\t")
      case "\u{8}": try write("\\b")
      case "\u{C}": try write("\\f")
      case " "..."~": bytes.append(UInt8(scalar.value))
      default:
        guard scalar.value < 0x20 || isASCII else {
          try write(String(scalar))
          continue
        }
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          try write("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
        }
      }
    }
    try write("\"")
  }
}

extension TemplateBudget {
  /// Python's str.
  func string(of value: TemplateValue) throws(TemplateProblem) -> TemplateText {
    switch value {
    case .text(let text): text
    case .undefined(let name):
      if isStrict { throw TemplateProblem("\(name) is undefined") } else { TemplateText("") }
    default: TemplateText(try representation(of: value), value.holdsData ? .data(message: nil) : .template)
    }
  }

  /// Python's str, to be read as a whole.
  func text(of value: TemplateValue) throws(TemplateProblem) -> TemplateText {
    let text = try string(of: value)
    try read(bytes: text.byteCount)
    return text
  }

  /// Python's repr.
  func representation(of value: TemplateValue) throws(TemplateProblem) -> String {
    var writer = TemplateWriter(self)
    try writer.writeRepresentation(of: value)
    return try writer.text()
  }

  /// Python's `json.dumps(value, ensure_ascii=False)`.
  func json(_ value: TemplateValue, _ style: TemplateWriter.JSONStyle) throws -> String {
    var writer = TemplateWriter(self)
    try writer.writeJSON(of: value, style)
    return try writer.text()
  }
}
