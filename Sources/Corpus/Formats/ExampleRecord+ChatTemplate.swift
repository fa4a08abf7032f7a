// axolotl's formats of conversations with the run's template: chat_template, and sharegpt as one of them.

import Checkpoints

extension ExampleRecord {
  static func chatTemplate(
    _ values: RecordValues, _ type: DatasetType, _ kind: ExampleKind?
  ) throws(RecordProblem) -> [ExampleRecord] {
    var values = values
    let isShareGPT = type == .shareGPT
    if values.fields.roles == nil {
      values.fields.roles = ["user": ["human", "user"], "assistant": ["gpt", "assistant"]]
    }
    if isShareGPT { values.takeShareGPT() }
    guard kind != .pair, kind != nil || values[.chosen] == nil else { return [try pairWithTemplate(values)] }
    var record = ExampleRecord(.conversation([], .turns(values.fields.turns)))
    var messages = try conversation(values)
    if messages[0].role != "system", let system = try values.text(ifPresent: .system) {
      messages.insert(ChatMessage(role: "system", content: system), at: 0)
    }
    if values.fields.dropsSystemMessage, messages[0].role == "system" { messages.removeFirst() }
    guard !messages.isEmpty else {
      throw RecordProblem(field: values.fields[.messages], "there is nothing but a system message, which is dropped")
    }
    for place in messages.indices {
      try messages[place].parseArguments(field: "\(values.fields[.messages])[\(place)]")
    }
    var turns = values.fields.turns
    turns.roles = turns.roles.map(values.fields.role)
    record.form = .conversation(messages, .turns(turns))
    record.context.tools = try values.toolsWithParameters()
    if isShareGPT { record.remarks.insert(.shareGPT) }
    if values.fields.training == nil, values.hasMarks { record.remarks.insert(.unreadMarks) }
    return [record]
  }

  /// Messages, or their JSON text.
  private static func conversation(_ values: RecordValues) throws(RecordProblem) -> [ChatMessage] {
    let name = values.fields[.messages]
    let value = try values.required(.messages)
    guard let text = value.string else { return try values.messages(.messages) }
    return try values.messages(try JSONValue.parsed(text, field: name), field: name)
  }

  // MARK: Pairs

  private static func pairWithTemplate(_ values: RecordValues) throws(RecordProblem) -> ExampleRecord {
    var prompt: [ChatMessage]
    if let question = values[.messages]?.string {
      prompt = [ChatMessage(role: "user", content: question)]
    } else {
      prompt = try plain(try values.messages(.messages), values.fields[.messages])
    }
    try refuseTools(values)
    let both = [try lastTurn(values, .chosen), try lastTurn(values, .rejected)]
    var remarks: Set<RecordRemark> = []
    if prompt[0].role != "system", let system = try values.text(ifPresent: .system), !system.isEmpty {
      prompt.insert(ChatMessage(role: "system", content: system), at: 0)
      remarks = [.preferenceSystem]
    }
    var record = ExampleRecord(.chat(.template(prompt), prefill: "", completions: both))
    record.remarks = remarks
    return record
  }

  /// `chat_template.argilla_chat`: the chat before the chosen answer is the prompt.
  static func conversationPair(_ values: RecordValues) throws(RecordProblem) -> ExampleRecord {
    try refuseTools(values)
    let name = values.fields[.chosen]
    let chosen = try plain(try values.messages(.chosen), name)
    guard chosen.count > 1 else {
      throw RecordProblem(field: name, "expected a conversation, a question and its answer, found one message")
    }
    let both = [try lastTurn(values, .chosen), try lastTurn(values, .rejected)]
    var record = ExampleRecord(.chat(.template(Array(chosen.dropLast())), prefill: "", completions: both))
    if values.hasSystem { record.remarks.insert(.unreadSystem) }
    return record
  }

