// Parses the statements of a template.

struct TemplateParser {
  /// Deeper nesting is refused.
  static let maximumDepth = 100
  /// Operators, members, calls, filters and tests of one tag. Each wraps what stands before it, and what is wrapped deep
  /// takes stack, where it is evaluated and where it is released.
  static let maximumLinks = 1000

  private let pieces: [TemplatePiece]
  private var place = 0
  var tokens: [TemplateToken] = []
  var index = 0
  var depth = 0
  private var links = 0
  private var loops = 0

  static func statements(
    of template: String, _ dialect: TemplateDialect
  ) throws(TemplateError) -> [TemplateStatement] {
    var parser = TemplateParser(pieces: try TemplateLexer.pieces(of: template, dialect), dialect)
    return try parser.body(until: [], of: nil)
  }

  private init(pieces: [TemplatePiece], _ dialect: TemplateDialect) { (self.pieces, self.dialect) = (pieces, dialect) }

  let dialect: TemplateDialect

  // MARK: Tokens

  var current: TemplateToken { tokens[min(index, tokens.count - 1)] }

  func failure(_ reason: String, line: Int? = nil) -> TemplateError {
    TemplateError(reason, line: line ?? current.line)
  }

  mutating func take(_ kind: TemplateToken.Kind) -> Bool {
    guard current.kind == kind else { return false }
    index += 1
    return true
  }

  mutating func take(symbol: String) -> Bool { take(.symbol(symbol)) }
  mutating func take(word: String) -> Bool { take(.name(word)) }

  mutating func expect(_ symbol: String) throws(TemplateError) {
    guard take(symbol: symbol) else { throw failure("expected \"\(symbol)\", found \(Self.shown(current))") }
  }

  mutating func name() throws(TemplateError) -> String {
    guard case .name(let name) = current.kind else { throw failure("expected a name, found \(Self.shown(current))") }
    index += 1
    return name
  }

  /// Goes one level deeper; the caller comes back.
  mutating func descend(_ what: String) throws(TemplateError) {
    guard depth < Self.maximumDepth else { throw failure("\(what) are nested deeper than \(Self.maximumDepth)") }
    depth += 1
  }

  /// Accounts for an expression that is about to be wrapped in another.
  mutating func link() throws(TemplateError) {
    links += 1
    if links > Self.maximumLinks { throw failure("a tag has more than \(Self.maximumLinks) operators and filters") }
  }

  static func shown(_ token: TemplateToken) -> String {
    switch token.kind {
    case .name(let name): "\"\(name)\""
    case .text: "a text"
    case .integer, .number: "a number"
    case .symbol(let symbol): "\"\(symbol)\""
    case .end: "the end of the tag"
    }
  }

  private mutating func end() throws(TemplateError) {
    guard current.kind == .end else { throw failure("expected the end of the tag, found \(Self.shown(current))") }
  }

  // MARK: Statements

  /// Statements up to a tag with one of these words; its tokens are the current ones then.
  private mutating func body(until ends: [String], of owner: (name: String, line: Int)?) throws(TemplateError)
    -> [TemplateStatement]
  {
    try descend("statements")
    defer { depth -= 1 }
    var statements: [TemplateStatement] = []
    while place < pieces.count {
      let piece = pieces[place]
      place += 1
      switch piece {
      case .text(let text): statements.append(.text(text))
      case .output(let tokens):
        (self.tokens, index, links) = (tokens, 0, 0)
        let line = current.line
        statements.append(.output(try expressions(), line: line))
        try end()
      case .statement(let tokens):
        (self.tokens, index, links) = (tokens, 0, 0)
        let line = current.line
        let word = try name()
        if ends.contains(word) { return statements }
        statements.append(try statement(word, line))
      }
    }
    if let owner { throw TemplateError("\(owner.name) has no \(ends.last ?? "end")", line: owner.line) }
    return statements
  }

  private mutating func block(_ name: String, _ line: Int, until ends: [String]) throws(TemplateError)
    -> [TemplateStatement]
  { try body(until: ends, of: (name, line)) }

