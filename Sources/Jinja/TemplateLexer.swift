// Cuts a template into text and tags, with Jinja's rules of white space (trim_blocks and lstrip_blocks, as transformers
// sets them), and tags into tokens.

/// A piece of a template.
enum TemplatePiece: Equatable {
  case text(String)
  /// `{{ … }}`
  case output([TemplateToken])
  /// `{% … %}`
  case statement([TemplateToken])
}

/// A token in a tag.
struct TemplateToken: Equatable {
  enum Kind: Equatable {
    case name(String)
    case text(String)
    case integer(Int)
    case number(Double)
    case symbol(String)
    case end
  }

  let kind: Kind
  let line: Int
}

/// Reads a template once, from left to right.
struct TemplateLexer {
  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var pieces: [TemplatePiece] = []
  private var text: [Unicode.Scalar] = []
  /// Whether blocks take the white space around them.
  private let trimsBlocks: Bool

  private init(_ template: String, _ dialect: TemplateDialect) {
    trimsBlocks = dialect == .chat
    let lines = template.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    let dropsEnd = dialect == .chat && lines.utf8.last == 0x0A
    source = Array((dropsEnd ? lines.dropLast() : lines[...]).unicodeScalars)
  }

  static func pieces(
    of template: String, _ dialect: TemplateDialect
  ) throws(TemplateError) -> [TemplatePiece] {
    var lexer = TemplateLexer(template, dialect)
    try lexer.read()
    return lexer.pieces
  }

  private func failure(_ reason: String) -> TemplateError { TemplateError(reason, line: line) }

  private mutating func read() throws(TemplateError) {
    while position < source.count {
      switch (source[position], peek(1)) {
      case ("{", "{"): try tag(closing: "}}")
      case ("{", "%"): try tag(closing: "%}")
      case ("{", "#"): try comment()
      case (let scalar, _):
        if scalar == "\n" { line += 1 }
        text.append(scalar)
        position += 1
      }
    }
    flush()
  }

  private func peek(_ offset: Int) -> Unicode.Scalar? {
    position + offset < source.count ? source[position + offset] : nil
  }

  private func isNext(_ expected: String, at place: Int? = nil) -> Bool {
    source[(place ?? position)...].starts(with: expected.unicodeScalars)
  }

  private mutating func flush() {
    if !text.isEmpty { pieces.append(.text(String(String.UnicodeScalarView(text)))) }
    text = []
  }

  /// Removes what the opening of a tag removes of the text before it.
  private mutating func open(isBlock: Bool) {
    position += 2
    switch peek(0) {
    case "-":
      while let last = text.last, TemplateText.isSpace(last) { text.removeLast() }
      position += 1
    case "+" where isBlock: position += 1
    default:
      guard isBlock, trimsBlocks else { break }
      var end = text.count
      while end > 0, text[end - 1] == " " || text[end - 1] == "\t" { end -= 1 }
      let startsLine = end > 0 ? text[end - 1] == "\n" : isAtLineStart
      if startsLine { text.removeLast(text.count - end) }
    }
    flush()
  }

  /// Whether no tag stands before the pending text on its line.
  private var isAtLineStart: Bool {
    var place = position - 3
    while place >= 0, source[place] == " " || source[place] == "\t" { place -= 1 }
    return place < 0 || source[place] == "\n"
  }

  /// Skips what the end of a tag removes of the text after it.
  private mutating func close(_ mark: Unicode.Scalar?, isBlock: Bool) {
    if mark == "-" {
      while let next = peek(0), TemplateText.isSpace(next) { advance() }
    } else if isBlock, trimsBlocks, mark != "+", peek(0) == "\n" {
      advance()
    }
  }

  private mutating func advance() {
    if source[position] == "\n" { line += 1 }
    position += 1
  }

  private mutating func comment() throws(TemplateError) {
    let start = line
    open(isBlock: true)
    while position < source.count, !isNext("#}") { advance() }
    guard position < source.count else { throw TemplateError("the comment has no end", line: start) }
    let mark = source[position - 1]
    position += 2
    close(mark == "-" || mark == "+" ? mark : nil, isBlock: true)
  }

  // MARK: Tags

  private mutating func tag(closing: String) throws(TemplateError) {
    let start = line
    let isBlock = closing == "%}"
    open(isBlock: isBlock)
    var tokens: [TemplateToken] = []
    var depth = 0
    while true {
      while let next = peek(0), TemplateText.isSpace(next) { advance() }
      guard position < source.count else { throw TemplateError("the tag has no end", line: start) }
      if depth == 0 {
        let mark = ["-", "+"].first { isNext($0 + closing) && (isBlock || $0 == "-") }
        if mark != nil || isNext(closing) {
          position += closing.count + (mark == nil ? 0 : 1)
          tokens.append(TemplateToken(kind: .end, line: line))
          close(mark?.unicodeScalars.first, isBlock: isBlock)
          break
        }
      }
      let token = try token()
      switch token.kind {
      case .symbol("("), .symbol("["), .symbol("{"): depth += 1
      case .symbol(")"), .symbol("]"), .symbol("}"): depth -= 1
      default: break
      }
      tokens.append(token)
    }
    if isBlock, tokens.first?.kind == .name("raw") { return try raw() }
    pieces.append(isBlock ? .statement(tokens) : .output(tokens))
  }

  /// The text up to `{% endraw %}`.
  private mutating func raw() throws(TemplateError) {
    let start = line
    while position < source.count {
      if isNext("{%") {
        var place = position + 2
        if place < source.count, source[place] == "-" || source[place] == "+" { place += 1 }
        while place < source.count, TemplateText.isSpace(source[place]) { place += 1 }
        if isNext("endraw", at: place) {
          open(isBlock: true)
          while position < source.count, !isNext("%}") { advance() }
          guard position < source.count else { break }
          let mark = source[position - 1]
          position += 2
          close(mark == "-" || mark == "+" ? mark : nil, isBlock: true)
          return
        }
      }
      text.append(source[position])
      advance()
    }
    throw TemplateError("raw has no endraw", line: start)
  }

  private static let symbols = [
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".",
    ",", ":", "|",
  ]

  private mutating func token() throws(TemplateError) -> TemplateToken {
    let start = line
    func token(_ kind: TemplateToken.Kind) -> TemplateToken { TemplateToken(kind: kind, line: start) }
    let first = source[position]
    if first == "_" || first.properties.isXIDStart { return token(.name(name())) }
    if ("0"..."9").contains(first) { return token(try number()) }
    if first == "'" || first == "\"" { return token(.text(try literal())) }
    guard let symbol = Self.symbols.first(where: { isNext($0) }) else {
      throw failure("unexpected character \(TemplateValue.text(String(first)).shown)")
    }
    position += symbol.count
    return token(.symbol(symbol))
  }

  private mutating func name() -> String {
    var name = String.UnicodeScalarView()
    while let next = peek(0), next.properties.isXIDContinue {
      name.append(next)
      position += 1
    }
    return String(name)
  }

  private mutating func number() throws(TemplateError) -> TemplateToken.Kind {
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
  private mutating func literal() throws(TemplateError) -> String {
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
