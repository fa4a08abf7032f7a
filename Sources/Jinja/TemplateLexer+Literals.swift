// Names, numbers and texts inside of tags.

extension TemplateLexer {
  mutating func name() -> String {
    var name = String.UnicodeScalarView()
    while let next = peek(0), next.properties.isXIDContinue {
      name.append(next)
      position += 1
    }
    return String(name)
  }

  mutating func number() throws(TemplateError) -> TemplateToken.Kind {
    var digits = ""
    func isDigit(_ scalar: Unicode.Scalar?) -> Bool { scalar.map { ("0"..."9").contains($0) } ?? false }
    while let next = peek(0), isDigit(next) || (next == "_" && isDigit(peek(1))) {
      if next != "_" { digits.unicodeScalars.append(next) }
      position += 1
    }
    var isWhole = true
    if peek(0) == ".", isDigit(peek(1)) {
      isWhole = false
      repeat {
        digits.unicodeScalars.append(source[position])
        position += 1
      } while isDigit(peek(0))
    }
    if peek(0) == "e" || peek(0) == "E" {
      let sign = peek(1) == "+" || peek(1) == "-"
      if isDigit(peek(sign ? 2 : 1)) {
        isWhole = false
        repeat {
          digits.unicodeScalars.append(source[position])
          position += 1
        } while isDigit(peek(0))
          || ((peek(0) == "+" || peek(0) == "-") && digits.last.map { "eE".contains($0) } == true)
      }
    }
    if isWhole, let value = Int(digits) { return .integer(value) }
    guard !isWhole, let value = Double(digits) else { throw failure("the number \(digits.prefix(40)) is too large") }
    return .number(value)
  }

  /// A string literal, with Python's escapes.
  mutating func literal() throws(TemplateError) -> String {
    let quote = source[position]
    let start = line
    var content = String.UnicodeScalarView()
    position += 1
    while position < source.count {
      let next = source[position]
      advance()
      if next == quote { return String(content) }
      guard next == "\\" else {
        content.append(next)
        continue
      }
      guard let escape = peek(0) else { break }
      advance()
      try self.escape(escape, into: &content)
    }
    throw TemplateError("the text has no end", line: start)
  }

  private mutating func escape(_ escape: Unicode.Scalar, into content: inout String.UnicodeScalarView)
    throws(TemplateError)
  {
    let plain: [Unicode.Scalar: Unicode.Scalar] = [
      "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}", "b": "\u{8}", "f": "\u{C}",
      "v": "\u{B}",
    ]
    if let scalar = plain[escape] { return content.append(scalar) }
    if escape == "\n" { return }
    var digits = ""
    var radix = 16
    switch escape {
    case "x", "u", "U":
      let count = escape == "x" ? 2 : escape == "u" ? 4 : 8
      for _ in 0..<count {
        guard let digit = peek(0), digit.properties.isASCIIHexDigit else {
          throw failure("an escape has too few digits")
        }
        digits.unicodeScalars.append(digit)
        position += 1
      }
    case "0"..."7":
      radix = 8
      digits = String(escape)
      while digits.count < 3, let digit = peek(0), ("0"..."7").contains(digit) {
        digits.unicodeScalars.append(digit)
        position += 1
      }
    case "N": throw failure("characters by name are not read")
    default: return content.append(contentsOf: ["\\", escape])
    }
    guard let scalar = UInt32(digits, radix: radix).flatMap(Unicode.Scalar.init) else {
      throw failure("an escape stands for no character")
    }
    content.append(scalar)
  }
}
