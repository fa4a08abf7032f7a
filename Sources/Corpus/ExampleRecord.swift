// A record of any format, checked, as the few forms that examples are encoded from. Texts are compared as code
// points, as Python does; Swift's == would take é and e + ´ for the same.

package import Checkpoints

/// What a record says, before it becomes tokens.
package struct ExampleRecord: Sendable, Equatable {
  package var form: Form
  /// Whether its completion is desirable, where the data says so.
  package var label: Bool?
  /// Whether a system field was passed over, because the prompt came rendered.
  package var ignoresSystem = false

  package init(_ form: Form, label: Bool? = nil) {
    (self.form, self.label) = (form, label)
  }

  package enum Form: Sendable, Equatable {
    /// TRL's standard form: texts that follow one another, one or two completions.
    case texts(prompt: String, completions: [String])
    /// TRL's conversational form.
    case messages(prompt: [ChatMessage], completions: [[ChatMessage]])
    /// axolotl's preference formats: a chat whose last turn the assistant has begun.
    case chat(ChatPrompt, prefill: String, completions: [String])
    /// One conversation, of which the assistant's turns are trained.
    case conversation([ChatMessage], TrainedTurns)
    case alpaca(instruction: String, input: String, output: String)
    /// All of which is trained.
    case text(String)
  }

  package enum ChatPrompt: Sendable, Equatable {
    /// ChatML without a default system message.
    case chatML([ChatMessage])
    /// By the model's template.
    case template([ChatMessage])
    /// ChatML already, as far as the assistant's header.
    case rendered(String)
  }

  /// Which tokens of a turn are trained.
  package enum TrainedTurns: Sendable, Equatable {
    /// TRL's `assistant_only_loss`: all that follows the role's name, up to the next turn.
    case afterRole
    /// axolotl's `chat_template`: the content and the token that ends the turn; of an empty turn nothing.
    /// (axolotl leaves the end out where it is not the tokenizer's end of sequence: such a model never stops.)
    case contentAndEnd
  }

  /// Reads and checks a record: two, when a pair becomes what KTO learns from. Fields a format does not know
  /// are ignored.
  /// - Parameters:
  ///   - type: nil for TRL's formats.
  ///   - kind: what is wanted; nil takes what is there.
  /// - Throws: `RecordProblem` when a field is missing, has the wrong type, or nothing would be left of the
  ///   prompt or a completion.
  package static func read(
    _ value: JSONValue, type: DatasetType? = nil, kind: ExampleKind? = nil, fields: RecordFields = RecordFields()
  ) throws(RecordProblem) -> [ExampleRecord] {
    if let tools = value["tools"], !tools.isNull, tools != .array([]) {
      throw RecordProblem(field: "tools", "tool descriptions are not supported: remove the field")
    }
    var values = RecordValues(value: value, fields: fields)
    switch type {
    case nil: return try trl(values, kind)
    case .argilla, .icr, .intel, .intelPrefilled, .promptPairs, .ultra: return try chatML(values, type, kind)
    case .chatTemplate:
      if fields.roles == nil {
        values.fields.roles = ["user": ["human"], "assistant": ["gpt"]]
      }
      return try chatTemplate(values, kind)
    case .alpaca:
      try requireCompletion(kind, "alpaca")
      let instruction = try values.text(.instruction)
      let input = try values.text(ifPresent: .input) ?? ""
      let output = try values.completion(.output)
      return [ExampleRecord(.alpaca(instruction: instruction, input: input, output: output))]
    case .completion:
      try requireCompletion(kind, "completion")
      return [ExampleRecord(.text(try values.completion(.text)))]
    }
  }

  private static func requireCompletion(_ kind: ExampleKind?, _ type: String) throws(RecordProblem) {
    guard kind == nil || kind == .completion else {
      throw RecordProblem(
        "type \(type) has nothing that is preferred: remove `rl`, or give the data's own `type`")
    }
  }

  /// Whether both completions are the same, so that the pair prefers nothing.
  package var isEqualPair: Bool {
    switch form {
    case .texts(_, let both), .chat(_, _, let both):
      both.count == 2 && both[0].utf8.elementsEqual(both[1].utf8)
    case .messages(_, let both):
      both.count == 2 && both[0].elementsEqual(both[1]) { $0.isSame(as: $1) }
    case .conversation, .alpaca, .text: false
    }
  }
}

extension ChatMessage {
  /// Equal code point for code point.
  func isSame(as other: ChatMessage) -> Bool {
    role.utf8.elementsEqual(other.role.utf8) && content.utf8.elementsEqual(other.content.utf8)
  }
}
