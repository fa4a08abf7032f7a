// What Python takes characters for, where texts are stripped, split and shown.

extension Unicode.Scalar {
  /// Python's `str.isspace`.
  package var isPythonSpace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20: true
    case 0..<0x80: false
    default: properties.isWhitespace
    }
  }

  /// Python's `str.isprintable`.
  private var isPythonPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: self == " "
    default: true
    }
  }

  /// The character as Python's `repr` writes it between quotes.
  package func pythonRepresentation(in quote: Unicode.Scalar) -> String {
    switch self {
    case "\\", quote: return "\\" + String(self)
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default: break
    }
    if isPythonPrintable { return String(self) }
    let digits = String(value, radix: 16)
    func padded(_ count: Int) -> String { String(repeating: "0", count: count - digits.count) + digits }
    return value < 0x100 ? "\\x\(padded(2))" : value < 0x1_0000 ? "\\u\(padded(4))" : "\\U\(padded(8))"
  }
}

extension String {
  /// The quotes that Python's `repr` puts a text between.
  package var pythonQuote: Unicode.Scalar {
    utf8.contains(UInt8(ascii: "'")) && !utf8.contains(UInt8(ascii: "\"")) ? "\"" : "'"
  }

  /// Python's `str.strip`.
  package var stripped: String {
    guard let first = unicodeScalars.firstIndex(where: { !$0.isPythonSpace }) else { return "" }
    return String(unicodeScalars[first...]).strippedEnd
  }

  /// Python's `str.rstrip`.
  package var strippedEnd: String {
    guard let last = unicodeScalars.lastIndex(where: { !$0.isPythonSpace }) else { return "" }
    return String(unicodeScalars[...last])
  }
}
