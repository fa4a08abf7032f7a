// Jinja's filters of lists and mappings.

extension TemplateFilters {
  static let collections = makeCollections()

  private static func makeCollections() -> [String: Filter] {
    var filters: [String: Filter] = [:]
    filters["default"] = fallback
    filters["d"] = fallback
    filters["length"] = length
    filters["count"] = length
    filters["first"] = { budget, value, _ in
      try end(of: value, isLast: false, budget) ?? .undefined("the first of nothing")
    }
    filters["last"] = { budget, value, _ in
      try end(of: value, isLast: true, budget) ?? .undefined("the last of nothing")
    }
    filters["list"] = { budget, value, _ in .list(try budget.elements(of: value)) }
    filters["reverse"] = { budget, value, _ in
      guard case .text(let text) = value else { return .list(try budget.elements(of: value).reversed()) }
      try budget.make(bytes: text.byteCount)
      try budget.read(bytes: text.byteCount)
      return .text(text.reversed)
    }
    filters["join"] = { budget, value, arguments in
      var elements = try budget.elements(of: value)
      if let name = arguments.value(1, "attribute") {
        elements = try elements.map { try attribute(name, of: $0, budget) }
      }
      let separator = try arguments.value(0, "d").map { try budget.string(of: $0) } ?? TemplateText("")
      let parts = try elements.map { try budget.string(of: $0) }
      try budget.make(bytes: parts.reduce(0) { $0 + $1.byteCount + separator.byteCount })
      return .text(TemplateText.joined(parts, separator: separator))
    }
    filters["items"] = { budget, value, _ in
      if value.isUndefined { return .list([]) }
      guard case .mapping(let mapping) = value else {
        throw TemplateProblem("items needs a mapping, found \(value.kind)")
      }
      try budget.spend(mapping.members.count)
      return .list(mapping.members.map { .tuple([$0.key, $0.value]) })
    }
    filters["dictsort"] = { budget, value, arguments in
      guard case .mapping(let mapping) = value else { throw TemplateProblem("dictsort needs a mapping") }
      let byValue = try arguments.text(1, "by")?.plain == "value"
      let places = try order(
        mapping.members.map { byValue ? $0.value : $0.key },
        isCased: arguments.value(0, "case_sensitive")?.isTrue ?? false, budget)
      let pairs = places.map { TemplateValue.tuple([mapping.members[$0].key, mapping.members[$0].value]) }
      return .list(arguments.value(2, "reverse")?.isTrue ?? false ? pairs.reversed() : pairs)
    }
    filters["sort"] = { budget, value, arguments in
      let elements = try budget.elements(of: value)
      let keys = try arguments.value(2, "attribute").map { name in
        try elements.map { try attribute(name, of: $0, budget) }
      }
      let isReversed = arguments.value(0, "reverse")?.isTrue ?? false
      // Python keeps the order of equal elements in both directions.
      var places = try order(
        isReversed ? (keys ?? elements).reversed() : keys ?? elements,
        isCased: arguments.value(1, "case_sensitive")?.isTrue ?? false, budget)
      if isReversed { places = places.reversed().map { elements.count - 1 - $0 } }
      return .list(places.map { elements[$0] })
    }
    filters["unique"] = { budget, value, arguments in
      let isCased = arguments.value(0, "case_sensitive")?.isTrue ?? false
      var seen: [TemplateValue] = []
      return .list(
        try budget.elements(of: value).filter { element in
          let key = try folded(element, isCased: isCased, budget)
          guard try !seen.contains(where: { try $0.isEqual(to: key, budget) }) else { return false }
          seen.append(key)
          return true
        })
    }
    filters["sum"] = { budget, value, arguments in
      var elements = try budget.elements(of: value)
      if let name = arguments.value(0, "attribute") {
        elements = try elements.map { try attribute(name, of: $0, budget) }
      }
      let start = arguments.value(1, "start") ?? .integer(0)
      if let wholes = elements.map(\.whole) as? [Int], let first = start.whole {
        return .integer(
          try wholes.reduce(first) { sum, whole in
            let sum = sum.addingReportingOverflow(whole)
            guard !sum.overflow else { throw TemplateProblem("a number is too large") }
            return sum.partialValue
          })
      }
      return .number(
        try elements.reduce(start.double ?? 0) { sum, element in
          guard let number = element.double else { throw TemplateProblem("\(element.kind) is no number") }
          return sum + number
        })
    }
    filters["min"] = { budget, value, _ in try extreme(value, takesLast: false, budget) }
    filters["max"] = { budget, value, _ in try extreme(value, takesLast: true, budget) }
    filters["map"] = { budget, value, arguments in
      let elements = value.isTrue ? try budget.elements(of: value) : []
      try budget.spend(elements.count)
      if let name = arguments.named.first(where: { $0.name == "attribute" })?.value {
        let other = arguments.named.first { $0.name == "default" }?.value
        return .list(
          try elements.map { element in
            let found = try attribute(name, of: element, budget)
            return found.isUndefined ? other ?? found : found
          })
      }
      guard let name = try arguments.text(0, "filter")?.plain, let filter = all[name] else {
        throw TemplateProblem("map needs the name of a filter, or attribute=…")
      }
      let rest = TemplateArguments(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
      return .list(try elements.map { try filter(budget, $0, rest) })
    }
    filters["batch"] = { budget, value, arguments in
      guard let size = try arguments.whole(0, "linecount"), size > 0 else {
        throw TemplateProblem("batch needs a size")
      }
      let elements = try budget.elements(of: value)
      // Batches of batches are nested as deep as a loop is long.
      return try budget.make(
        .list(stride(from: 0, to: elements.count, by: size).map { .list(Array(elements[$0...].prefix(size))) }))
    }
    for (name, byAttribute, keeps) in [
      ("select", false, true), ("reject", false, false), ("selectattr", true, true), ("rejectattr", true, false),
    ] {
      filters[name] = { budget, value, arguments in
        let elements = value.isTrue ? try budget.elements(of: value) : []
        try budget.spend(elements.count)
        var rest = arguments.positional[...]
        let key = byAttribute ? rest.popFirst() : nil
        let test = try rest.popFirst().map { name in
          guard let test = TemplateTests.all[try budget.text(of: name).plain] else {
            throw TemplateProblem("unknown test \(name.shown)")
          }
          return test
        }
        let others = TemplateArguments(positional: Array(rest), named: arguments.named)
        return .list(
          try elements.filter { element in
            let subject = try key.map { try attribute($0, of: element, budget) } ?? element
            return try (test.map { try $0(budget, subject, others) } ?? subject.isTrue) == keeps
          })
      }
    }
    return filters
  }

  private static let fallback: Filter = { budget, value, arguments in
    let other = arguments.value(0, "default_value") ?? .text("")
    let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
    return value.isUndefined || (replacesFalse && !value.isTrue) ? other : value
  }

  private static let length: Filter = { budget, value, _ in
    switch value {
    case .text(let text):
      try budget.read(bytes: text.byteCount)
      return .integer(text.count)
    case .list(let elements), .tuple(let elements): return .integer(elements.count)
    case .mapping(let mapping): return .integer(mapping.members.count)
    case .undefined where !budget.isStrict: return .integer(0)
    default: throw TemplateProblem("\(value.kind) has no length")
    }
  }

  /// A member by a dotted name or an index.
  private static func attribute(_ name: TemplateValue, of value: TemplateValue, _ budget: TemplateBudget)
    throws(TemplateProblem) -> TemplateValue
  {
    if let place = name.whole {
      let elements = try budget.elements(of: value)
      return elements.indices.contains(place) ? elements[place] : .undefined("element \(place)")
    }
    var found = value
    for part in try budget.text(of: name).plain.split(separator: ".") {
      try budget.spend()
      switch found {
      case .mapping(let mapping): found = try mapping.value(of: String(part), budget) ?? .undefined(String(part))
      case .namespace(let scope): found = scope[String(part)] ?? .undefined(String(part))
      case .list(let elements), .tuple(let elements):
        found = Int(part).flatMap { elements.indices.contains($0) ? elements[$0] : nil } ?? .undefined(String(part))
      default: return .undefined(String(part))
      }
    }
    return found
  }

  private static func end(of value: TemplateValue, isLast: Bool, _ budget: TemplateBudget) throws(TemplateProblem)
    -> TemplateValue?
  {
    switch value {
    case .list(let elements), .tuple(let elements): return isLast ? elements.last : elements.first
    case .text(let text):
      try budget.read(bytes: text.byteCount)
      let place = isLast ? text.count - 1 : 0
      return text.isEmpty ? nil : .text(text.slice(place..<place + 1))
    default:
      let elements = try budget.elements(of: value)
      return isLast ? elements.last : elements.first
    }
  }

  private static func folded(_ value: TemplateValue, isCased: Bool, _ budget: TemplateBudget) throws(TemplateProblem)
    -> TemplateValue
  {
    guard case .text(let text) = value, !isCased else { return value }
    try budget.make(bytes: text.byteCount)
    return .text(text.map { $0.lowercased() })
  }

  private static func order(_ keys: [TemplateValue], isCased: Bool, _ budget: TemplateBudget) throws -> [Int] {
    try TemplateValue.order(keys.map { try folded($0, isCased: isCased, budget) }, budget)
  }

  private static func extreme(_ value: TemplateValue, takesLast: Bool, _ budget: TemplateBudget) throws
    -> TemplateValue
  {
    let elements = try budget.elements(of: value)
    let places = try order(elements, isCased: false, budget)
    guard let first = takesLast ? places.last : places.first else { return .undefined("the extreme of nothing") }
    // Of equal elements Python takes the first.
    let key = try folded(elements[first], isCased: false, budget)
    return try elements.first { try folded($0, isCased: false, budget).isEqual(to: key, budget) } ?? elements[first]
  }
}
