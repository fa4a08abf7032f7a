// Cuts a template into text and tags, with Jinja's rules of white space (trim_blocks and lstrip_blocks, as transformers
// sets them), and tags into tokens.

import Patterns

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
  let source: [Unicode.Scalar]
  var position = 0
  private(set) var line = 1
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

  func failure(_ reason: String) -> TemplateError { TemplateError(reason, line: line) }

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

  func peek(_ offset: Int) -> Unicode.Scalar? {
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
      while let last = text.last, last.isPythonSpace { text.removeLast() }
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
      while let next = peek(0), next.isPythonSpace { advance() }
    } else if isBlock, trimsBlocks, mark != "+", peek(0) == "\n" {
      advance()
    }
  }

  mutating func advance() {
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
      while let next = peek(0), next.isPythonSpace { advance() }
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
        while place < source.count, source[place].isPythonSpace { place += 1 }
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
}
