// Literals of Python, which templates write and lm-eval reads back.

package import Checkpoints
import Patterns

/// Reads what `ast.literal_eval` reads: texts, numbers, lists, tuples, mappings with texts as keys, True, False and None.
package struct PythonLiteral {
  private static let maximumDepth = 32

  private let text: [Unicode.Scalar]
  private var place = 0

  /// The value of a literal, tuples as lists; nil if it is none.
  package static func value(_ text: String) -> JSONValue? {
    var literal = Self(text: Array(text.unicodeScalars))
    // Python reads the text as a line, which must not be indented.
    guard let value = literal.value(depth: 0) else { return nil }
    literal.skipSpace()
    return literal.place == literal.text.count ? value : nil
  }

  private var next: Unicode.Scalar? { place < text.count ? text[place] : nil }

  private mutating func skipSpace() { while let scalar = next, scalar.isPythonSpace { place += 1 } }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == scalar else { return false }
    place += 1
    return true
  }

  private mutating func value(depth: Int) -> JSONValue? {
    guard depth < Self.maximumDepth else { return nil }
    skipSpace()
    switch next {
    case "[":
      place += 1
      return elements(until: "]", depth).map { .array($0.values) }
    case "(":
      place += 1
      guard let (values, hasComma) = elements(until: ")", depth) else { return nil }
      return values.count == 1 && !hasComma ? values[0] : .array(values)
    case "{":
      place += 1
      return mapping(depth)
    case "'", "\"":
      guard var result = string() else { return nil }
      // Texts side by side are one.
      while true {
        let before = place
        skipSpace()
        guard next == "'" || next == "\"" else {
          place = before
          return .string(result)
        }
        guard let more = string() else { return nil }
        result += more
      }
    default: return word()
    }
  }

  private mutating func elements(until end: Unicode.Scalar, _ depth: Int) -> (values: [JSONValue], hasComma: Bool)? {
    var values: [JSONValue] = []
    var hasComma = false
    while !take(end) {
      guard values.isEmpty || hasComma, let value = value(depth: depth + 1) else { return nil }
      values.append(value)
      hasComma = take(",")
    }
    return (values, hasComma)
  }

  private mutating func mapping(_ depth: Int) -> JSONValue? {
    var members: [JSONValue.Member] = []
    var places: [[UInt8]: Int] = [:]
    var hasComma = true
    while !take("}") {
      guard hasComma, case .string(let name)? = value(depth: depth + 1), take(":"),
        let value = value(depth: depth + 1)
      else { return nil }
      let key = Array(name.utf8)
      if let known = places[key] {
        members[known].value = value
      } else {
        places[key] = members.count
        members.append(.init(name, value))
      }
      hasComma = take(",")
    }
    return .object(members)
  }

  private mutating func word() -> JSONValue? {
    let start = place
    while let scalar = next, !",])}:".unicodeScalars.contains(scalar), !scalar.isPythonSpace { place += 1 }
    let word = String(String.UnicodeScalarView(text[start..<place]))
    switch word {
    case "True": return .bool(true)
    case "False": return .bool(false)
    case "None": return .null
    default: break
    }
    guard word.utf8.contains(where: { 0x30...0x39 ~= $0 }),
      word.utf8.allSatisfy({ "0123456789+-.eE_".utf8.contains($0) })
    else { return nil }
    let digits = word.replacingEvery("_", with: "")
    if let whole = Int64(digits) {
      let magnitude = digits.drop { $0 == "-" || $0 == "+" }
      return magnitude.hasPrefix("0") && whole != 0 ? nil : .integer(whole)
    }
    return Double(digits).map { .number($0) }
  }

  private mutating func string() -> String? {
    guard let quote = next else { return nil }
    place += 1
    var result = String.UnicodeScalarView()
    while let scalar = next {
      place += 1
      if scalar == quote { return String(result) }
      if scalar == "\n" { return nil }
      guard scalar == "\\" else {
        result.append(scalar)
        continue
      }
      guard let escape = next else { return nil }
      place += 1
      switch escape {
      case "n": result.append("\n")
      case "t": result.append("\t")
      case "r": result.append("\r")
      case "a": result.append("\u{7}")
      case "b": result.append("\u{8}")
      case "f": result.append("\u{C}")
      case "v": result.append("\u{B}")
      case "\\", "'", "\"": result.append(escape)
      case "\n": break
      case "x", "u", "U":
        guard let scalar = numbered(escape == "x" ? 2 : escape == "u" ? 4 : 8) else { return nil }
        result.append(scalar)
      case "0"..."7":
        var value = escape.value - 0x30
        var count = 1
        while count < 3, let digit = next, "0"..."7" ~= digit {
          (value, place, count) = (value * 8 + digit.value - 0x30, place + 1, count + 1)
        }
        guard let scalar = Unicode.Scalar(value) else { return nil }
        result.append(scalar)
      default: result.append(contentsOf: ["\\", escape])
      }
    }
    return nil
  }

  private mutating func numbered(_ count: Int) -> Unicode.Scalar? {
    guard place + count <= text.count else { return nil }
    let digits = text[place..<place + count]
    // Swift would read a sign too.
    guard digits.allSatisfy({ $0.isASCII && $0.properties.isASCIIHexDigit }) else { return nil }
    place += count
    return UInt32(String(String.UnicodeScalarView(digits)), radix: 16).flatMap(Unicode.Scalar.init)
  }
}
