// The syntax tree of a template.

/// An expression.
indirect enum TemplateExpression: Sendable {
  case constant(TemplateValue)
  case name(String)
  case list([TemplateExpression])
  case tuple([TemplateExpression])
  case mapping([(key: TemplateExpression, value: TemplateExpression)])
  case attribute(TemplateExpression, String)
  case item(TemplateExpression, TemplateExpression)
  case slice(TemplateExpression, start: TemplateExpression?, stop: TemplateExpression?, step: TemplateExpression?)
  case call(TemplateExpression, TemplateCall)
  case filter(TemplateExpression, String, TemplateCall)
  case test(TemplateExpression, String, TemplateCall)
  case unary(String, TemplateExpression)
  case binary(String, TemplateExpression, TemplateExpression)
  /// `a < b < c`
  case comparison(TemplateExpression, [(operation: String, operand: TemplateExpression)])
  case and(TemplateExpression, TemplateExpression)
  case or(TemplateExpression, TemplateExpression)
  case choice(TemplateExpression, if: TemplateExpression, else: TemplateExpression?)
  /// `a ~ b ~ c`
  case concatenation([TemplateExpression])
}

/// The arguments of a call, and its line.
struct TemplateCall: Sendable {
  var positional: [TemplateExpression] = []
  var named: [(name: String, value: TemplateExpression)] = []
  /// `*list` and `**mapping`.
  var more: (positional: TemplateExpression?, named: TemplateExpression?) = (nil, nil)
  var line: Int
}

/// What is assigned to.
indirect enum TemplateTarget: Sendable {
  case name(String)
  case member(namespace: String, String)
  case tuple([TemplateTarget])
}

/// A statement.
indirect enum TemplateStatement: Sendable {
  case text(String)
  case output(TemplateExpression, line: Int)
  case branches([(condition: TemplateExpression?, body: [TemplateStatement])], line: Int)
  case loop(TemplateLoop)
  case set(TemplateTarget, TemplateExpression, line: Int)
  /// `{% set x %}…{% endset %}`, with filters.
  case capture(TemplateTarget, [TemplateStatement], filters: [(name: String, call: TemplateCall)], line: Int)
  case macro(TemplateMacro)
  /// `{% call f() %}…{% endcall %}`
  case callBlock(TemplateExpression, TemplateMacro, line: Int)
  case filterBlock([(name: String, call: TemplateCall)], [TemplateStatement], line: Int)
  case with([(target: TemplateTarget, value: TemplateExpression)], [TemplateStatement], line: Int)
  /// `{% generation %}…{% endgeneration %}`: what the assistant wrote.
  case generation([TemplateStatement])
  case leave(isBreak: Bool)
}

struct TemplateLoop: Sendable {
  var target: TemplateTarget
  var source: TemplateExpression
  var condition: TemplateExpression?
  var isRecursive: Bool
  var body: [TemplateStatement]
  var otherwise: [TemplateStatement]
  var line: Int
}

struct TemplateMacro: Sendable {
  var name: String
  var parameters: [(name: String, value: TemplateExpression?)]
  var body: [TemplateStatement]
  var line: Int
}

extension TemplateStatement {
  /// Whether `{% generation %}` is in it.
  var marksAnswers: Bool {
    switch self {
    case .generation: true
    case .branches(let branches, _): branches.contains { $0.body.contains(where: \.marksAnswers) }
    case .loop(let loop): (loop.body + loop.otherwise).contains(where: \.marksAnswers)
    case .macro(let macro), .callBlock(_, let macro, _): macro.body.contains(where: \.marksAnswers)
    case .capture(_, let body, _, _), .filterBlock(_, let body, _), .with(_, let body, _):
      body.contains(where: \.marksAnswers)
    case .text, .output, .set, .leave: false
    }
  }
}
