// Renders a syntax tree. It can produce text and nothing else, within limits on work and on memory.

import Foundation

/// One rendering.
final class TemplateRenderer: @unchecked Sendable {
  // Sendable because one rendering stays on one thread.

  private static let maximumCalls = 60
  /// Statements and expressions inside each other, through calls. Bounds the stack.
  private static let maximumDepth = 2000

  private(set) var output: [TemplateOutput] = []
  let budget: TemplateBudget
  private var captures: [TemplateText] = []
  private var isGenerated = false
  private var calls = 0
  var depth = 0
  private var outputBytes = 0
  var line = 1

  private enum Flow { case goesOn, breaks, continues }

  init(_ dialect: TemplateDialect) { budget = TemplateBudget(isStrict: dialect == .strict) }

  /// Python's truth; under a strict dialect what is not there has none.
  func truth(of value: TemplateValue) throws(TemplateProblem) -> Bool {
    if budget.isStrict, case .undefined(let name) = value { throw TemplateProblem("\(name) is undefined") }
    return value.isTrue
  }

  func render(_ statements: [TemplateStatement], _ scope: TemplateScope) throws {
    _ = try run(statements, scope)
  }

  private func nested<Result>(_ body: () throws -> Result) throws -> Result {
    calls += 1
    defer { calls -= 1 }
    if calls > Self.maximumCalls { throw TemplateProblem("calls are nested deeper than \(Self.maximumCalls)") }
    return try body()
  }

  /// Accounts for a statement or an expression; the caller takes 1 from `depth` after it.
  func descend() throws(TemplateProblem) {
    guard depth < Self.maximumDepth else {
      throw TemplateProblem("statements and expressions are nested deeper than \(Self.maximumDepth)")
    }
    depth += 1
    try budget.spend()
  }

  // MARK: Output

  private func write(_ text: TemplateText) throws {
    if captures.isEmpty {
      try budget.make(bytes: text.byteCount, beside: outputBytes)
      outputBytes += text.byteCount
      for run in text.runs {
        if let last = output.last, last.origin == run.origin, last.isGenerated == isGenerated {
          output[output.count - 1].text += run.text
        } else {
          output.append(TemplateOutput(text: run.text, origin: run.origin, isGenerated: isGenerated))
        }
      }
    } else {
      try budget.make(bytes: text.byteCount, beside: captures[captures.count - 1].byteCount)
      captures[captures.count - 1].append(text)
    }
  }

  private func capture(_ body: () throws -> Void) throws -> TemplateText {
    captures.append(TemplateText(""))
    do { try body() } catch {
      captures.removeLast()
      throw error
    }
    return captures.removeLast()
  }

  // MARK: Statements

  private func run(_ statements: [TemplateStatement], _ scope: TemplateScope) throws -> Flow {
    try descend()
    defer { depth -= 1 }
    for statement in statements {
      try budget.spend()
      let flow = try run(statement, scope)
      if flow != .goesOn { return flow }
    }
    return .goesOn
  }

  private func run(_ statement: TemplateStatement, _ scope: TemplateScope) throws -> Flow {
    switch statement {
    case .text(let text): try write(TemplateText(text))
    case .output(let expression, let line):
      self.line = line
      try write(budget.string(of: evaluate(expression, scope)))
    case .branches(let branches, let line):
      for branch in branches {
        self.line = line
        if try branch.condition.map({ try truth(of: evaluate($0, scope)) }) ?? true {
          return try run(branch.body, scope)
        }
      }
    case .loop(let loop): try run(loop, scope)
    case .set(let target, let expression, let line):
      self.line = line
      try assign(evaluate(expression, scope), to: target, scope)
    case .capture(let target, let body, let filters, let line):
      self.line = line
      var value = TemplateValue.text(try capture { _ = try run(body, TemplateScope(scope)) })
      value = try filtered(value, filters, scope)
      try assign(value, to: target, scope)
    case .macro(let macro): scope[macro.name] = .function(try function(macro, scope))
    case .callBlock(let expression, let macro, let line):
      self.line = line
      let caller = TemplateValue.function(try function(macro, scope))
      guard case .call(let callee, let call) = expression else { throw TemplateProblem("expected a call") }
      var arguments = try self.arguments(call, scope)
      arguments.named.append(("caller", caller))
      try write(budget.string(of: invoke(evaluate(callee, scope), arguments)))
    case .filterBlock(let filters, let body, let line):
      let text = try capture { _ = try run(body, TemplateScope(scope)) }
      self.line = line
      try write(budget.string(of: filtered(.text(text), filters, scope)))
    case .with(let members, let body, let line):
      self.line = line
      let inner = TemplateScope(scope)
      for member in members { try assign(evaluate(member.value, scope), to: member.target, inner) }
      return try run(body, inner)
    case .generation(let body):
      let before = isGenerated
      isGenerated = true
      defer { isGenerated = before }
      return try run(body, scope)
    case .leave(let isBreak): return isBreak ? .breaks : .continues
    }
    return .goesOn
  }

