// The names of a record's fields, and of its messages' parts.

/// What a data set's keys say about its records: `field_prompt`, `field_messages`, `roles`, …
package struct RecordFields: Sendable, Equatable {
  /// A field, by its name in the formats.
  package enum Field: String, Sendable, CaseIterable {
    case prompt, chosen, rejected, completion, label, messages, text
    case system, question, prefill, instruction, input, output, tools
    case chosenResponse = "chosen_response"
    case rejectedResponse = "rejected_response"

    /// The configuration's key that renames the field.
    package var key: String { self == .text ? "field" : "field_\(rawValue)" }
  }

  /// `message_property_mappings`: the names of a message's role and content.
  package var role = "role"
  package var content = "content"
  /// The names of other parts of a message, by the names that templates use.
  package var properties: [String: String] = [:]
  /// `field_thinking`, and `template_thinking_key`: what a message and a template call an answer's reasoning.
  package var thinking = "reasoning_content"
  package var templateThinking = "reasoning_content"
  /// `split_thinking`: whether reasoning inside an answer's content becomes a part of its own.
  package var splitsThinking = false
  /// `drop_system_message`.
  package var dropsSystemMessage = false
  /// `message_field_training`: the part of a message that says whether it is trained.
  package var training: String?
  /// `message_field_training_detail`: the part that lists what of the content is trained.
  package var trainingDetail: String?
  /// `roles`: the data's names for each role of the template; nil: the format's names.
  package var roles: [String: [String]]?
  /// Which tokens of a conversation are trained.
  package var turns = TurnTraining()
  private var names: [Field: String] = [:]

  package init() {}

  package subscript(field: Field) -> String {
    get { names[field] ?? field.rawValue }
    set { names[field] = newValue }
  }

  /// Gives a field the format's own name again.
  package mutating func reset(_ field: Field) { names[field] = nil }

  /// The roles that templates have.
  static let usualRoles = ["system", "user", "assistant", "tool"]

  /// The template's role for a name in the data.
  func role(_ name: String) -> String {
    roles?.sorted { $0.key < $1.key }.first { $0.value.contains(name) }?.key ?? name
  }
}
