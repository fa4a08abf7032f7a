// TRL's formats, identified by a record's fields: preference, unpaired preference, prompt-completion, conversations and
// texts.

import Checkpoints

extension ExampleRecord {
  static func trl(_ values: RecordValues, _ kind: ExampleKind?) throws(RecordProblem) -> [ExampleRecord] {
    let context = try values.context()
    var values = values
    let isLlamaFactory = values.takeLlamaFactory()
    var records = try trlForms(values, kind)
    var remarks: Set<RecordRemark> = isLlamaFactory ? [.llamaFactory] : []
    if !isLlamaFactory, values.hasSystem { remarks.insert(.unreadSystem) }
    if values.hasMarks { remarks.insert(.unreadMarks) }
    for place in records.indices { (records[place].context, records[place].remarks) = (context, remarks) }
    return records
  }

  private static func trlForms(_ values: RecordValues, _ kind: ExampleKind?) throws(RecordProblem) -> [ExampleRecord] {
    let isPair = values[.chosen] != nil && values[.rejected] != nil
    switch kind {
    case .pair: return [try pair(values)]
    case .labelled: return isPair ? try unpaired(values) : [try labelled(values)]
    case .completion: return [ExampleRecord(try single(values))]
    case nil:
      if values[.chosen] != nil || values[.rejected] != nil { return [try pair(values)] }
      return [ExampleRecord(try single(values))]
    }
  }

  // MARK: One completion

  /// The answer may be the last of `messages`, as in LLaMA-Factory's files.
  private static func labelled(_ values: RecordValues) throws(RecordProblem) -> ExampleRecord {
    let form: Form
    if values[.completion] == nil, values[.messages] != nil {
      let messages = try values.messages(.messages)
      guard messages.count > 1, let answer = messages.last, answer.role == "assistant", !answer.isSilent else {
        throw RecordProblem(
          field: values.fields[.messages],
          "expected a chat that ends with the assistant's answer, which the label is about")
      }
      form = .messages(prompt: messages.dropLast(), completions: [[answer]])
    } else {
      form = try promptAndCompletion(values)
    }
    return ExampleRecord(form, label: try values.label())
  }

  private static func single(_ values: RecordValues) throws(RecordProblem) -> Form {
    if values[.completion] != nil { return try promptAndCompletion(values) }
    if values[.messages] != nil { return .conversation(try values.messages(.messages), .answers) }
    if values[.text] != nil { return .text(try values.completion(.text)) }
    let fields = values.fields
    let hint =
      values[.chosen] == nil
      ? RecordHint.text(for: values.value)
      : "; to learn from \"\(fields[.chosen])\" alone set \(RecordFields.Field.completion.key): \(fields[.chosen])"
    throw RecordProblem(
      "expected \"\(fields[.completion])\" with \"\(fields[.prompt])\", or \"\(fields[.messages])\", or "
        + "\"\(fields[.text])\": the record has none of them\(hint)")
  }

  private static func promptAndCompletion(_ values: RecordValues) throws(RecordProblem) -> Form {
    let fields = values.fields
    let prompt = try values.content(.prompt)
    let completion = try values.content(.completion)
    if completion.isSilent { throw RecordProblem(field: fields[.completion], "the completion is empty") }
    switch (prompt, completion) {
    case (.text(""), _): throw RecordProblem(field: fields[.prompt], "the prompt is empty")
    case (.text(let prompt), .text(let completion)): return .texts(prompt: prompt, completions: [completion])
    case (.messages(let prompt), .messages(let completion)):
      return .messages(prompt: prompt, completions: [completion])
    case (.text(let prompt), .messages(let completion)) where completion[0].role == "assistant":
      return .messages(prompt: [ChatMessage(role: "user", content: prompt)], completions: [completion])
    case (.text, .messages), (.messages, .text):
      throw RecordProblem(
        field: fields[.completion], "expected a text or messages like \"\(fields[.prompt])\", found the other")
    }
  }

  // MARK: Pairs

  /// Splits a pair as TRL's KTOTrainer does: into a desirable and an undesirable completion.
  private static func unpaired(_ values: RecordValues) throws(RecordProblem) -> [ExampleRecord] {
    let forms: [Form] =
      switch try pair(values).form {
      case .texts(let prompt, let both): both.map { .texts(prompt: prompt, completions: [$0]) }
      case .messages(let prompt, let both): both.map { .messages(prompt: prompt, completions: [$0]) }
      case .formatted, .chat, .conversation, .segments, .text: []
      }
    return zip(forms, [true, false]).map { ExampleRecord($0, label: $1) }
  }

