// A checked record of any format, in the few forms that examples are encoded from. Texts are compared by code points,
// as in Python; Swift's == would treat é and e + ´ as equal.

package import Checkpoints

/// The content of a record, before it becomes tokens.
package struct ExampleRecord: Sendable, Equatable {
  package var form: Form
  /// Whether its completion is desirable, if the data has labels.
  package var label: Bool?
  /// What its chat brings besides messages.
  package var context = ChatTemplate.Context()
  /// Whether a system field was ignored, because the prompt is already rendered.
  package var ignoresSystem = false

  package init(_ form: Form, label: Bool? = nil) { (self.form, self.label) = (form, label) }

  package enum Form: Sendable, Equatable {
    /// TRL's standard form: a prompt text and one or two completion texts.
    case texts(prompt: String, completions: [String])
    /// TRL's conversational form.
    case messages(prompt: [ChatMessage], completions: [[ChatMessage]])
    /// axolotl's preference formats: a chat whose last turn is the beginning of the assistant's answer.
    case chat(ChatPrompt, prefill: String, completions: [String])
    /// One conversation; the assistant's turns are trained.
    case conversation([ChatMessage], TrainedTurns)
    case alpaca(instruction: String, input: String, output: String)
    /// A text that is trained as a whole.
    case text(String)
  }

  package enum ChatPrompt: Sendable, Equatable {
    /// ChatML without a default system message.
    case chatML([ChatMessage])
    /// Rendered with the model's template.
    case template([ChatMessage])
    /// Already rendered as ChatML, up to the assistant's header.
    case rendered(String)
  }

  /// The tokens of a conversation that are trained.
  package enum TrainedTurns: Sendable, Equatable {
    /// TRL's `assistant_only_loss`: the assistant's answers.
    case answers
    /// axolotl's `chat_template`: the contents of turns and the tokens that end them; nothing of an empty turn.
    case turns(TurnTraining)
  }

  /// Reads and checks a record. It gives two records if KTO splits a pair. Fields that the format does not define are
  /// ignored.
  /// - Parameters:
  ///   - type: nil for TRL's formats.
  ///   - kind: the wanted kind; nil accepts any.
  /// - Throws: `RecordProblem` if a field is missing or has the wrong type, or if the prompt or a completion would be
  ///   empty.
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
      if fields.roles == nil { values.fields.roles = ["user": ["human"], "assistant": ["gpt"]] }
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
      throw RecordProblem("type \(type) has nothing that is preferred: remove `rl`, or give the data's own `type`")
    }
  }

  /// Whether both completions are equal, so that the pair has no preference.
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
