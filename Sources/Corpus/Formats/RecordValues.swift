// The reading of a record's values.

import Checkpoints

/// A record's values, by field.
struct RecordValues {
  let value: JSONValue
  var fields: RecordFields
  /// Whether null inside tools and tool calls stays. In data it stands for what a row of a table has not, and trainers
  /// take it out.
  var keepsNulls = false

  /// The value of a field; nil if the field is missing or null.
  subscript(field: RecordFields.Field) -> JSONValue? {
    guard let member = value[fields[field]], !member.isNull else { return nil }
    return member
  }

  /// The name that the data have for a format's field.
  func name(_ field: String) -> String { RecordFields.Field(rawValue: field).map { fields[$0] } ?? field }

  /// The value of a format's field; nil if the field is missing.
  func member(_ field: String) -> JSONValue? { value[name(field)] }

  /// Whether the field is there and not null.
  func has(_ field: String) -> Bool { member(field).map { !$0.isNull } ?? false }

  /// The first of the candidates that is present, or the last candidate.
  func first(of candidates: RecordFields.Field...) -> RecordFields.Field {
    candidates.first { self[$0] != nil } ?? candidates[candidates.count - 1]
  }

  func missing(_ field: String) -> RecordProblem {
    RecordProblem(field: name(field), "the field is missing\(RecordHint.text(for: value))")
  }

  // MARK: Values

  func required(named field: String) throws(RecordProblem) -> JSONValue {
    guard let member = member(field) else { throw missing(field) }
    return member
  }

  func required(_ field: RecordFields.Field) throws(RecordProblem) -> JSONValue {
    try required(named: field.rawValue)
  }

  func text(named field: String) throws(RecordProblem) -> String {
    let member = try required(named: field)
    guard let text = member.string else {
      throw RecordProblem(field: name(field), "expected a text, found \(member.kind)")
    }
    return text
  }

  func text(_ field: RecordFields.Field) throws(RecordProblem) -> String { try text(named: field.rawValue) }

  func text(ifPresent field: RecordFields.Field) throws(RecordProblem) -> String? {
    self[field] == nil ? nil : try text(field)
  }

  /// A text that is not empty.
  func completion(_ field: RecordFields.Field) throws(RecordProblem) -> String {
    let text = try text(field)
    guard !text.isEmpty else { throw RecordProblem(field: fields[field], "the completion is empty") }
    return text
  }

  /// A label; tables have 0 and 1.
  func label(named field: String = "label") throws(RecordProblem) -> Bool {
    let member = try required(named: field)
    guard let label = member.truth else {
      throw RecordProblem(field: name(field), "expected true or false, found \(member.kind)")
    }
    return label
  }

  /// A text, or messages; one message may stand without its list.
  func content(_ field: RecordFields.Field) throws(RecordProblem) -> RecordContent {
    let member = try required(field)
    if let text = member.string { return .text(text) }
    guard member.array != nil || member.members != nil else {
      throw RecordProblem(field: fields[field], "expected a text or a list of messages, found \(member.kind)")
    }
    return .messages(try messages(field))
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
    case .messages(let messages): messages.allSatisfy(\.isSilent)
    }
  }
}

extension JSONValue {
  /// True, false, or what tables have for them: 1 and 0, or a text.
  var truth: Bool? {
    switch self {
    case .bool(let value): value
    case .integer(0), .number(0): false
    case .integer(1), .number(1): true
    case .string(let text):
      switch text.lowercased() {
      case "false", "0", "0.0": false
      case "true", "1", "1.0": true
      default: nil
      }
    default: nil
    }
  }

  /// The value without members that are null, at any depth.
  var withoutNulls: JSONValue {
    switch self {
    case .array(let elements): .array(elements.map(\.withoutNulls))
    case .object(let members):
      .object(members.filter { !$0.value.isNull }.map { .init($0.name, $0.value.withoutNulls) })
    default: self
    }
  }

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
