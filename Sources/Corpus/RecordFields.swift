// The names of a record's fields, and the reading of their values.

import Checkpoints

/// The names of a record's fields that differ from the format's own: `field_prompt`, `field_messages`, …
package struct RecordFields: Sendable, Equatable {
  /// A field, by its name in the formats.
  package enum Field: String, Sendable, CaseIterable {
    case prompt, chosen, rejected, completion, label, messages, text
    case system, question, prefill, instruction, input, output
    case chosenResponse = "chosen_response"
    case rejectedResponse = "rejected_response"

    /// The configuration's key that renames the field.
    package var key: String { self == .text ? "field" : "field_\(rawValue)" }

    /// The fields that a format reads; renaming another field has no effect.
    package static func read(by type: DatasetType?) -> [Field] {
      let preference: [Field] = [.system, .chosen, .rejected, .completion, .label]
      return switch type {
      case nil: [.prompt, .chosen, .rejected, .completion, .label, .messages, .text]
      case .argilla:
        preference + [.prompt, .input, .question, .instruction, .chosenResponse, .rejectedResponse]
      case .icr: preference + [.input]
      case .intel: preference + [.question]
      case .intelPrefilled: preference + [.question, .prefill]
      case .promptPairs, .ultra: preference + [.prompt]
      case .alpaca: [.instruction, .input, .output]
      case .chatTemplate: [.messages, .system, .chosen, .rejected]
      case .completion: [.text]
      }
    }
  }

  /// `message_property_mappings`: the names of a message's role and content.
  package var role = "role"
  package var content = "content"
  /// `roles`: the data's names for each role of the template; nil: the format's names.
  package var roles: [String: [String]]?
  private var names: [Field: String] = [:]

  package init() {}

  package subscript(field: Field) -> String {
    get { names[field] ?? field.rawValue }
    set { names[field] = newValue }
  }
}

/// A record's values, by field.
struct RecordValues {
  let value: JSONValue
  var fields: RecordFields

  /// The value of a field; nil if the field is missing or null.
  subscript(field: RecordFields.Field) -> JSONValue? {
    guard let member = value[fields[field]], !member.isNull else { return nil }
    return member
  }

  /// The first of the candidates that is present, or the last candidate.
  func first(of candidates: RecordFields.Field...) -> RecordFields.Field {
    candidates.first { self[$0] != nil } ?? candidates[candidates.count - 1]
  }

  func required(_ field: RecordFields.Field) throws(RecordProblem) -> JSONValue {
    guard let member = value[fields[field]] else { throw RecordProblem(field: fields[field], "the field is missing") }
    return member
  }

  func text(_ field: RecordFields.Field) throws(RecordProblem) -> String {
    let member = try required(field)
    guard let text = member.string else {
      throw RecordProblem(field: fields[field], "expected a text, found \(member.kind)")
    }
    return text
  }

  func text(ifPresent field: RecordFields.Field) throws(RecordProblem) -> String? {
    self[field] == nil ? nil : try text(field)
  }

  /// A text that is not empty.
  func completion(_ field: RecordFields.Field) throws(RecordProblem) -> String {
    let text = try text(field)
    guard !text.isEmpty else { throw RecordProblem(field: fields[field], "the completion is empty") }
    return text
  }

  func label() throws(RecordProblem) -> Bool {
    let member = try required(.label)
    switch member {
    case .bool(let label): return label
    // As tables have it.
    case .integer(0), .number(0): return false
    case .integer(1), .number(1): return true
    default: throw RecordProblem(field: fields[.label], "expected true or false, found \(member.kind)")
    }
  }

  func content(_ field: RecordFields.Field) throws(RecordProblem) -> RecordContent {
    let member = try required(field)
    if let text = member.string { return .text(text) }
    guard member.array != nil else {
      throw RecordProblem(field: fields[field], "expected a text or a list of messages, found \(member.kind)")
    }
    return .messages(try messages(field))
  }

  func messages(_ field: RecordFields.Field) throws(RecordProblem) -> [ChatMessage] {
    let member = try required(field)
    guard let elements = member.array else {
      throw RecordProblem(field: fields[field], "expected a list of messages, found \(member.kind)")
    }
    guard !elements.isEmpty else { throw RecordProblem(field: fields[field], "the list of messages is empty") }
    var messages: [ChatMessage] = []
    for (place, element) in elements.enumerated() {
      messages.append(try message(element, field: "\(fields[field])[\(place)]"))
    }
    return messages
  }

  func message(_ value: JSONValue, field: String) throws(RecordProblem) -> ChatMessage {
    guard value.members != nil else {
      throw RecordProblem(
        field: field,
        "expected a message, {\"\(fields.role)\": …, \"\(fields.content)\": …}, found \(value.kind)")
    }
    for name in ["tool_calls", "tools"] {
      guard let tools = value[name], !tools.isNull, tools != .array([]) else { continue }
      throw RecordProblem(field: "\(field).\(name)", "tools are not supported: remove the field")
    }
    let source = try text(fields.role, of: value, field: field)
    let role = fields.roles?.first { $0.value.contains(source) }?.key ?? source
    guard ["system", "user", "assistant"].contains(role) else {
      throw RecordProblem(field: "\(field).\(fields.role)", "expected system, user or assistant, found another role")
    }
    return ChatMessage(role: role, content: try text(fields.content, of: value, field: field))
  }

  private func text(_ name: String, of message: JSONValue, field: String) throws(RecordProblem) -> String {
    guard let value = message[name] else { throw RecordProblem(field: "\(field).\(name)", "the field is missing") }
    guard let text = value.string else {
      throw RecordProblem(field: "\(field).\(name)", "expected a text, found \(value.kind)")
    }
    return text
  }
}

/// The value of a field that is a text or a conversation.
enum RecordContent: Equatable {
  case text(String)
  case messages([ChatMessage])

  var isText: Bool { if case .text = self { true } else { false } }

  /// Whether it is empty as a completion.
  var isSilent: Bool {
    switch self {
    case .text(let text): text.isEmpty
    case .messages(let messages): messages.allSatisfy(\.content.isEmpty)
    }
  }
}

extension JSONValue {
  /// The kind of this value, for messages that must not show the value.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .integer: "a number"
    case .number(let value): value.isFinite ? "a number" : "\(value.isNaN ? "NaN" : "an infinite number")"
    case .unusable(let error): "what is no JSON: \(error.reason)"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
