// The reading of messages: roles, contents in parts, tool calls, reasoning, and what of them is trained.

import Checkpoints

extension RecordValues {
  /// The messages of a field: a list, one message, or the JSON text of a list.
  func messages(_ field: RecordFields.Field) throws(RecordProblem) -> [ChatMessage] {
    try messages(try required(field), field: fields[field])
  }

  func messages(_ value: JSONValue, field: String) throws(RecordProblem) -> [ChatMessage] {
    if value.members != nil { return [try message(value, field: field)] }
    guard let elements = value.array else {
      throw RecordProblem(field: field, "expected a list of messages, found \(value.kind)")
    }
    guard !elements.isEmpty else { throw RecordProblem(field: field, "the list of messages is empty") }
    var messages: [ChatMessage] = []
    for (place, element) in elements.enumerated() {
      messages.append(try message(element, field: "\(field)[\(place)]"))
    }
    return messages
  }

  /// A message of a known role.
  func message(_ value: JSONValue, field: String) throws(RecordProblem) -> ChatMessage {
    let message = try anyMessage(value, field: field)
    let known = RecordFields.usualRoles + (fields.roles?.keys.sorted() ?? [])
    guard known.contains(message.role) else {
      let names = known.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
      let isWord = message.role.count <= 40 && message.role.allSatisfy { $0.isLetter || "_-".contains($0) }
      let name = isWord ? message.role : "…"
      throw RecordProblem(
        field: "\(field).\(fields.role)",
        "the role \"\(name)\" is unknown: expected \(names.joined(separator: ", ")); the data set's `roles` says what it "
          + "is, such as roles: {user: [user, \(name)]}, or makes it a role of its own, {\(name): [\(name)]}")
    }
    return message
  }

  /// A message of any role.
  func anyMessage(_ value: JSONValue, field: String) throws(RecordProblem) -> ChatMessage {
    guard let members = value.members else {
      throw RecordProblem(
        field: field,
        "expected a message, {\"\(fields.role)\": …, \"\(fields.content)\": …}, found \(value.kind)")
    }
    func named(_ name: String) -> RecordProblem {
      RecordProblem(
        field: "\(field).\(name)", "the field is missing\(RecordHint.text(forMessage: value, fields: fields))")
    }
    guard let source = value[fields.role] else { throw named(fields.role) }
    guard let role = source.string else {
      throw RecordProblem(field: "\(field).\(fields.role)", "expected a text, found \(source.kind)")
    }
    var message = ChatMessage(role: fields.role(role), content: "")
    message.others = try others(members, of: value, field: field)
    switch value[fields.content] {
    case let content? where !content.isNull:
      try read(content, into: &message, field: "\(field).\(fields.content)")
    default:
      // Beside tool calls there is often nothing.
      guard message.calls != nil || message[fields.templateThinking] != nil else {
        if value[fields.content] == nil { throw named(fields.content) }
        throw RecordProblem(field: "\(field).\(fields.content)", "expected a text, found null")
      }
      message.hasContent = false
    }
    try readTraining(of: value, into: &message, field: field)
    if fields.splitsThinking, message.role == "assistant" { message.splitThinking(as: fields.templateThinking) }
    return message
  }

  /// What templates may use beside role and content.
  private func others(
    _ members: [JSONValue.Member], of value: JSONValue, field: String
  ) throws(RecordProblem) -> [JSONValue.Member] {
    var sources = fields.properties
    if fields.thinking != fields.templateThinking { sources[fields.templateThinking] = fields.thinking }
    let taken = Set(
      ["role", "content", fields.role, fields.content] + sources.values
        + [fields.training, fields.trainingDetail].compactMap(\.self))
    var others = members.filter { !taken.contains($0.name) && sources[$0.name] == nil && !$0.value.isNull }
    for (name, source) in sources.sorted(by: { $0.key < $1.key }) {
      if let value = value[source], !value.isNull { others.append(.init(name, value)) }
    }
    for place in others.indices {
      guard let parts = others[place].value.array, others[place].name == fields.templateThinking else { continue }
      let (text, training) = try text(ofParts: parts, field: "\(field).\(fields.thinking)")
      guard training.isEmpty else {
        throw RecordProblem(
          field: "\(field).\(fields.thinking)",
          "what of a reasoning is trained cannot be said: mark parts of the content")
      }
      others[place].value = .string(text)
    }
    return keepsNulls ? others : others.map { .init($0.name, $0.value.withoutNulls) }
  }

  // MARK: Contents

  private func read(_ content: JSONValue, into message: inout ChatMessage, field: String) throws(RecordProblem) {
    if let text = content.string {
      message.content = text
    } else if let parts = content.array {
      (message.content, message.parts) = try text(ofParts: parts, field: field)
    } else {
      throw RecordProblem(field: field, "expected a text or a list of text parts, found \(content.kind)")
    }
  }

