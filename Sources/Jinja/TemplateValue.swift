// The values of a template: Python's, as far as data and text go.

import Checkpoints

/// A value.
indirect enum TemplateValue: Sendable {
  /// Something that is not there; its name is for errors.
  case undefined(String)
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case text(TemplateText)
  case list([TemplateValue])
  case tuple([TemplateValue])
  case mapping(TemplateMapping)
  case function(TemplateFunction)
  /// The object that `namespace()` makes, whose members can be set.
  case namespace(TemplateScope)

  static func text(_ text: String) -> Self { .text(TemplateText(text)) }

  /// Data from outside.
  init(_ json: JSONValue) { self.init(json, message: nil) }

  /// The message with an index; its content's text knows of which message it is.
  init(message json: JSONValue, index: Int) {
    guard case .object(let members) = json else {
      self.init(json)
      return
    }
    self = .mapping(
      TemplateMapping(
        members.map {
          (
            .text(TemplateText($0.name, .data(message: nil))),
            Self($0.value, message: $0.name == "content" ? index : nil)
          )
        }))
  }

  private init(_ json: JSONValue, message: Int?) {
    switch json {
    case .null: self = .none
    // What is wrong in a value is an error where the value is used.
    case .unusable(let error): self = .undefined("a value that is no JSON (\(error.reason))")
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(Int(value))
    case .number(let value): self = .number(value)
    case .string(let text): self = .text(TemplateText(text, .data(message: message)))
    case .array(let elements): self = .list(elements.map { Self($0, message: message) })
    case .object(let members):
      self = .mapping(
        TemplateMapping(
          members.map { (.text(TemplateText($0.name, .data(message: nil))), Self($0.value, message: message)) }))
    }
  }

  /// Python's truth.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .number(let value): value != 0
    case .text(let text): !text.isEmpty
    case .list(let elements), .tuple(let elements): !elements.isEmpty
    case .mapping(let mapping): !mapping.members.isEmpty
    case .function, .namespace: true
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// The name of Python's type.
  var kind: String {
    switch self {
    case .undefined(let name): "\(name), which is undefined"
    case .none: "None"
    case .bool: "bool"
    case .integer: "int"
    case .number: "float"
    case .text: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .mapping: "dict"
    case .function: "function"
    case .namespace: "namespace"
    }
  }

  /// A number, with true and false as 1 and 0.
  var double: Double? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// A whole number, with true and false as 1 and 0.
  var whole: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .integer(let value): value
    default: nil
    }
  }

  /// Takes the number of its values from a number, until that is 0.
  func count(into left: inout Int) {
    left -= 1
    switch self {
    case .list(let elements), .tuple(let elements):
      for element in elements where left > 0 { element.count(into: &left) }
    case .mapping(let mapping):
      for member in mapping.members where left > 0 {
        member.key.count(into: &left)
        member.value.count(into: &left)
      }
    default: break
    }
  }

  /// The elements of something to loop over.
  func elements() throws(TemplateProblem) -> [TemplateValue] {
    switch self {
    case .undefined: []
    case .list(let elements), .tuple(let elements): elements
    case .mapping(let mapping): mapping.members.map(\.key)
    case .text(let text): text.letters.map { .text($0) }
    default: throw TemplateProblem("\(kind) is nothing to loop over")
    }
  }
}

/// A dict: members in the order of their insertion.
struct TemplateMapping: Sendable {
  private(set) var members: [(key: TemplateValue, value: TemplateValue)] = []

  init(_ members: [(TemplateValue, TemplateValue)]) {
    for (key, value) in members { self[key] = value }
  }

  subscript(key: TemplateValue) -> TemplateValue? {
    get { members.first { $0.key.isEqual(to: key) }?.value }
    set {
      guard let newValue else { return }
      if let place = members.firstIndex(where: { $0.key.isEqual(to: key) }) {
        members[place].value = newValue
      } else {
        members.append((key, newValue))
      }
    }
  }

  subscript(name: String) -> TemplateValue? { self[.text(name)] }
}