  /// `chat_template.argilla`: turns alternate, and `prompt` may stand for the question.
  static func orpoPair(_ values: RecordValues) throws(RecordProblem) -> ExampleRecord {
    try refuseTools(values)
    let name = values.fields[.chosen]
    let chosen = try plain(try values.messages(.chosen), name)
    guard chosen.count % 2 == 0 else {
      throw RecordProblem(field: name, "expected questions and answers by turns, found \(chosen.count) messages")
    }
    var prompt = chosen.dropLast().enumerated().map { place, message in
      ChatMessage(role: place % 2 == 0 ? "user" : "assistant", content: message.content)
    }
    if let question = try values.text(ifPresent: .prompt) {
      guard prompt.count == 1 else {
        throw RecordProblem(
          field: values.fields[.prompt],
          "axolotl puts it in place of every question of \"\(name)\": remove the field, or use chat_template.argilla_chat"
        )
      }
      prompt[0].content = question
    }
    if let system = try values.text(ifPresent: .system), !system.isEmpty {
      prompt.insert(ChatMessage(role: "system", content: system), at: 0)
    }
    let both = [try lastTurn(values, .chosen), try lastTurn(values, .rejected)]
    return ExampleRecord(.chat(.wholeTemplate(prompt), prefill: "", completions: both))
  }

  /// The assistant's text: a text, a message, or a conversation's last message.
  private static func lastTurn(_ values: RecordValues, _ field: RecordFields.Field) throws(RecordProblem) -> String {
    let name = values.fields[field]
    let value = try values.required(field)
    let message =
      if let text = value.string { ChatMessage(role: "assistant", content: text) } else {
        try plain(try values.messages(field).suffix(1), name)[0]
      }
    guard message.role == "assistant" else {
      throw RecordProblem(field: name, "expected the assistant's message, found another role's")
    }
    guard !message.content.isEmpty else { throw RecordProblem(field: name, "the completion is empty") }
    return message.content
  }

  /// axolotl's preference formats know role and content alone.
  private static func plain(
    _ messages: some Collection<ChatMessage>, _ field: String
  ) throws(RecordProblem) -> [ChatMessage] {
    try messages.map { (message) throws(RecordProblem) in
      guard message.calls == nil else {
        throw RecordProblem(
          field: field, "axolotl's preference formats leave tool calls out: TRL's formats, without `type`, read them")
      }
      return ChatMessage(role: message.role, content: message.content)
    }
  }

  private static func refuseTools(_ values: RecordValues) throws(RecordProblem) {
    guard try values.tools() == nil else {
      throw RecordProblem(
        field: values.fields[.tools],
        "axolotl's preference formats leave tools out: TRL's formats, without `type`, read them")
    }
  }
}

extension RecordValues {
  /// Takes ShareGPT's names where the data set's keys give no others, or those of chats if the records have these.
  mutating func takeShareGPT() {
    let usual = RecordFields()
    if fields[.messages] == usual[.messages], value[fields[.messages]] == nil { fields[.messages] = "conversations" }
    let list = value[fields[.messages]]
    // Some have it as JSON text.
    guard let first = (list?.string.flatMap { try? JSONValue.parse($0) } ?? list)?.array?.first else { return }
    if fields.role == usual.role, first[fields.role] == nil || first["from"] != nil { fields.role = "from" }
    if fields.content == usual.content, first[fields.content] == nil || first["value"] != nil {
      fields.content = "value"
    }
  }

  /// Tools whose parameters are values too, as axolotl gives them to templates.
  fileprivate func toolsWithParameters() throws(RecordProblem) -> JSONValue? {
    guard let tools = try tools()?.array else { return nil }
    var parsed: [JSONValue] = []
    for (place, tool) in tools.enumerated() {
      parsed.append(
        try tool.parsing(
          "parameters", in: "function", field: "\(fields[.tools])[\(place)].function.parameters"))
    }
    return .array(parsed)
  }

  /// Whether there is a system text beside the chat.
  var hasSystem: Bool { self[.system]?.string.map { !$0.isEmpty } ?? false }

  /// Whether a turn is marked against what its role says: an answer as untrained, or another turn as trained.
  var hasMarks: Bool {
    let lists = [RecordFields.Field.messages, .prompt, .completion, .chosen, .rejected].compactMap { self[$0]?.array }
    return lists.contains { list in
      list.contains { message in
        ["weight", "train", "training"].contains { name in
          guard let mark = message[name] else { return false }
          let isAnswer = fields.role(message[fields.role]?.string ?? "") == "assistant"
          return mark.truth.map { $0 != isAnswer } ?? (mark.double == 0 && isAnswer)
        }
      }
    }
  }
}

extension String {
  /// Without white space at both ends.
  var trimmingSpace: String { Substring(self).trimmingSpace }
}
