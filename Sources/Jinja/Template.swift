// Chat templates: the part of Jinja that they use, rendered as transformers' environment does.

package import Checkpoints
import Foundation

/// A parsed template. Rendering can only produce text.
package struct Template: Sendable {
  private let statements: [TemplateStatement]
  private let dialect: TemplateDialect
  /// Whether it marks what the assistant wrote (`{% generation %}`).
  package let marksAnswers: Bool

  /// Parses a template.
  /// - Throws: `TemplateError` with the line of what is malformed or not built.
  package init(_ text: String, _ dialect: TemplateDialect = .chat) throws(TemplateError) {
    guard text.utf8.count <= 1 << 20 else { throw TemplateError("the template has more than 1 MiB", line: 1) }
    self.dialect = dialect
    statements = try TemplateParser.statements(of: text, dialect)
    marksAnswers = statements.contains(where: \.marksAnswers)
  }

  /// Renders a chat.
  /// - Parameters:
  ///   - messages: objects with `role`, `content` and more.
  ///   - variables: what else the template knows by name.
  ///   - constants: texts that the template knows by name and that are the template's own, such as special tokens.
  /// - Throws: `TemplateError`.
  package func render(
    _ messages: [JSONValue], _ variables: [JSONValue.Member] = [], constants: [String: String] = [:]
  ) throws(TemplateError) -> [TemplateOutput] {
    let scope = TemplateScope(TemplateGlobals.scope)
    for (name, text) in constants { scope[name] = .text(text) }
    for variable in variables { scope[variable.name] = TemplateValue(variable.value) }
    scope["messages"] = .list(messages.enumerated().map { TemplateValue(message: $1, index: $0) })
    return try render(scope)
  }

  /// Renders a template that knows the members of an object by their names.
  /// - Throws: `TemplateError`.
  package func text(_ variables: [JSONValue.Member]) throws(TemplateError) -> String {
    let scope = TemplateScope(TemplateGlobals.scope)
    for variable in variables { scope[variable.name] = TemplateValue(variable.value) }
    return try render(scope).map(\.text).joined()
  }

  private func render(_ scope: TemplateScope) throws(TemplateError) -> [TemplateOutput] {
    let renderer = TemplateRenderer(dialect)
    defer { renderer.budget.release() }
    do {
      try renderer.render(statements, TemplateScope(scope))
    } catch let problem as TemplateProblem {
      throw TemplateError(problem.reason, line: renderer.line)
    } catch {
      throw TemplateError("\(error)", line: renderer.line)
    }
    return renderer.output
  }
}

/// The functions that every template has.
enum TemplateGlobals {
  /// Nothing is set in it: what a template sets is in a scope of its own.
  static let scope = {
    let scope = TemplateScope()
    for function in functions { scope[function.name] = .function(function) }
    return scope
  }()

  private static let functions: [TemplateFunction] =
    [
      TemplateFunction(name: "raise_exception") { budget, arguments in
        let message = try arguments.value(0, "message").map { try budget.string(of: $0).plain }
        throw TemplateProblem("the template refuses the chat: \(message ?? "")")
      },
      TemplateFunction(name: "strftime_now") { budget, arguments in
        guard let format = try arguments.text(0, "format") else { throw TemplateProblem("strftime_now needs a format") }
        try budget.make(bytes: format.byteCount + 4096)
        return .text(TemplateText(now(format.plain)))
      },
      TemplateFunction(name: "namespace") { budget, arguments in
        let scope = TemplateScope()
        try budget.keep(scope)
        for case .mapping(let mapping) in arguments.positional {
          for member in mapping.members { scope[try budget.text(of: member.key).plain] = member.value }
        }
        for argument in arguments.named { scope[argument.name] = argument.value }
        return .namespace(scope)
      },
      TemplateFunction(name: "dict") { budget, arguments in
        var mapping = TemplateMapping()
        for case .mapping(let other) in arguments.positional { try mapping.merge(other, budget) }
        for argument in arguments.named { try mapping.set(.text(argument.name), argument.value, budget) }
        return try budget.make(.mapping(mapping))
      },
      TemplateFunction(name: "range") { budget, arguments in
        let bounds = try arguments.positional.map { value in
          guard let whole = value.whole else { throw TemplateProblem("range needs whole numbers") }
          return whole
        }
        guard 1...3 ~= bounds.count else { throw TemplateProblem("range needs one to three numbers") }
        let (start, stop) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw TemplateProblem("the step of range is 0") }
        let distance = Double(stop) - Double(start)
        // As in Jinja's sandbox.
        guard distance / Double(step) <= 100_000 else { throw TemplateProblem("range has more than 100000 numbers") }
        try budget.spend(Int(max(0, distance / Double(step)).rounded(.up)))
        return .list(stride(from: start, to: stop, by: step).map { .integer($0) })
      },
    ]

  private static func now(_ format: String) -> String {
    var seconds = time(nil)
    var parts = tm()
    localtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
