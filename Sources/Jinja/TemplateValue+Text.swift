// Values as text: as Python's str, repr and json.dumps write them.

import Checkpoints

extension TemplateValue {
  /// Python's str.
  var string: TemplateText {
    switch self {
    case .text(let text): text
    case .undefined: TemplateText("")
    default: TemplateText(representation, holdsData ? .data(message: nil) : .template)
    }
  }

  /// Whether a text in it comes from data.
  private var holdsData: Bool {
    switch self {
    case .text(let text): text.holdsData
    case .list(let elements), .tuple(let elements): elements.contains(where: \.holdsData)
    case .mapping(let mapping): mapping.members.contains { $0.key.holdsData || $0.value.holdsData }
    default: false
    }
  }

  /// Python's repr.
  var representation: String {
    switch self {
    case .undefined: return "Undefined"
    case .none: return "None"
    case .bool(let value): return value ? "True" : "False"
    case .integer(let value): return "\(value)"
    case .number(let value): return Self.decimal(value, infinity: "inf", nan: "nan")
    case .text(let text): return Self.quoted(text.plain)
    case .list(let elements): return "[" + elements.map(\.representation).joined(separator: ", ") + "]"
    case .tuple(let elements):
      return "(" + elements.map(\.representation).joined(separator: ", ") + (elements.count == 1 ? ",)" : ")")
    case .mapping(let mapping):
      return "{"
        + mapping.members.map { "\($0.key.representation): \($0.value.representation)" }
        .joined(separator: ", ") + "}"
    case .function(let function): return "<function \(function.name)>"
    case .namespace: return "<Namespace>"
    }
  }

  private static func decimal(_ value: Double, infinity: String, nan: String) -> String {
    if value.isNaN { return nan }
    if value.isInfinite { return (value < 0 ? "-" : "") + infinity }
    return value.description
  }

  private static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar = text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
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

  /// How `tojson` writes.
  struct JSONStyle {
    var indent: Int?
    var itemSeparator = ", "
    var keySeparator = ": "
    var sortsKeys = false
    var isASCII = false
  }

  /// Python's `json.dumps(value, ensure_ascii=False)`.
  func json(_ style: JSONStyle, level: Int = 0) throws(TemplateProblem) -> String {
    switch self {
    case .none: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .integer(let value): return "\(value)"
    case .number(let value): return Self.decimal(value, infinity: "Infinity", nan: "NaN")
    case .text(let text): return Self.jsonString(text.plain, isASCII: style.isASCII)
    case .list(let elements), .tuple(let elements):
      var parts: [String] = []
      for element in elements { parts.append(try element.json(style, level: level + 1)) }
      return Self.enclosed(parts, "[", "]", style, level)
    case .mapping(let mapping):
      var members = mapping.members
      if style.sortsKeys {
        let places = try Self.order(members.map(\.key))
        members = places.map { members[$0] }
      }
      var parts: [String] = []
      for member in members {
        let key =
          switch member.key {
          case .text(let text): text.plain
          case .none, .bool, .integer, .number: try member.key.json(style)
          default: throw TemplateProblem("\(member.key.kind) cannot be a key in JSON")
          }
        let value = try member.value.json(style, level: level + 1)
        parts.append(Self.jsonString(key, isASCII: style.isASCII) + style.keySeparator + value)
      }
      return Self.enclosed(parts, "{", "}", style, level)
    case .undefined, .function, .namespace: throw TemplateProblem("\(kind) cannot be written as JSON")
    }
  }

  private static func enclosed(
    _ parts: [String], _ open: String, _ close: String, _ style: JSONStyle, _ level: Int
  ) -> String {
    guard let indent = style.indent, !parts.isEmpty else {
      return open + parts.joined(separator: style.itemSeparator) + close
    }
    func line(_ level: Int) -> String { "\n" + String(repeating: " ", count: indent * level) }
    // Python leaves no space at the end of a line.
    let separator = style.itemSeparator == ", " ? "," : style.itemSeparator
    return open + line(level + 1) + parts.joined(separator: separator + line(level + 1)) + line(level) + close
  }

  private static func jsonString(_ text: String, isASCII: Bool) -> String {
    var result = String.UnicodeScalarView(["\""])
    func append(_ text: String) { result.append(contentsOf: text.unicodeScalars) }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": append("\\\"")
      case "\\": append("\\\\")
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      case "\u{8}": append("\\b")
      case "\u{C}": append("\\f")
      default:
        if scalar.value < 0x20 || (isASCII && scalar.value > 0x7E) {
          for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
          }
        } else {
          result.append(scalar)
        }
      }
    }
    append("\"")
    return String(result)
  }
}