  private mutating func statement(_ word: String, _ line: Int) throws(TemplateError) -> TemplateStatement {
    switch word {
    case "if": return try branches(line)
    case "for": return try loop(line)
    case "set": return try set(line)
    case "macro":
      let macro = try macro(named: name(), line, end: "endmacro", owner: "macro")
      return .macro(macro)
    case "call":
      let parameters = current.kind == .symbol("(") ? try self.parameters() : []
      let call = try expression()
      try end()
      let body = try block("call", line, until: ["endcall"])
      return .callBlock(call, TemplateMacro(name: "caller", parameters: parameters, body: body, line: line), line: line)
    case "filter":
      let filters = try filterChain()
      try end()
      return .filterBlock(filters, try block("filter", line, until: ["endfilter"]), line: line)
    case "with":
      var members: [(target: TemplateTarget, value: TemplateExpression)] = []
      while current.kind != .end {
        if !members.isEmpty { try expect(",") }
        let target = try target()
        try expect("=")
        members.append((target, try expression()))
      }
      return .with(members, try block("with", line, until: ["endwith"]), line: line)
    case "generation":
      try end()
      return .generation(try block("generation", line, until: ["endgeneration"]))
    case "break", "continue":
      try end()
      guard loops > 0 else { throw failure("\"\(word)\" stands outside of a loop", line: line) }
      return .leave(isBreak: word == "break")
    case "include", "import", "from", "extends", "block", "autoescape", "do", "trans", "debug":
      throw failure("\"\(word)\" is not for chat templates", line: line)
    default: throw failure("unknown statement \"\(word)\"", line: line)
    }
  }

  private mutating func branches(_ line: Int) throws(TemplateError) -> TemplateStatement {
    var branches: [(condition: TemplateExpression?, body: [TemplateStatement])] = []
    var condition: TemplateExpression? = try expressions()
    while true {
      try end()
      let body = try block("if", line, until: condition == nil ? ["endif"] : ["elif", "else", "endif"])
      branches.append((condition, body))
      switch tokens[0].kind {
      case .name("elif"): condition = try expressions()
      case .name("else"): condition = nil
      default:
        try end()
        return .branches(branches, line: line)
      }
    }
  }

  private mutating func loop(_ line: Int) throws(TemplateError) -> TemplateStatement {
    let target = try targets()
    guard take(word: "in") else { throw failure("expected \"in\", found \(Self.shown(current))") }
    let source = try expressions(withChoice: false)
    let condition = take(word: "if") ? try expression() : nil
    let isRecursive = take(word: "recursive")
    try end()
    loops += 1
    defer { loops -= 1 }
    let body = try block("for", line, until: ["else", "endfor"])
    var otherwise: [TemplateStatement] = []
    if tokens[0].kind == .name("else") {
      try end()
      otherwise = try block("for", line, until: ["endfor"])
    }
    try end()
    return .loop(
      TemplateLoop(
        target: target, source: source, condition: condition, isRecursive: isRecursive, body: body,
        otherwise: otherwise, line: line))
  }

  private mutating func set(_ line: Int) throws(TemplateError) -> TemplateStatement {
    let target = try targets()
    if take(symbol: "=") {
      let value = try expressions()
      try end()
      return .set(target, value, line: line)
    }
    var filters: [(name: String, call: TemplateCall)] = []
    if take(symbol: "|") { filters = try filterChain() }
    try end()
    return .capture(target, try block("set", line, until: ["endset"]), filters: filters, line: line)
  }

  private mutating func macro(named name: String, _ line: Int, end: String, owner: String) throws(TemplateError)
    -> TemplateMacro
  {
    let parameters = try parameters()
    try self.end()
    let outside = loops
    loops = 0
    defer { loops = outside }
    return TemplateMacro(
      name: name, parameters: parameters, body: try block(owner, line, until: [end]), line: line)
  }

  private mutating func parameters() throws(TemplateError) -> [(name: String, value: TemplateExpression?)] {
    var parameters: [(name: String, value: TemplateExpression?)] = []
    try expect("(")
    while !take(symbol: ")") {
      if !parameters.isEmpty { try expect(",") }
      let name = try name()
      parameters.append((name, take(symbol: "=") ? try expression() : nil))
    }
    return parameters
  }

  private mutating func filterChain() throws(TemplateError) -> [(name: String, call: TemplateCall)] {
    var filters: [(name: String, call: TemplateCall)] = []
    repeat {
      let name = try filterName()
      filters.append((name, try optionalCall()))
    } while take(symbol: "|")
    return filters
  }

  // MARK: Targets

  private mutating func targets() throws(TemplateError) -> TemplateTarget {
    let first = try target()
    guard current.kind == .symbol(",") else { return first }
    var targets = [first]
    while take(symbol: ","), current.kind != .name("in"), current.kind != .symbol("=") { targets.append(try target()) }
    return .tuple(targets)
  }

  private mutating func target() throws(TemplateError) -> TemplateTarget {
    if take(symbol: "(") {
      try descend("names")
      defer { depth -= 1 }
      let inner = try targets()
      try expect(")")
      return inner
    }
    let name = try name()
    guard take(symbol: ".") else { return .name(name) }
    return .member(namespace: name, try self.name())
  }
}