  /// If there is no prompt field, or if the prompt is a text beside conversations, the prompt is the common start of
  /// chosen and rejected (TRL's `extract_prompt`). Beside answers alone a text is what the user says, and `messages` are
  /// the chat before them.
  private static func pair(_ values: RecordValues) throws(RecordProblem) -> ExampleRecord {
    let fields = values.fields
    let prompt = values[.prompt] == nil ? nil : try values.content(.prompt)
    let chosen = try values.content(.chosen)
    let rejected = try values.content(.rejected)
    let form: Form
    switch (prompt, chosen, rejected) {
    case (.text(let prompt), .text(let chosen), .text(let rejected)):
      form = .texts(prompt: prompt, completions: [chosen, rejected])
    case (nil, .text(let chosen), .text(let rejected)) where values[.messages] != nil:
      form = .messages(
        prompt: try values.messages(.messages),
        completions: [chosen, rejected].map { [ChatMessage(role: "assistant", content: $0)] })
    case (nil, .text(let chosen), .text(let rejected)):
      // A question under another name is no accident.
      if let other = ["question", "instruction", "input"].first(where: values.has) {
        throw RecordProblem(
          field: fields[.prompt],
          "the field is missing\(RecordHint.text(for: values.value)); or set field_prompt: \(other)")
      }
      form = splitTexts(chosen, rejected)
    case (.messages(let prompt), .messages(let chosen), .messages(let rejected)):
      form = .messages(prompt: prompt, completions: [chosen, rejected])
    case (.text(let prompt), .messages(let chosen), .messages(let rejected))
    where !prompt.isEmpty && chosen[0].role == "assistant" && rejected[0].role == "assistant":
      form = .messages(prompt: [ChatMessage(role: "user", content: prompt)], completions: [chosen, rejected])
    case (nil, .messages(let chosen), .messages(let rejected))
    where values[.messages] != nil && chosen[0].role == "assistant" && rejected[0].role == "assistant":
      form = .messages(prompt: try values.messages(.messages), completions: [chosen, rejected])
    case (nil, .messages(let chosen), .messages(let rejected)),
      (.text, .messages(let chosen), .messages(let rejected)):
      form = splitMessages(chosen, rejected)
    case (.messages, .text, .text):
      throw RecordProblem(
        field: fields[.chosen], "expected a list of messages like \"\(fields[.prompt])\", found a text")
    case (_, .text, .messages), (_, .messages, .text):
      throw RecordProblem(
        field: fields[.rejected], "expected a text or messages like \"\(fields[.chosen])\", found the other")
    }
    try check(form, fields, isImplicit: prompt == nil || prompt?.isText != chosen.isText)
    return ExampleRecord(form)
  }

  private static func check(_ form: Form, _ fields: RecordFields, isImplicit: Bool) throws(RecordProblem) {
    let isPromptEmpty: Bool
    let contents: [RecordContent]
    switch form {
    case .texts(let prompt, let both): (isPromptEmpty, contents) = (prompt.isEmpty, both.map { .text($0) })
    case .messages(let prompt, let both): (isPromptEmpty, contents) = (prompt.isEmpty, both.map { .messages($0) })
    case .formatted, .chat, .conversation, .segments, .text: return
    }
    for (content, field) in zip(contents, [RecordFields.Field.chosen, .rejected]) where content.isSilent {
      throw RecordProblem(field: fields[field], "the completion is empty")
    }
    guard isPromptEmpty else { return }
    if isImplicit {
      throw RecordProblem(
        "expected a prompt: \"\(fields[.chosen])\" and \"\(fields[.rejected])\" have no common start to take "
          + "for it")
    }
    throw RecordProblem(field: fields[.prompt], "the prompt is empty")
  }

  /// Splits off the common start; a space before the difference goes to the completions. If one text is the start of
  /// the other, its last code point goes to the completions.
  private static func splitTexts(_ chosen: String, _ rejected: String) -> Form {
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
    return .texts(prompt: String(first[..<end]), completions: [String(first[end...]), String(second[secondEnd...])])
  }

  /// Splits off the common messages; the last message of the shorter conversation is never part of the prompt.
  private static func splitMessages(_ chosen: [ChatMessage], _ rejected: [ChatMessage]) -> Form {
    var common = 0
    while common < min(chosen.count, rejected.count) - 1, chosen[common].isSame(as: rejected[common]) { common += 1 }
    return .messages(
      prompt: Array(chosen[..<common]), completions: [Array(chosen[common...]), Array(rejected[common...])])
  }
}