/// What can be called.
struct TemplateFunction: Sendable {
  let name: String
  let call: @Sendable (TemplateBudget, TemplateArguments) throws -> TemplateValue
}

/// The arguments of a call.
struct TemplateArguments {
  var positional: [TemplateValue] = []
  var named: [(name: String, value: TemplateValue)] = []

  func value(_ place: Int, _ name: String) -> TemplateValue? {
    place < positional.count ? positional[place] : named.first { $0.name == name }?.value
  }

  func text(_ place: Int, _ name: String) throws(TemplateProblem) -> TemplateText? {
    guard let value = value(place, name) else { return nil }
    guard case .text(let text) = value else {
      throw TemplateProblem("expected a text for \(name), found \(value.kind)")
    }
    return text
  }

  func whole(_ place: Int, _ name: String) throws(TemplateProblem) -> Int? {
    guard let value = value(place, name) else { return nil }
    if case .none = value { return nil }
    guard let whole = value.whole else {
      throw TemplateProblem("expected a whole number for \(name), found \(value.kind)")
    }
    return whole
  }
}

/// Values by name, and the scope around.
final class TemplateScope: @unchecked Sendable {
  // Sendable because one rendering, on one thread, uses it.
  private var values: [String: TemplateValue] = [:]
  private let parent: TemplateScope?

  init(_ parent: TemplateScope? = nil) { self.parent = parent }

  subscript(name: String) -> TemplateValue? {
    get {
      var scope: TemplateScope? = self
      while let here = scope {
        if let value = here.values[name] { return value }
        scope = here.parent
      }
      return nil
    }
    set { values[name] = newValue }
  }
}

// MARK: Comparison

extension TemplateValue {
  /// Python's ==.
  func isEqual(to other: Self) -> Bool {
    switch (self, other) {
    case (.text(let a), .text(let b)): return a == b
    case (.none, .none), (.undefined, .undefined): return true
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      return a.count == b.count && zip(a, b).allSatisfy { $0.isEqual(to: $1) }
    case (.mapping(let a), .mapping(let b)):
      return a.members.count == b.members.count
        && a.members.allSatisfy { member in b[member.key]?.isEqual(to: member.value) ?? false }
    case (.namespace(let a), .namespace(let b)): return a === b
    default:
      if let a = whole, let b = other.whole { return a == b }
      if let a = double, let b = other.double { return a == b }
      return false
    }
  }

  /// Python's <.
  func isLess(than other: Self) throws(TemplateProblem) -> Bool {
    switch (self, other) {
    case (.text(let a), .text(let b)):
      // The order of UTF-8 is that of code points.
      return a.plain.utf8.lexicographicallyPrecedes(b.plain.utf8)
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (x, y) in zip(a, b) where !x.isEqual(to: y) { return try x.isLess(than: y) }
      return a.count < b.count
    default:
      guard let a = double, let b = other.double else {
        throw TemplateProblem("\(kind) and \(other.kind) have no order")
      }
      return a < b
    }
  }

  /// Python's `in`.
  func contains(_ element: Self) throws(TemplateProblem) -> Bool {
    switch self {
    case .text(let text):
      guard case .text(let part) = element else {
        throw TemplateProblem("\(element.kind) cannot be in a text")
      }
      return part.isEmpty || !text.places(of: part, limit: 1).isEmpty
    case .mapping(let mapping): return mapping[element] != nil
    default: return try elements().contains { $0.isEqual(to: element) }
    }
  }

  /// The places of the values in ascending order; equal ones stay as they are.
  static func order(_ values: [Self]) throws(TemplateProblem) -> [Int] {
    var problem: TemplateProblem?
    let places = values.indices.sorted { a, b in
      guard problem == nil else { return a < b }
      do throws(TemplateProblem) {
        if try values[a].isLess(than: values[b]) { return true }
        return try values[b].isLess(than: values[a]) ? false : a < b
      } catch {
        problem = error
        return a < b
      }
    }
    if let problem { throw problem }
    return places
  }
}
