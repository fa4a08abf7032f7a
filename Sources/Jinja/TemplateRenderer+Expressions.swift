// Evaluates expressions.

import Tensors

extension TemplateRenderer {
  func evaluate(_ expression: TemplateExpression, _ scope: TemplateScope) throws -> TemplateValue {
    try descend()
    defer { depth -= 1 }
    switch expression {
    case .constant(let value): return value
    case .name(let name): return scope[name] ?? .undefined(name)
    case .list(let elements): return try budget.make(.list(elements.map { try evaluate($0, scope) }))
    case .tuple(let elements): return try budget.make(.tuple(elements.map { try evaluate($0, scope) }))
    case .mapping(let members):
      var mapping = TemplateMapping()
      for member in members { try mapping.set(evaluate(member.key, scope), evaluate(member.value, scope), budget) }
      return try budget.make(.mapping(mapping))
    case .attribute(let base, let name): return try attribute(name, of: evaluate(base, scope))
    case .item(let base, let key): return try item(evaluate(key, scope), of: evaluate(base, scope))
    case .slice(let base, let start, let stop, let step):
      func bound(_ expression: TemplateExpression?) throws -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression, scope)
        if case .none = value { return nil }
        guard let whole = value.whole else { throw TemplateProblem("\(value.kind) is no bound of a slice") }
        return whole
      }
      return try slice(evaluate(base, scope), bound(start), bound(stop), bound(step))
    case .call(let callee, let call):
      let function = try evaluate(callee, scope)
      let arguments = try arguments(call, scope)
      line = call.line
      return try invoke(function, arguments)
    case .filter(let base, let name, let call):
      let value = try evaluate(base, scope)
      return try apply(filter: name, to: value, arguments(call, scope))
    case .test(let base, let name, let call):
      let value = try evaluate(base, scope)
      return .bool(try apply(test: name, to: value, arguments(call, scope)))
    case .unary(let operation, let operand): return try unary(operation, evaluate(operand, scope))
    case .binary(let operation, let left, let right):
      return try binary(operation, evaluate(left, scope), evaluate(right, scope))
    case .comparison(let first, let rest):
      var left = try evaluate(first, scope)
      for (operation, operand) in rest {
        let right = try evaluate(operand, scope)
        guard try compare(operation, left, right) else { return .bool(false) }
        left = right
      }
      return .bool(true)
    case .and(let left, let right):
      let value = try evaluate(left, scope)
      return try truth(of: value) ? evaluate(right, scope) : value
    case .or(let left, let right):
      let value = try evaluate(left, scope)
      return try truth(of: value) ? value : evaluate(right, scope)
    case .choice(let value, let condition, let other):
      if try truth(of: evaluate(condition, scope)) { return try evaluate(value, scope) }
      return try other.map { try evaluate($0, scope) } ?? .undefined("the value of an \"if\" without \"else\"")
    case .concatenation(let parts):
      var text = TemplateText("")
      for part in parts {
        let next = try budget.string(of: evaluate(part, scope))
        try budget.make(bytes: next.byteCount, beside: text.byteCount)
        text.append(next)
      }
      return .text(text)
    }
  }

  // MARK: Parts

  func attribute(_ name: String, of value: TemplateValue) throws -> TemplateValue {
    switch value {
    case .undefined: throw TemplateProblem("\(value.kind), has no \(name)")
    case .namespace(let scope): return scope[name] ?? .undefined(name)
    case .loop(let loop): return loop[name]
    case .mapping(let mapping):
      return try TemplateMethods.method(name, of: value) ?? mapping.value(of: name, budget) ?? .undefined(name)
    default: return TemplateMethods.method(name, of: value) ?? .undefined(name)
    }
  }

  func item(_ key: TemplateValue, of value: TemplateValue) throws -> TemplateValue {
    switch value {
    case .undefined: throw TemplateProblem("\(value.kind), has no \(key.shown)")
    case .mapping(let mapping):
      if let found = try mapping.value(of: key, budget) { return found }
    case .list(let elements), .tuple(let elements):
      if let place = key.whole {
        let place = place < 0 ? place + elements.count : place
        return elements.indices.contains(place) ? elements[place] : .undefined("element \(place)")
      }
    case .text(let text):
      if let place = key.whole {
        try budget.read(bytes: text.byteCount)
        let count = text.count
        let place = place < 0 ? place + count : place
        return 0..<count ~= place ? .text(text.slice(place..<place + 1)) : .undefined("character \(place)")
      }
    default: break
    }
    // Jinja looks for an attribute then.
    if case .text(let text) = key { return try attribute(text.plain, of: value) }
    return .undefined("a member \(key.shown)")
  }

  private func slice(_ value: TemplateValue, _ start: Int?, _ stop: Int?, _ step: Int?) throws -> TemplateValue {
    func clamp(_ bound: Int?, _ lower: Int, _ upper: Int, _ usual: Int, _ count: Int) -> Int {
      guard let bound else { return usual }
      return min(max(bound < 0 ? bound + count : bound, lower), upper)
    }
    func places(_ count: Int) throws -> [Int] {
      try budget.read(bytes: count)
      let step = step ?? 1
      guard step != 0 else { throw TemplateProblem("the step of a slice is 0") }
      return step > 0
        ? Array(stride(from: clamp(start, 0, count, 0, count), to: clamp(stop, 0, count, count, count), by: step))
        : Array(
          stride(
            from: clamp(start, -1, count - 1, count - 1, count), to: clamp(stop, -1, count - 1, -1, count), by: step))
    }
    switch value {
    case .list(let elements): return .list(try places(elements.count).map { elements[$0] })
    case .tuple(let elements): return .tuple(try places(elements.count).map { elements[$0] })
    case .text(let text):
      try budget.make(bytes: text.byteCount)
      if step ?? 1 == 1 {
        let count = text.count
        let (start, stop) = (clamp(start, 0, count, 0, count), clamp(stop, 0, count, count, count))
        return .text(start < stop ? text.slice(start..<stop) : TemplateText(""))
      }
      try budget.make(parts: text.count)
      let letters = text.letters
      let places = try places(letters.count)
      return .text(TemplateText.joined(places.map { letters[$0] }))
    case .undefined: throw TemplateProblem("\(value.kind), has no parts")
    default: throw TemplateProblem("\(value.kind) has no parts")
    }
  }

  // MARK: Operators

  private func unary(_ operation: String, _ value: TemplateValue) throws -> TemplateValue {
    if operation == "not" { return .bool(try !truth(of: value)) }
    if let whole = value.whole {
      return operation == "-" ? try integer(whole.multipliedReportingOverflow(by: -1)) : .integer(whole)
    }
    guard let number = value.double else { throw TemplateProblem("\(value.kind) is no number") }
    return .number(operation == "-" ? -number : number)
  }

  private func integer(_ result: (partialValue: Int, overflow: Bool)) throws -> TemplateValue {
    guard !result.overflow else { throw TemplateProblem("a number is too large") }
    return .integer(result.partialValue)
  }

  private func binary(_ operation: String, _ left: TemplateValue, _ right: TemplateValue) throws -> TemplateValue {
    switch (operation, left, right) {
    case ("+", .text(let a), .text(let b)):
      try budget.make(bytes: a.byteCount + b.byteCount)
      return .text(a + b)
    case ("+", .list(let a), .list(let b)):
      return try budget.make(.list(a + b))
    case ("+", .tuple(let a), .tuple(let b)):
      return try budget.make(.tuple(a + b))
    case ("*", .text(let text), let count), ("*", let count, .text(let text)):
      guard let count = count.whole else { throw TemplateProblem("a text times \(count.kind)") }
      let bytes = text.byteCount.multipliedReportingOverflow(by: max(0, count))
      try budget.make(bytes: bytes.overflow ? .max : bytes.partialValue)
      // Runs of one origin are joined.
      if text.runs.count == 1 { return .text(text.map { String(repeating: $0, count: max(0, count)) }) }
      return .text(text.isEmpty ? text : TemplateText.joined(Array(repeating: text, count: max(0, count))))
    case ("*", .list(let elements), let count), ("*", let count, .list(let elements)):
      guard let count = count.whole else { throw TemplateProblem("a list times \(count.kind)") }
      let total = elements.count.multipliedReportingOverflow(by: max(0, count))
      guard !total.overflow, total.partialValue < 1_000_000 else { throw TemplateProblem("a list is too long") }
      return try budget.make(.list((0..<(elements.isEmpty ? 0 : max(0, count))).flatMap { _ in elements }))
    case ("%", .text(let format), _):
      let arguments: [TemplateValue] = if case .tuple(let elements) = right { elements } else { [right] }
      try budget.read(bytes: format.byteCount)
      return .text(try TemplateMethods.format(budget, format, arguments))
    default: break
    }
    if let a = left.whole, let b = right.whole {
      switch operation {
      case "+": return try integer(a.addingReportingOverflow(b))
      case "-": return try integer(a.subtractingReportingOverflow(b))
      case "*": return try integer(a.multipliedReportingOverflow(by: b))
      case "//", "%":
        guard b != 0, !(a == .min && b == -1) else { throw TemplateProblem("division by zero") }
        let remainder = a % b
        let isAdjusted = remainder != 0 && (remainder < 0) != (b < 0)
        return .integer(operation == "%" ? remainder + (isAdjusted ? b : 0) : a / b - (isAdjusted ? 1 : 0))
      case "**" where b >= 0:
        var result = 1
        for _ in 0..<min(b, 64) where a != 1 {
          let next = result.multipliedReportingOverflow(by: a)
          guard !next.overflow else { throw TemplateProblem("a number is too large") }
          result = next.partialValue
        }
        return .integer(b > 64 && a == -1 && b % 2 == 1 ? -1 : result)
      default: break
      }
    }
    guard let a = left.double, let b = right.double else {
      throw TemplateProblem("\"\(operation)\" does not go with \(left.kind) and \(right.kind)")
    }
    switch operation {
    case "+": return .number(a + b)
    case "-": return .number(a - b)
    case "*": return .number(a * b)
    case "**": return .number(Double.pow(a, b))
    case "/", "//", "%":
      guard b != 0 else { throw TemplateProblem("division by zero") }
      if operation == "/" { return .number(a / b) }
      let quotient = (a / b).rounded(.down)
      return .number(operation == "//" ? quotient : a - quotient * b)
    default: throw TemplateProblem("unknown operator \(operation)")
    }
  }

  private func compare(_ operation: String, _ left: TemplateValue, _ right: TemplateValue) throws -> Bool {
    if budget.isStrict {
      for case .undefined(let name) in [left, right] { throw TemplateProblem("\(name) is undefined") }
    }
    return switch operation {
    case "==": try left.isEqual(to: right, budget)
    case "!=": try !left.isEqual(to: right, budget)
    case "<": try left.isLess(than: right, budget)
    case ">": try right.isLess(than: left, budget)
    case "<=": try !right.isLess(than: left, budget)
    case ">=": try !left.isLess(than: right, budget)
    case "in": try right.contains(left, budget)
    default: try !right.contains(left, budget)
    }
  }
}
