// What collections cost.

extension TemplateBudget {
  /// Accounts for a collection that is about to be made. Its parts may be shared, so that it means more than it takes.
  func make(_ value: TemplateValue) throws(TemplateProblem) -> TemplateValue {
    var left = Self.maximumValues
    value.count(into: &left)
    if left <= 0 { throw TemplateProblem("a value with more than \(Self.maximumValues) parts") }
    try spend(Self.maximumValues - left)
    return value
  }
}
