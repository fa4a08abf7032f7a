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
      case .argillaChat: wantsOne ? .completion : .chosen
      case .argilla: wantsOne ? .instruction : values.first(of: .prompt, .input, .question, .instruction)
      default: .prompt
      }
    let isChat = type == .argillaChat
    let text = isChat ? try questionAndAnswer(values, field).question : try values.text(field)
    let system = isChat ? "" : try values.text(ifPresent: .system) ?? ""
    let prefill = type == .intelPrefilled ? try values.text(ifPresent: .prefill) ?? "" : ""
    let isRendered = type == .intelPrefilled && text.utf8.starts(with: ChatTemplate.start.utf8)
    let turns = [ChatMessage(role: "system", content: system), ChatMessage(role: "user", content: text)]
    let prompt: ChatPrompt = isRendered ? .rendered(text) : .chatML(Array(turns[(system.isEmpty ? 1 : 0)...]))

    func record(_ completions: [String], label: Bool? = nil) -> ExampleRecord {
      var record = ExampleRecord(.chat(prompt, prefill: prefill, completions: completions), label: label)
      if isRendered, !system.isEmpty { record.remarks.insert(.ignoredSystem) }
      if isChat, values.hasSystem { record.remarks.insert(.unreadSystem) }
      return record
    }
    if wantsOne {
      let completion = isChat ? try questionAndAnswer(values, .completion).answer : try values.completion(.completion)
      return [record([completion], label: kind == .labelled ? try values.label() : nil)]
    }
    let chosen = type == .argilla ? values.first(of: .chosen, .chosenResponse) : .chosen
    let rejected = type == .argilla ? values.first(of: .rejected, .rejectedResponse) : .rejected
    let both =
      type == .ultra || isChat
      ? [try questionAndAnswer(values, chosen).answer, try questionAndAnswer(values, rejected).answer]
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

  /// A conversation of one question and one answer.
  private static func questionAndAnswer(
    _ values: RecordValues, _ field: RecordFields.Field
  ) throws(RecordProblem) -> (question: String, answer: String) {
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
    return (messages[0].content, messages[1].content)
  }

  // MARK: input_output, pygmalion

  static func segments(_ values: RecordValues) throws(RecordProblem) -> [TextSegment] {
    let name = "segments"
    let list = try values.required(named: name)
    guard let elements = list.array, !elements.isEmpty else {
      throw RecordProblem(field: name, "expected a list of {\"text\": …, \"label\": …}, found \(list.kind)")
    }
    var segments: [TextSegment] = []
    for (place, element) in elements.enumerated() {
      guard let text = element["text"]?.string, let label = element["label"]?.truth else {
        throw RecordProblem(
          field: "\(name)[\(place)]", "expected {\"text\": …, \"label\": …} with a text and true or false, found other")
      }
      segments.append(TextSegment([.field(text)], trainedFrom: label ? 0 : nil))
    }
    guard segments.contains(where: { $0.trainedFrom != nil && $0.parts[0].text != "" }) else {
      throw RecordProblem(field: name, "no segment with a text has the label true, so that there is nothing to learn")
    }
    return segments
  }

  static func pygmalion(_ values: RecordValues) throws(RecordProblem) -> [TextSegment] {
    let name = "conversations"
    let list = try values.required(named: name)
    guard let elements = list.array, !elements.isEmpty else {
      throw RecordProblem(field: name, "expected a list of {\"role\": …, \"value\": …}, found \(list.kind)")
    }
    var segments: [TextSegment] = []
    for (place, element) in elements.enumerated() {
      guard let role = element["role"]?.string, let value = element["value"]?.string else {
        throw RecordProblem(
          field: "\(name)[\(place)]", "expected {\"role\": …, \"value\": …} with two texts, found other")
      }
      switch role {
      case "system":
        let start = "\n<START>"
        let text =
          value.utf8.suffix(start.utf8.count).elementsEqual(start.utf8)
          ? String(decoding: value.utf8.dropLast(start.utf8.count), as: UTF8.self) : value
        segments.append(TextSegment([.literal("<|system|>Persona: "), .field(text.trimmingSpace)]))
        segments[segments.count - 1].hasBeginning = true
      case "human": segments.append(TextSegment([.literal("<|user|> "), .field(value.trimmingSpace)]))
      case "bot":
        let text = value.trimmingSpace
        segments.append(
          TextSegment([.literal("<|model|>"), .literal(" "), .field(text)], trainedFrom: 1, endings: 1))
      default:
        throw RecordProblem(field: "\(name)[\(place)].role", "expected system, human or bot, found another text")
      }
    }
    guard segments.contains(where: { $0.trainedFrom != nil }) else {
      throw RecordProblem(field: name, "no turn is the bot's, so that there is nothing to learn")
    }
    // axolotl never trains the other turns.
    for place in segments.indices { segments[place].mayTrainAll = false }
    return segments
  }
}