  private func run(_ loop: TemplateLoop, _ scope: TemplateScope) throws {
    line = loop.line
    if loop.isRecursive { throw TemplateProblem("recursive loops are not built") }
    var elements = try budget.elements(of: evaluate(loop.source, scope))
    if let condition = loop.condition {
      elements = try elements.filter { element in
        try budget.spend(2)
        let inner = TemplateScope(scope)
        try assign(element, to: loop.target, inner)
        return try truth(of: evaluate(condition, inner))
      }
    }
    let state = TemplateLoopState(elements)
    let outer = TemplateScope(scope)
    outer["loop"] = .loop(state)
    for place in elements.indices {
      // A scope takes as long as a few expressions.
      try budget.spend(3)
      state.place = place
      let inner = TemplateScope(outer)
      try assign(elements[place], to: loop.target, inner)
      if try run(loop.body, inner) == .breaks { break }
    }
    if elements.isEmpty { _ = try run(loop.otherwise, TemplateScope(scope)) }
  }

  private func assign(_ value: TemplateValue, to target: TemplateTarget, _ scope: TemplateScope) throws {
    switch target {
    case .name(let name): scope[name] = value
    case .member(let name, let member):
      guard case .namespace(let namespace)? = scope[name] else {
        throw TemplateProblem("\(name).\(member) can be set only if \(name) is a namespace")
      }
      namespace[member] = value
    case .tuple(let targets):
      let elements = try budget.elements(of: value)
      guard elements.count == targets.count else {
        throw TemplateProblem("\(elements.count) values for \(targets.count) names")
      }
      for (target, element) in zip(targets, elements) { try assign(element, to: target, scope) }
    }
  }

  private func function(_ macro: TemplateMacro, _ scope: TemplateScope) throws -> TemplateFunction {
    try budget.keep(scope)
    return TemplateFunction(name: macro.name) { [unowned renderer = self] _, arguments in
      try renderer.nested {
        let inner = TemplateScope(scope)
        guard arguments.positional.count <= macro.parameters.count else {
          throw TemplateProblem(
            "\(macro.name) takes \(macro.parameters.count) arguments, found \(arguments.positional.count)")
        }
        try renderer.budget.read(bytes: (macro.parameters.count + 1) * (arguments.named.count + 1))
        for argument in arguments.named where !macro.parameters.contains(where: { $0.name == argument.name }) {
          guard argument.name == "caller" else {
            throw TemplateProblem("\(macro.name) has no parameter \(argument.name)")
          }
          inner["caller"] = argument.value
        }
        for (place, parameter) in macro.parameters.enumerated() {
          let value = arguments.value(place, parameter.name)
          inner[parameter.name] =
            try value ?? parameter.value.map { try renderer.evaluate($0, inner) }
            ?? .undefined(parameter.name)
        }
        return .text(try renderer.capture { _ = try renderer.run(macro.body, inner) })
      }
    }
  }

  // MARK: Calls

  func arguments(_ call: TemplateCall, _ scope: TemplateScope) throws -> TemplateArguments {
    var arguments = TemplateArguments(
      positional: try call.positional.map { try evaluate($0, scope) },
      named: try call.named.map { ($0.name, try evaluate($0.value, scope)) })
    if let more = call.more.positional { arguments.positional += try budget.elements(of: evaluate(more, scope)) }
    if let more = call.more.named {
      guard case .mapping(let mapping) = try evaluate(more, scope) else {
        throw TemplateProblem("arguments with ** need a mapping")
      }
      for member in mapping.members { arguments.named.append((try budget.text(of: member.key).plain, member.value)) }
    }
    return arguments
  }

  func invoke(_ callee: TemplateValue, _ arguments: TemplateArguments) throws -> TemplateValue {
    guard case .function(let function) = callee else { throw TemplateProblem("\(callee.kind) cannot be called") }
    return try function.call(budget, arguments)
  }

  private func filtered(
    _ value: TemplateValue, _ filters: [(name: String, call: TemplateCall)], _ scope: TemplateScope
  ) throws -> TemplateValue {
    try filters.reduce(value) { value, filter in
      try apply(filter: filter.name, to: value, arguments(filter.call, scope))
    }
  }

  func apply(filter name: String, to value: TemplateValue, _ arguments: TemplateArguments) throws -> TemplateValue {
    if name == "regex_replace", budget.isStrict { return try TemplateFilters.replacePattern(budget, value, arguments) }
    guard let filter = TemplateFilters.all[name] else { throw TemplateProblem("unknown filter \"\(name)\"") }
    return try filter(budget, value, arguments)
  }

  func apply(test name: String, to value: TemplateValue, _ arguments: TemplateArguments) throws -> Bool {
    if name == "filter" { return TemplateFilters.all[try budget.text(of: value).plain] != nil }
    guard let test = TemplateTests.all[name] else { throw TemplateProblem("unknown test \"\(name)\"") }
    return try test(budget, value, arguments)
  }
}
