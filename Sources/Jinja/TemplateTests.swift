// Jinja's tests: `x is defined`.

enum TemplateTests {
  typealias Test = @Sendable (TemplateBudget, TemplateValue, TemplateArguments) throws -> Bool

  static let all = makeAll()

  private static func makeAll() -> [String: Test] {
    var tests: [String: Test] = [:]
    tests["defined"] = { _, value, _ in !value.isUndefined }
    tests["undefined"] = { _, value, _ in value.isUndefined }
    tests["none"] = { _, value, _ in if case .none = value { true } else { false } }
    tests["boolean"] = { _, value, _ in if case .bool = value { true } else { false } }
    tests["true"] = { _, value, _ in if case .bool(true) = value { true } else { false } }
    tests["false"] = { _, value, _ in if case .bool(false) = value { true } else { false } }
    tests["integer"] = { _, value, _ in if case .integer = value { true } else { false } }
    tests["float"] = { _, value, _ in if case .number = value { true } else { false } }
    tests["number"] = { _, value, _ in value.double != nil }
    tests["string"] = { _, value, _ in if case .text = value { true } else { false } }
    tests["mapping"] = { _, value, _ in if case .mapping = value { true } else { false } }
    tests["callable"] = { _, value, _ in if case .function = value { true } else { false } }
    for name in ["iterable", "sequence"] {
      tests[name] = { _, value, _ in
        switch value {
        case .text, .list, .tuple, .mapping, .undefined: true
        default: false
        }
      }
    }
    tests["odd"] = { _, value, _ in try whole(value) % 2 != 0 }
    tests["even"] = { _, value, _ in try whole(value) % 2 == 0 }
    tests["divisibleby"] = { _, value, arguments in
      guard let divisor = try arguments.whole(0, "num"), divisor != 0 else { throw TemplateProblem("division by zero") }
      // The remainder of the lowest number and -1 is 0, and the division an overflow.
      let number = try whole(value)
      return divisor == -1 || number % divisor == 0
    }
    tests["lower"] = { budget, value, _ in try budget.text(of: value).isLowercase }
    tests["upper"] = { budget, value, _ in try budget.text(of: value).isUppercase }
    tests["sameas"] = { budget, value, arguments in
      guard let other = arguments.value(0, "other") else { return false }
      return try value.kind == other.kind && value.isEqual(to: other, budget)
    }
    tests["in"] = { budget, value, arguments in
      guard let other = arguments.value(0, "seq") else { throw TemplateProblem("\"in\" needs a value") }
      return try other.contains(value, budget)
    }
    tests["test"] = { budget, value, _ in TemplateTests.all[try budget.text(of: value).plain] != nil }
    @Sendable func other(_ arguments: TemplateArguments) throws -> TemplateValue {
      guard let value = arguments.value(0, "other") else { throw TemplateProblem("a comparison needs a value") }
      return value
    }
    for name in ["eq", "equalto", "=="] { tests[name] = { try $1.isEqual(to: other($2), $0) } }
    for name in ["ne", "!="] { tests[name] = { try !$1.isEqual(to: other($2), $0) } }
    for name in ["lt", "lessthan", "<"] { tests[name] = { try $1.isLess(than: other($2), $0) } }
    for name in ["gt", "greaterthan", ">"] { tests[name] = { try other($2).isLess(than: $1, $0) } }
    for name in ["le", "<="] { tests[name] = { try !other($2).isLess(than: $1, $0) } }
    for name in ["ge", ">="] { tests[name] = { try !$1.isLess(than: other($2), $0) } }
    return tests
  }

  private static func whole(_ value: TemplateValue) throws -> Int {
    guard let whole = value.whole else { throw TemplateProblem("\(value.kind) is no whole number") }
    return whole
  }
}
