// Jinja's tests: `x is defined`.

enum TemplateTests {
  typealias Test = @Sendable (TemplateValue, TemplateArguments) throws -> Bool

  static let all = makeAll()

  private static func makeAll() -> [String: Test] {
    var tests: [String: Test] = [:]
    tests["defined"] = { value, _ in !value.isUndefined }
    tests["undefined"] = { value, _ in value.isUndefined }
    tests["none"] = { value, _ in if case .none = value { true } else { false } }
    tests["boolean"] = { value, _ in if case .bool = value { true } else { false } }
    tests["true"] = { value, _ in if case .bool(true) = value { true } else { false } }
    tests["false"] = { value, _ in if case .bool(false) = value { true } else { false } }
    tests["integer"] = { value, _ in if case .integer = value { true } else { false } }
    tests["float"] = { value, _ in if case .number = value { true } else { false } }
    tests["number"] = { value, _ in value.double != nil }
    tests["string"] = { value, _ in if case .text = value { true } else { false } }
    tests["mapping"] = { value, _ in if case .mapping = value { true } else { false } }
    tests["callable"] = { value, _ in if case .function = value { true } else { false } }
    tests["iterable"] = { value, _ in (try? value.elements()) != nil }
    tests["sequence"] = { value, _ in
      switch value {
      case .text, .list, .tuple, .mapping, .undefined: true
      default: false
      }
    }
    tests["odd"] = { value, _ in try whole(value) % 2 != 0 }
    tests["even"] = { value, _ in try whole(value) % 2 == 0 }
    tests["divisibleby"] = { value, arguments in
      guard let divisor = try arguments.whole(0, "num"), divisor != 0 else { throw TemplateProblem("division by zero") }
      // The remainder of the lowest number and -1 is 0, and the division an overflow.
      return try divisor == -1 || whole(value) % divisor == 0
    }
    tests["lower"] = { value, _ in isCased(value.string.plain) && value.string.plain == value.string.plain.lowercased()
    }
    tests["upper"] = { value, _ in isCased(value.string.plain) && value.string.plain == value.string.plain.uppercased()
    }
    tests["sameas"] = { value, arguments in
      guard let other = arguments.value(0, "other") else { return false }
      return value.kind == other.kind && value.isEqual(to: other)
    }
    tests["in"] = { value, arguments in
      guard let other = arguments.value(0, "seq") else { throw TemplateProblem("\"in\" needs a value") }
      return try other.contains(value)
    }
    tests["test"] = { value, _ in TemplateTests.all[value.string.plain] != nil }
    @Sendable func other(_ arguments: TemplateArguments) throws -> TemplateValue {
      guard let value = arguments.value(0, "other") else { throw TemplateProblem("a comparison needs a value") }
      return value
    }
    for name in ["eq", "equalto", "=="] { tests[name] = { try $0.isEqual(to: other($1)) } }
    for name in ["ne", "!="] { tests[name] = { try !$0.isEqual(to: other($1)) } }
    for name in ["lt", "lessthan", "<"] { tests[name] = { try $0.isLess(than: other($1)) } }
    for name in ["gt", "greaterthan", ">"] { tests[name] = { try other($1).isLess(than: $0) } }
    for name in ["le", "<="] { tests[name] = { try !other($1).isLess(than: $0) } }
    for name in ["ge", ">="] { tests[name] = { try !$0.isLess(than: other($1)) } }
    return tests
  }

  private static func whole(_ value: TemplateValue) throws -> Int {
    guard let whole = value.whole else { throw TemplateProblem("\(value.kind) is no whole number") }
    return whole
  }

  private static func isCased(_ text: String) -> Bool { text.unicodeScalars.contains { $0.properties.isCased } }
}
