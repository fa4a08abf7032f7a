// Python's comparisons. Every one is accounted for before it is made.

import Tensors

extension TemplateValue {
  /// Python's ==.
  func isEqual(to other: Self, _ budget: TemplateBudget) throws -> Bool {
    try budget.read(bytes: 4)
    switch (self, other) {
    case (.text(let a), .text(let b)):
      guard a.byteCount == b.byteCount else { return false }
      try budget.read(bytes: a.byteCount)
      return a == b
    case (.none, .none), (.undefined, .undefined): return true
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      guard a.count == b.count else { return false }
      for (x, y) in zip(a, b) where try !x.isEqual(to: y, budget) { return false }
      return true
    case (.mapping(let a), .mapping(let b)):
      guard a.members.count == b.members.count else { return false }
      for (x, y) in zip(a.members, b.members) {
        // The order is mostly the same.
        let value = try x.key.isEqual(to: y.key, budget) ? y.value : b.value(of: x.key, budget)
        guard let value, try x.value.isEqual(to: value, budget) else { return false }
      }
      return true
    case (.namespace(let a), .namespace(let b)): return a === b
    case (.loop(let a), .loop(let b)): return a === b
    default:
      if let a = whole, let b = other.whole { return a == b }
      if let a = double, let b = other.double { return a == b }
      return false
    }
  }

  /// Python's <.
  func isLess(than other: Self, _ budget: TemplateBudget) throws -> Bool {
    try budget.spend()
    switch (self, other) {
    case (.text(let a), .text(let b)):
      // The order of UTF-8 is that of code points.
      let (a, b) = (a.plain.utf8, b.plain.utf8)
      let common = a.commonPrefixCount(b)
      try budget.read(bytes: common)
      return a.dropFirst(common).first.map(Int.init) ?? -1 < b.dropFirst(common).first.map(Int.init) ?? -1
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (x, y) in zip(a, b) where try !x.isEqual(to: y, budget) { return try x.isLess(than: y, budget) }
      return a.count < b.count
    default:
      guard let a = double, let b = other.double else {
        throw TemplateProblem("\(kind) and \(other.kind) have no order")
      }
      return a < b
    }
  }

  /// Python's `in`.
  func contains(_ element: Self, _ budget: TemplateBudget) throws -> Bool {
    switch self {
    case .text(let text):
      guard case .text(let part) = element else {
        throw TemplateProblem("\(element.kind) cannot be in a text")
      }
      try budget.read(bytes: text.byteCount)
      return part.isEmpty || !text.places(of: part, limit: 1).isEmpty
    case .mapping(let mapping): return try mapping.value(of: element, budget) != nil
    default: return try budget.elements(of: self).contains { try $0.isEqual(to: element, budget) }
    }
  }

  /// The places of the values in ascending order; equal ones stay as they are.
  static func order(_ values: [Self], _ budget: TemplateBudget) throws -> [Int] {
    try values.indices.sorted { a, b in
      if try values[a].isLess(than: values[b], budget) { return true }
      return try values[b].isLess(than: values[a], budget) ? false : a < b
    }
  }
}
