// What values cost that are made or read.

extension TemplateBudget {
  /// Accounts for a collection that is about to be made. Its parts may be shared, so that it means more than it takes.
  func make(_ value: TemplateValue) throws(TemplateProblem) -> TemplateValue {
    var left = Self.maximumValues
    try count(value, &left, Self.maximumNesting)
    try spend(Self.maximumValues - left)
    return value
  }

  private func count(_ value: TemplateValue, _ left: inout Int, _ levels: Int) throws(TemplateProblem) {
    left -= 1
    if left <= 0 { throw TemplateProblem("a value with more than \(Self.maximumValues) parts") }
    if levels <= 0 { throw TemplateProblem("values are nested deeper than \(Self.maximumNesting)") }
    switch value {
    case .list(let elements), .tuple(let elements):
      for element in elements { try count(element, &left, levels - 1) }
    case .mapping(let mapping):
      for member in mapping.members {
        try count(member.key, &left, levels - 1)
        try count(member.value, &left, levels - 1)
      }
    default: break
    }
  }

  /// The elements of something to loop over.
  func elements(of value: TemplateValue) throws(TemplateProblem) -> [TemplateValue] {
    switch value {
    case .undefined(let name):
      if isStrict { throw TemplateProblem("\(name) is undefined") }
      return []
    case .list(let elements), .tuple(let elements):
      try read(bytes: elements.count)
      return elements
    case .mapping(let mapping):
      try read(bytes: mapping.members.count * 4)
      return mapping.members.map(\.key)
    case .text(let text):
      try read(bytes: text.byteCount)
      try make(parts: text.count)
      return text.letters.map { .text($0) }
    default: throw TemplateProblem("\(value.kind) is nothing to loop over")
    }
  }
}
