// Python's dict.

/// Members in the order of their insertion.
struct TemplateMapping: Sendable {
  typealias Member = (key: TemplateValue, value: TemplateValue)

  private(set) var members: [Member]

  /// - Parameter members: of different keys.
  init(_ members: [Member] = []) { self.members = members }

  private func place(of key: TemplateValue, _ budget: TemplateBudget) throws -> Int? {
    if case .text(let text) = key { return try place(of: text.plain, budget) }
    return try members.firstIndex { try $0.key.isEqual(to: key, budget) }
  }

  private func place(of name: String, _ budget: TemplateBudget) throws(TemplateProblem) -> Int? {
    try budget.read(bytes: name.utf8.count + members.count)
    return members.firstIndex { if case .text(let text) = $0.key { text.isEqual(to: name) } else { false } }
  }

  func value(of key: TemplateValue, _ budget: TemplateBudget) throws -> TemplateValue? {
    try place(of: key, budget).map { members[$0].value }
  }

  func value(of name: String, _ budget: TemplateBudget) throws(TemplateProblem) -> TemplateValue? {
    try place(of: name, budget).map { members[$0].value }
  }

  mutating func set(_ key: TemplateValue, _ value: TemplateValue, _ budget: TemplateBudget) throws {
    if let place = try place(of: key, budget) {
      members[place].value = value
    } else {
      members.append((key, value))
    }
  }

  /// Sets every member of another one.
  mutating func merge(_ other: Self, _ budget: TemplateBudget) throws {
    try budget.spend(other.members.count)
    if members.isEmpty {
      self = other
    } else {
      for member in other.members { try set(member.key, member.value, budget) }
    }
  }
}
