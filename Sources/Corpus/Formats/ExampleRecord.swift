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
  /// What its user is told about how it was read.
  package var remarks: Set<RecordRemark> = []

  package init(_ form: Form, label: Bool? = nil) { (self.form, self.label) = (form, label) }

  package enum Form: Sendable, Equatable {
    /// TRL's standard form: a prompt text and one or two completion texts.
    case texts(prompt: String, completions: [String])
    /// The same, written by formats.
    case formatted(prompt: [TextPart], completions: [[TextPart]])
    /// TRL's conversational form.
    case messages(prompt: [ChatMessage], completions: [[ChatMessage]])
    /// axolotl's preference formats: a chat whose last turn is the beginning of the assistant's answer.
    case chat(ChatPrompt, prefill: String, completions: [String])
    /// One conversation; the assistant's turns are trained.
    case conversation([ChatMessage], TrainedTurns)
    /// A text in stretches, some of them trained.
    case segments([TextSegment])
    /// A text that is trained as a whole.
    case text(String)
  }

  /// The messages that the model's template renders.
  var messages: [ChatMessage] {
    switch form {
    case .messages(let prompt, let completions): prompt + completions.joined()
    case .conversation(let messages, _), .chat(.template(let messages), _, _): messages
    default: []
    }
  }

  package enum ChatPrompt: Sendable, Equatable {
    /// ChatML without a default system message.
    case chatML([ChatMessage])
    /// Rendered with the model's template.
    case template([ChatMessage])
    /// The same, with all that the template writes after an answer.
    case wholeTemplate([ChatMessage])
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
    let values = RecordValues(value: value, fields: fields)
    guard let type else { return try trl(values, kind) }
    if let kind, !type.kinds.contains(kind) { throw RecordProblem(type.problem(with: kind)) }
    switch type {
    case .argilla, .argillaChat, .icr, .intel, .intelPrefilled, .promptPairs, .ultra:
      return try chatML(values, type, kind)
    case .chatTemplate, .shareGPT: return try chatTemplate(values, type, kind)
    case .conversationPairs: return [try conversationPair(values)]
    case .orpoPairs: return [try orpoPair(values)]
    case .instruction(let name):
      guard let format = InstructionFormat.named[name] else { preconditionFailure("no format \(name)") }
      var record = ExampleRecord(.segments(try segments(of: values, by: format)))
      if case .texts = format.system, values.hasSystem { record.remarks.insert(.unreadSystem) }
      return [record]
    case .segments: return [ExampleRecord(.segments(try segments(values)))]
    case .pygmalion: return [ExampleRecord(.segments(try pygmalion(values)))]
    case .own(let format): return try own(format, values, kind)
    case .completion: return [ExampleRecord(.text(try values.completion(.text)))]
    case .passthrough: return try trl(values, kind)
    }
  }

  /// Whether both completions are equal, so that the pair has no preference.
  package var isEqualPair: Bool {
    switch form {
    case .texts(_, let both), .chat(_, _, let both):
      both.count == 2 && both[0].utf8.elementsEqual(both[1].utf8)
    case .messages(_, let both):
      both.count == 2 && both[0].elementsEqual(both[1]) { $0.isSame(as: $1) }
    case .formatted(_, let both): both.count == 2 && both[0] == both[1]
    case .conversation, .segments, .text: false
    }
  }
}
