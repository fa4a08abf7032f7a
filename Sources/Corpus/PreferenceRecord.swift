// A preference record under TRL's rules: standard or conversational, with an explicit or an implicit prompt.
// Texts are compared as code points, as Python does; Swift's == would take é and e + ´ for the same.

package import Checkpoints

/// What the fields of a preference record are called.
package struct PreferenceFields: Sendable, Equatable {
  package var prompt = "prompt"
  package var chosen = "chosen"
  package var rejected = "rejected"

  package init() {}
}

/// One prompt with a chosen and a rejected completion.
package enum PreferenceRecord: Sendable, Equatable {
  case standard(prompt: String, chosen: String, rejected: String)
  case conversational(prompt: [ChatMessage], chosen: [ChatMessage], rejected: [ChatMessage])

  /// Reads and checks a record. Fields it does not know are ignored.
  ///
  /// Without a prompt field, or with a text for a prompt beside conversations, the prompt is the common start
  /// of chosen and rejected (TRL's `extract_prompt`).
  /// - Throws: `RecordProblem` when a field is missing, has the wrong type, or nothing would be left of the
  ///   prompt or a completion.
  package init(_ value: JSONValue, fields: PreferenceFields = PreferenceFields()) throws(RecordProblem) {
    if let tools = value["tools"], tools != .null, tools != .array([]) {
      throw RecordProblem(field: "tools", "tool descriptions are not supported: remove the field")
    }
    let prompt = try value[fields.prompt].map { member throws(RecordProblem) in
      try Content(member, field: fields.prompt)
    }
    let chosen = try Content(required: fields.chosen, of: value)
    let rejected = try Content(required: fields.rejected, of: value)
    switch (prompt, chosen, rejected) {
    case (.text(let prompt), .text(let chosen), .text(let rejected)):
      self = .standard(prompt: prompt, chosen: chosen, rejected: rejected)
    case (nil, .text(let chosen), .text(let rejected)):
      self = Self.standard(chosen, rejected)
    case (.messages(let prompt), .messages(let chosen), .messages(let rejected)):
      self = .conversational(prompt: prompt, chosen: chosen, rejected: rejected)
    case (nil, .messages(let chosen), .messages(let rejected)),
      (.text, .messages(let chosen), .messages(let rejected)):
      self = Self.conversational(chosen, rejected)
    case (.messages, .text, .text):
      throw RecordProblem(
        field: fields.chosen, "expected a list of messages like \"\(fields.prompt)\", found a text")
    case (_, .text, .messages), (_, .messages, .text):
      throw RecordProblem(
        field: fields.rejected, "expected a text or messages like \"\(fields.chosen)\", found the other")
    }
    try checkParts(fields, implicit: prompt == nil || prompt?.isText != chosen.isText)
  }

  private func checkParts(_ fields: PreferenceFields, implicit: Bool) throws(RecordProblem) {
    let empty: (prompt: Bool, chosen: Bool, rejected: Bool)
    switch self {
    case .standard(let prompt, let chosen, let rejected):
      empty = (prompt.isEmpty, chosen.isEmpty, rejected.isEmpty)
    case .conversational(let prompt, let chosen, let rejected):
      empty = (
        prompt.isEmpty, chosen.allSatisfy(\.content.isEmpty), rejected.allSatisfy(\.content.isEmpty)
      )
    }
    if empty.chosen { throw RecordProblem(field: fields.chosen, "the completion is empty") }
    if empty.rejected { throw RecordProblem(field: fields.rejected, "the completion is empty") }
    guard empty.prompt else { return }
    if implicit {
      throw RecordProblem(
        "expected a prompt: \"\(fields.chosen)\" and \"\(fields.rejected)\" have no common start to take for it"
      )
    }
    throw RecordProblem(field: fields.prompt, "the prompt is empty")
  }

  /// Whether both completions are the same, so that the pair prefers nothing.
  package var isEqualPair: Bool {
    switch self {
    case .standard(_, let chosen, let rejected): chosen.utf8.elementsEqual(rejected.utf8)
    case .conversational(_, let chosen, let rejected):
      chosen.elementsEqual(rejected) { $0.isSame(as: $1) }
    }
  }

  // MARK: Implicit prompts

  /// Splits off the common start; a space before the difference goes to the completions. When one text starts
  /// the other, its last code point is kept for the completions.
  private static func standard(_ chosen: String, _ rejected: String) -> PreferenceRecord {
    let (first, second) = (chosen.unicodeScalars, rejected.unicodeScalars)
    var (end, secondEnd) = (first.startIndex, second.startIndex)
    while end < first.endIndex, secondEnd < second.endIndex, first[end] == second[secondEnd] {
      end = first.index(after: end)
      secondEnd = second.index(after: secondEnd)
    }
    let differs = end < first.endIndex && secondEnd < second.endIndex
    if end > first.startIndex, !differs || first[first.index(before: end)] == " " {
      end = first.index(before: end)
      secondEnd = second.index(before: secondEnd)
    }
    return .standard(
      prompt: String(first[..<end]), chosen: String(first[end...]), rejected: String(second[secondEnd...]))
  }

  /// Splits off the common messages; the last message of the shorter conversation is never part of the prompt.
  private static func conversational(
    _ chosen: [ChatMessage], _ rejected: [ChatMessage]
  ) -> PreferenceRecord {
    var common = 0
    while common < min(chosen.count, rejected.count) - 1, chosen[common].isSame(as: rejected[common]) {
      common += 1
    }
    return .conversational(
      prompt: Array(chosen[..<common]), chosen: Array(chosen[common...]), rejected: Array(rejected[common...])
    )
  }

  // MARK: Fields

  /// The value of a field: a text or a conversation.
  private enum Content: Equatable {
    case text(String)
    case messages([ChatMessage])

    var isText: Bool {
      if case .text = self { true } else { false }
    }

    init(required field: String, of value: JSONValue) throws(RecordProblem) {
      guard let member = value[field] else { throw RecordProblem(field: field, "the field is missing") }
      try self.init(member, field: field)
    }

    init(_ value: JSONValue, field: String) throws(RecordProblem) {
      switch value {
      case .string(let text): self = .text(text)
      case .array(let elements):
        guard !elements.isEmpty else { throw RecordProblem(field: field, "the list of messages is empty") }
        var messages: [ChatMessage] = []
        for (place, element) in elements.enumerated() {
          messages.append(try Self.message(element, field: "\(field)[\(place)]"))
        }
        self = .messages(messages)
      default:
        throw RecordProblem(
          field: field, "expected a text or a list of messages, found \(value.kind)")
      }
    }

    private static func message(_ value: JSONValue, field: String) throws(RecordProblem) -> ChatMessage {
      guard value.members != nil else {
        throw RecordProblem(
          field: field, "expected a message, {\"role\": …, \"content\": …}, found \(value.kind)")
      }
      let role = try text("role", of: value, field: field)
      guard ["system", "user", "assistant"].contains(role) else {
        throw RecordProblem(field: "\(field).role", "expected system, user or assistant, found another role")
      }
      return ChatMessage(role: role, content: try text("content", of: value, field: field))
    }

    private static func text(
      _ name: String, of message: JSONValue, field: String
    ) throws(RecordProblem) -> String {
      guard let value = message[name] else {
        throw RecordProblem(field: "\(field).\(name)", "the field is missing")
      }
      guard let text = value.string else {
        throw RecordProblem(field: "\(field).\(name)", "expected a text, found \(value.kind)")
      }
      return text
    }
  }
}

extension ChatMessage {
  /// Equal code point for code point.
  fileprivate func isSame(as other: ChatMessage) -> Bool {
    role.utf8.elementsEqual(other.role.utf8) && content.utf8.elementsEqual(other.content.utf8)
  }
}

extension JSONValue {
  /// What kind of value this is, for messages that must not show the value.
  fileprivate var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .integer, .number: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
