// axolotl's formats: src/axolotl/prompt_strategies of version 0.19, and `chatml.intel_prefilled`.

import Checkpoints

extension ExampleRecord {
  // MARK: chatml.*

  static func chatML(
    _ values: RecordValues, _ type: DatasetType?, _ kind: ExampleKind?
  ) throws(RecordProblem) -> [ExampleRecord] {
    let wantsOne = wantsOne(values, kind)
    let field: RecordFields.Field =
      switch type {
      case .intel, .intelPrefilled: .question
      case .icr: .input
      case .argilla: wantsOne ? .instruction : values.first(of: .prompt, .input, .question, .instruction)
      default: .prompt
      }
    let text = try values.text(field)
    let system = try values.text(ifPresent: .system) ?? ""
    let prefill = type == .intelPrefilled ? try values.text(ifPresent: .prefill) ?? "" : ""
    let isRendered = type == .intelPrefilled && text.utf8.starts(with: "<|im_start|>".utf8)
    let turns = [ChatMessage(role: "system", content: system), ChatMessage(role: "user", content: text)]
    let prompt: ChatPrompt = isRendered ? .rendered(text) : .chatML(Array(turns[(system.isEmpty ? 1 : 0)...]))

    func record(_ completions: [String], label: Bool? = nil) -> ExampleRecord {
      var record = ExampleRecord(.chat(prompt, prefill: prefill, completions: completions), label: label)
      record.ignoresSystem = isRendered && !system.isEmpty
      return record
    }
    if wantsOne {
      let completion = try values.completion(.completion)
      return [record([completion], label: kind == .labelled ? try values.label() : nil)]
    }
    let chosen = type == .argilla ? values.first(of: .chosen, .chosenResponse) : .chosen
    let rejected = type == .argilla ? values.first(of: .rejected, .rejectedResponse) : .rejected
    let both =
      type == .ultra
      ? [try answer(values, chosen), try answer(values, rejected)]
      : [try values.completion(chosen), try values.completion(rejected)]
    return kind == .labelled
      ? zip(both, [true, false]).map { record([$0], label: $1) } : [record(both)]
  }

  /// Whether one completion is wanted, instead of chosen and rejected.
  private static func wantsOne(_ values: RecordValues, _ kind: ExampleKind?) -> Bool {
    switch kind {
    case .pair: false
    case .completion: true
    case .labelled, nil: values[.completion] != nil
    }
  }

  /// The assistant's message of a conversation with one question and one answer.
  private static func answer(_ values: RecordValues, _ field: RecordFields.Field) throws(RecordProblem) -> String {
    let messages = try values.messages(field)
    guard messages.count == 2 else {
      throw RecordProblem(
        field: values.fields[field],
        "expected two messages, a question and its answer, found \(messages.count): type chat_template and "
          + "TRL's formats take longer conversations")
    }
    guard !messages[1].content.isEmpty else {
      throw RecordProblem(field: values.fields[field], "the completion is empty")
    }
    return messages[1].content
  }

  // MARK: chat_template

  static func chatTemplate(_ values: RecordValues, _ kind: ExampleKind?) throws(RecordProblem) -> [ExampleRecord] {
    let isPair = kind == .pair || kind == nil && values[.chosen] != nil
    guard !isPair else {
      let question = values[.messages]?.string
      let prompt: [ChatMessage]
      if let question {
        prompt = [ChatMessage(role: "user", content: question)]
      } else {
        prompt = try values.messages(.messages)
      }
      let both = [try lastTurn(values, .chosen), try lastTurn(values, .rejected)]
      return [ExampleRecord(.chat(.template(prompt), prefill: "", completions: both))]
    }
    guard kind != .labelled else {
      throw RecordProblem("type chat_template has no labels: kto takes chatml.* and TRL's formats")
    }
    var messages = try values.messages(.messages)
    if messages[0].role != "system", let system = try values.text(ifPresent: .system) {
      messages.insert(ChatMessage(role: "system", content: system), at: 0)
    }
    return [ExampleRecord(.conversation(messages, .turns(TurnTraining())))]
  }

  /// The assistant's text: a text, a message, or a conversation's last message.
  private static func lastTurn(_ values: RecordValues, _ field: RecordFields.Field) throws(RecordProblem) -> String {
    let name = values.fields[field]
    let value = try values.required(field)
    let message: ChatMessage?
    switch value {
    case .string(let text): message = ChatMessage(role: "assistant", content: text)
    case .array: message = try values.messages(field).last
    default: message = try values.message(value, field: name)
    }
    guard let message, message.role == "assistant" else {
      throw RecordProblem(field: name, "expected the assistant's message, found another role's")
    }
    guard !message.content.isEmpty else { throw RecordProblem(field: name, "the completion is empty") }
    return message.content
  }
}
