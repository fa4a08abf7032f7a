// String literals of Jinja templates, in one spelling: single quotes, escapes for backslash, quote and line ends.

/// Reads and writes the string literals of Jinja, which has Python's escapes.
enum JinjaLiterals {
  /// The template with every literal in the one spelling; nil if a literal has an escape that is not read here, or no
  /// end. One final line feed is dropped, as Jinja does.
  static func canonical(_ jinja: String) -> String? {
    var text = jinja.replacing("\r\n", with: "\n").replacing("\r", with: "\n").unicodeScalars[...]
    if text.last == "\n" { text.removeLast() }
    var result = String.UnicodeScalarView()
    var isBlock = false
    while let scalar = text.popFirst() {
      result.append(scalar)
      switch (scalar, text.first) {
      case ("{", "{"), ("{", "%"): isBlock = true
      case ("}", "}"), ("%", "}"): isBlock = false
      case ("'", _) where isBlock, ("\"", _) where isBlock:
        guard let content = literal(&text, endingIn: scalar) else { return nil }
        result.removeLast()
        result.append(contentsOf: "'\(escaped(content))'".unicodeScalars)
      default: break
      }
    }
    return String(result)
  }

  /// The content of a literal whose first quote has been read.
  private static func literal(_ text: inout Substring.UnicodeScalarView, endingIn quote: Unicode.Scalar) -> String? {
    var content = String.UnicodeScalarView()
    while let scalar = text.popFirst() {
      if scalar == quote { return String(content) }
      guard scalar == "\\" else {
        content.append(scalar)
        continue
      }
      guard let escape = text.popFirst(), let value = value(of: escape, &text) else { return nil }
      content.append(value)
    }
    return nil
  }

  private static func value(of escape: Unicode.Scalar, _ text: inout Substring.UnicodeScalarView) -> Unicode.Scalar? {
    switch escape {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "\\", "'", "\"": return escape
    case "x", "u", "U":
      let count = escape == "x" ? 2 : escape == "u" ? 4 : 8
      let digits = text.prefix(count)
      text = text.dropFirst(count)
      guard digits.count == count, digits.allSatisfy(\.properties.isASCIIHexDigit) else { return nil }
      return UInt32(String(digits), radix: 16).flatMap(Unicode.Scalar.init)
    default: return nil
    }
  }

  /// The content of a literal in the one spelling.
  static func escaped(_ content: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in content.unicodeScalars {
      switch scalar {
      case "\\", "'": result.append(contentsOf: ["\\", scalar])
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// The content that `escaped` wrote.
  static func unescaped(_ text: Substring) -> String {
    var text = (text + "'").unicodeScalars[...]
    return literal(&text, endingIn: "'") ?? ""
  }
}