  /// The parts' texts as one, and what of it is trained if a part says so.
  private func text(
    ofParts parts: [JSONValue], field: String
  ) throws(RecordProblem) -> (text: String, training: [ChatMessage.Part]) {
    var (text, training, saysWhat, points) = ("", [ChatMessage.Part](), false, 0)
    for (place, part) in parts.enumerated() {
      guard part.members != nil else {
        throw RecordProblem(
          field: "\(field)[\(place)]", "expected a text part, {\"type\": \"text\", \"text\": …}, found \(part.kind)")
      }
      if let type = part["type"], type != "text" {
        throw RecordProblem(
          field: "\(field)[\(place)]",
          "expected a part of type text, found \(type.string.map { "\"\($0.prefix(40))\"" } ?? type.kind): a model of texts "
            + "sees no other")
      }
      guard let own = ["text", "content", "value"].lazy.compactMap({ part[$0]?.string }).first else {
        throw RecordProblem(field: "\(field)[\(place)].text", "the field is missing, or no text")
      }
      let mark = part["train"] ?? part["weight"]
      let isTrained = mark.flatMap { $0.isNull ? nil : $0.truth ?? ($0.double != 0) }
      saysWhat = saysWhat || isTrained != nil
      let count = own.unicodeScalars.count
      if count > 0 { training.append(ChatMessage.Part(points..<points + count, isTrained: isTrained ?? true)) }
      text += own
      points += count
    }
    return (text, saysWhat ? training : [])
  }

  // MARK: Training

  private func readTraining(
    of value: JSONValue, into message: inout ChatMessage, field: String
  ) throws(RecordProblem) {
    if let name = fields.training, let mark = value[name], !mark.isNull {
      guard let isTrained = mark.truth else {
        throw RecordProblem(field: "\(field).\(name)", "expected true or false, found \(mark.kind)")
      }
      message.isTrained = isTrained
    }
    guard message.parts.isEmpty, let name = fields.trainingDetail, let details = value[name], !details.isNull else {
      return
    }
    let problem = RecordProblem(
      field: "\(field).\(name)",
      "expected a list of {\"begin_offset\": …, \"end_offset\": …, \"train\": …} with places in the content, the last one included"
    )
    guard let details = details.array else { throw problem }
    for detail in details {
      guard let begin = detail["begin_offset"]?.int, let end = detail["end_offset"]?.int,
        let train = detail["train"]?.truth,
        0 <= begin, begin <= end, end < Int.max
      else { throw problem }
      message.parts.append(ChatMessage.Part(begin..<end + 1, isTrained: train))
    }
    // A list of nothing trains nothing.
    if details.isEmpty { message.isTrained = message.isTrained ?? false }
  }
}

extension ChatMessage {
  subscript(name: String) -> JSONValue? { others.first { $0.name == name }?.value }

  /// The tool calls, if there are any.
  var calls: [JSONValue]? {
    guard let calls = self["tool_calls"]?.array, !calls.isEmpty else { return nil }
    return calls
  }

  /// Whether it says nothing, as a completion.
  var isSilent: Bool { content.isEmpty && calls == nil }

  /// The arguments of tool calls as values, where they are JSON texts.
  /// - Throws: `RecordProblem` if one is no JSON.
  mutating func parseArguments(field: String) throws(RecordProblem) {
    guard let calls, let place = others.firstIndex(where: { $0.name == "tool_calls" }) else { return }
    var parsed: [JSONValue] = []
    for (number, call) in calls.enumerated() {
      parsed.append(
        try call.parsing("arguments", in: "function", field: "\(field).tool_calls[\(number)].function.arguments"))
    }
    others[place].value = .array(parsed)
  }

  /// As axolotl's `split_thinking`: the reasoning between marks becomes a part of its own, and the rest the content.
  fileprivate mutating func splitThinking(as name: String) {
    let marks = [
      ("<think>", "</think>"), ("<reasoning>", "</reasoning>"), ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ]
    for (start, end) in marks {
      guard let first = content.firstRange(of: start), let last = content.firstRange(of: end) else { continue }
      let thought = first.upperBound <= last.lowerBound ? content[first.upperBound..<last.lowerBound] : ""
      var rest = String(content[last.upperBound...].unicodeScalars.drop { $0.properties.isWhitespace })
      let (open, close) = ("<|begin_of_solution|>", "<|end_of_solution|>")
      if let begin = rest.firstRange(of: open), let stop = rest.firstRange(of: close) {
        rest = begin.upperBound <= stop.lowerBound ? rest[begin.upperBound..<stop.lowerBound].trimmingSpace : ""
      }
      others.removeAll { $0.name == name }
      others.append(.init(name, .string(thought.trimmingSpace)))
      content = rest
      return
    }
  }
}

extension Substring {
  /// Without white space at both ends.
  var trimmingSpace: String {
    let scalars = unicodeScalars.drop { $0.properties.isWhitespace }
    let end = scalars.lastIndex { !$0.properties.isWhitespace }
    return end.map { String(scalars[...$0]) } ?? ""
  }
}

extension JSONValue {
  /// The value with a JSON text in it parsed: the member `name` of the member `owner`.
  func parsing(_ name: String, in owner: String, field: String) throws(RecordProblem) -> JSONValue {
    guard let text = self[owner]?[name]?.string else { return self }
    let parsed = try JSONValue.parsed(text, field: field)
    return replacing(owner) { $0.replacing(name) { _ in parsed } }
  }

  private func replacing(_ name: String, _ change: (JSONValue) -> JSONValue) -> JSONValue {
    guard let members else { return self }
    return .object(members.map { $0.name == name ? Member(name, change($0.value)) : $0 })
  }

  static func parsed(_ text: String, field: String) throws(RecordProblem) -> JSONValue {
    do { return try parse(text) } catch {
      throw RecordProblem(field: field, "expected JSON in the text: \(error)")
    }
  }
}
