// Parses the expressions of a template, in Jinja's order of precedence.

extension TemplateParser {
  /// One expression, or a tuple without parentheses.
  /// - Parameter withChoice: whether `a if b else c` may stand there; after `in` of a loop it may not.
  mutating func expressions(withChoice: Bool = true) throws(TemplateError) -> TemplateExpression {
    let first = try withChoice ? expression() : disjunction()
    guard current.kind == .symbol(",") else { return first }
    var elements = [first]
    while take(symbol: ",") {
      if current.kind == .end || current.kind == .symbol(")") { break }
      elements.append(try withChoice ? expression() : disjunction())
    }
    return .tuple(elements)
  }

  mutating func expression() throws(TemplateError) -> TemplateExpression {
    try descend("expressions")
    defer { depth -= 1 }
    var value = try disjunction()
    while take(word: "if") {
      try link()
      let condition = try disjunction()
      let other = take(word: "else") ? try expression() : nil
      value = .choice(value, if: condition, else: other)
    }
    return value
  }

  private mutating func disjunction() throws(TemplateError) -> TemplateExpression {
    var value = try conjunction()
    while take(word: "or") {
      try link()
      value = .or(value, try conjunction())
    }
    return value
  }

  private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
    var value = try negation()
    while take(word: "and") {
      try link()
      value = .and(value, try negation())
    }
    return value
  }

  private mutating func negation() throws(TemplateError) -> TemplateExpression {
    var count = 0
    while take(word: "not") {
      try link()
      count += 1
    }
    var value = try comparison()
    for _ in 0..<count { value = .unary("not", value) }
    return value
  }

  private mutating func comparison() throws(TemplateError) -> TemplateExpression {
    let first = try sum()
    var rest: [(operation: String, operand: TemplateExpression)] = []
    while true {
      if case .symbol(let symbol) = current.kind, ["==", "!=", "<", "<=", ">", ">="].contains(symbol) {
        index += 1
        rest.append((symbol, try sum()))
      } else if take(word: "in") {
        rest.append(("in", try sum()))
      } else if current.kind == .name("not"), index + 1 < tokens.count, tokens[index + 1].kind == .name("in") {
        index += 2
        rest.append(("not in", try sum()))
      } else {
        return rest.isEmpty ? first : .comparison(first, rest)
      }
    }
  }

  private mutating func sum() throws(TemplateError) -> TemplateExpression {
    var value = try concatenation()
    while case .symbol(let symbol) = current.kind, symbol == "+" || symbol == "-" {
      index += 1
      try link()
      value = .binary(symbol, value, try concatenation())
    }
    return value
  }

  private mutating func concatenation() throws(TemplateError) -> TemplateExpression {
    var parts = [try product()]
    while take(symbol: "~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : .concatenation(parts)
  }

  private mutating func product() throws(TemplateError) -> TemplateExpression {
    var value = try power()
    while case .symbol(let symbol) = current.kind, ["*", "/", "//", "%"].contains(symbol) {
      index += 1
      try link()
      value = .binary(symbol, value, try power())
    }
    return value
  }

  private mutating func power() throws(TemplateError) -> TemplateExpression {
    var value = try unary()
    while take(symbol: "**") {
      try link()
      value = .binary("**", value, try unary())
    }
    return value
  }

  private mutating func unary(withFilters: Bool = true) throws(TemplateError) -> TemplateExpression {
    try descend("expressions")
    defer { depth -= 1 }
    var value: TemplateExpression
    if take(symbol: "-") {
      value = .unary("-", try unary(withFilters: false))
    } else if take(symbol: "+") {
      value = .unary("+", try unary(withFilters: false))
    } else {
      value = try postfixed(try primary())
    }
    return withFilters ? try filtered(value) : value
  }

  // MARK: Primaries

  private mutating func primary() throws(TemplateError) -> TemplateExpression {
    let token = current
    index += 1
    switch token.kind {
    case .name("true"), .name("True"): return .constant(.bool(true))
    case .name("false"), .name("False"): return .constant(.bool(false))
    case .name("none"), .name("None"): return .constant(.none)
    case .name(let name): return .name(name)
    case .integer(let value): return .constant(.integer(value))
    case .number(let value): return .constant(.number(value))
    case .text(var text):
      // Neighbouring literals are one.
      while case .text(let more) = current.kind {
        text += more
        index += 1
      }
      return .constant(.text(text))
    case .symbol("("):
      if take(symbol: ")") { return .tuple([]) }
      let inner = try expressions()
      try expect(")")
      return inner
    case .symbol("["):
      var elements: [TemplateExpression] = []
      while !take(symbol: "]") {
        if !elements.isEmpty {
          try expect(",")
          if take(symbol: "]") { break }
        }
        elements.append(try expression())
      }
      return .list(elements)
    case .symbol("{"):
      var members: [(key: TemplateExpression, value: TemplateExpression)] = []
      while !take(symbol: "}") {
        if !members.isEmpty {
          try expect(",")
          if take(symbol: "}") { break }
        }
        let key = try expression()
        try expect(":")
        members.append((key, try expression()))
      }
      return .mapping(members)
    default:
      throw failure("expected a value, found \(Self.shown(token))", line: token.line)
    }
  }

  private mutating func postfixed(_ first: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    var value = first
    while true {
      if take(symbol: ".") {
        try link()
        if case .integer(let number) = current.kind {
          index += 1
          value = .item(value, .constant(.integer(number)))
        } else {
          value = .attribute(value, try name())
        }
      } else if take(symbol: "[") {
        try link()
        value = try subscripted(value)
      } else if current.kind == .symbol("(") {
        try link()
        value = .call(value, try call())
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(_ value: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    var bounds: [TemplateExpression?] = [nil]
    while !take(symbol: "]") {
      if take(symbol: ":") {
        guard bounds.count < 3 else { throw failure("a slice has three parts at most") }
        bounds.append(nil)
      } else {
        guard bounds[bounds.count - 1] == nil else { throw failure("expected \"]\", found \(Self.shown(current))") }
        bounds[bounds.count - 1] = try expression()
      }
    }
    if bounds.count > 1 {
      return .slice(value, start: bounds[0], stop: bounds[1], step: bounds.count > 2 ? bounds[2] : nil)
    }
    guard let key = bounds[0] else { throw failure("expected an index, found \"]\"") }
    return .item(value, key)
  }

  mutating func optionalCall() throws(TemplateError) -> TemplateCall {
    current.kind == .symbol("(") ? try call() : TemplateCall(line: current.line)
  }

  private mutating func call() throws(TemplateError) -> TemplateCall {
    var call = TemplateCall(line: current.line)
    try expect("(")
    var isFirst = true
    while !take(symbol: ")") {
      if !isFirst {
        try expect(",")
        if take(symbol: ")") { break }
      }
      isFirst = false
      if take(symbol: "*") {
        call.more.positional = try expression()
      } else if take(symbol: "**") {
        call.more.named = try expression()
      } else if case .name(let name) = current.kind, index + 1 < tokens.count, tokens[index + 1].kind == .symbol("=") {
        index += 2
        call.named.append((name, try expression()))
      } else {
        guard call.named.isEmpty else { throw failure("a positional argument follows a named one") }
        call.positional.append(try expression())
      }
    }
    return call
  }

  mutating func filterName() throws(TemplateError) -> String {
    let line = current.line
    let name = try name()
    let isKnown = TemplateFilters.all[name] != nil || dialect == .strict && name == "regex_replace"
    guard isKnown else { throw failure("unknown filter \"\(name)\"", line: line) }
    return name
  }

  private mutating func filtered(_ first: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    var value = first
    while true {
      if take(symbol: "|") {
        try link()
        let name = try filterName()
        value = .filter(value, name, try optionalCall())
      } else if take(word: "is") {
        try link()
        value = try test(value)
      } else if current.kind == .symbol("(") {
        try link()
        value = .call(value, try call())
      } else {
        return value
      }
    }
  }

  private mutating func test(_ value: TemplateExpression) throws(TemplateError) -> TemplateExpression {
    let isNegated = take(word: "not")
    let line = current.line
    let name = try name()
    guard TemplateTests.all[name] != nil else { throw failure("unknown test \"\(name)\"", line: line) }
    var arguments = TemplateCall(line: line)
    switch current.kind {
    case .symbol("("): arguments = try call()
    case .name("else"), .name("or"), .name("and"), .name("is"), .name("if"), .name("in"), .name("not"): break
    case .name, .text, .integer, .number, .symbol("["), .symbol("{"):
      arguments.positional = [try postfixed(try primary())]
    default: break
    }
    let test = TemplateExpression.test(value, name, arguments)
    return isNegated ? .unary("not", test) : test
  }
}
