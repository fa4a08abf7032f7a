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
  /// `loop`
  case loop(TemplateLoopState)

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
    case .function, .namespace, .loop: true
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
    case .loop: "LoopContext"
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

  /// Whether a text in it comes from data.
  var holdsData: Bool {
    switch self {
    case .text(let text): text.holdsData
    case .list(let elements), .tuple(let elements): elements.contains(where: \.holdsData)
    case .mapping(let mapping): mapping.members.contains { $0.key.holdsData || $0.value.holdsData }
    default: false
    }
  }

  /// For errors.
  var shown: String {
    switch self {
    case .text(let text): "\"\(text.plain.prefix(40))\""
    case .integer(let value): "\(value)"
    default: "of type \(kind)"
    }
  }
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
final class TemplateScope: Emptiable, @unchecked Sendable {
  // Sendable because one rendering, on one thread, uses it.
  private var values: [String: TemplateValue] = [:]
  private let parent: TemplateScope?
  var isKept = false

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

  func removeAll() { values = [:] }
}
