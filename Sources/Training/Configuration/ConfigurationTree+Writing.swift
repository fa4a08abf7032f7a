// Values back to YAML on one line, in the form that every YAML reader takes for the same value.

extension ConfigurationTree {
  /// The value as YAML on one line; null is empty.
  var source: String {
    switch content {
    case .null: ""
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): Self.source(of: value)
    case .text(let value): Self.source(of: value)
    case .list(let items):
      "[\(items.map(\.inlineSource).joined(separator: ", "))]"
    case .mapping(let members):
      "{\(members.map { "\(Self.source(of: $0.name)): \($0.tree.inlineSource)" }.joined(separator: ", "))}"
    }
  }

  /// The value inside a list or a mapping, where an empty one would be no element.
  private var inlineSource: String { isNull ? "null" : source }

  /// The line of a mapping that gives the value to `key`.
  func line(of key: String) -> String { isNull ? "\(key):" : "\(key): \(source)" }

  /// The shortest digits that read back to the same bits.
  private static func source(of value: Double) -> String {
    let text = "\(value)"
    // YAML 1.1 takes 5e-05 for text: it wants a point.
    guard let power = text.firstIndex(of: "e"), !text.contains(".") else { return text }
    return "\(text[..<power]).0\(text[power...])"
  }

  private static func source(of text: String) -> String {
    let isBare = text.wholeMatch(of: /[A-Za-z_\/.][A-Za-z0-9_\/.@+-]*/) != nil
    if isBare, case .text = content(ofPlain: text) { return text }
    let quoted = text.unicodeScalars.map { scalar -> String in
      switch scalar {
      case "\"": "\\\""
      case "\\": "\\\\"
      case "\n": "\\n"
      case "\t": "\\t"
      case "\u{2028}", "\u{2029}": escape(scalar)  // line breaks to YAML 1.1
      case " "..."~", "\u{A1}"..."\u{D7FF}": String(scalar)
      default: escape(scalar)
      }
    }
    return "\"\(quoted.joined())\""
  }

  /// Eight digits reach every scalar.
  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// Values without a place; nil is null.
extension ConfigurationTree {
  static var null: Self { Self(.null) }
  static func bool(_ value: Bool) -> Self { Self(.bool(value)) }
  static func list(_ items: [Self]) -> Self { Self(.list(items)) }
  static func integer(_ value: Int) -> Self { Self(.integer(value)) }
  static func number(_ value: Double) -> Self { Self(.number(value)) }
  static func text(_ value: String?) -> Self { Self(value.map { .text($0) } ?? .null) }
}
