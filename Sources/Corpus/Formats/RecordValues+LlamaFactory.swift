// LLaMA-Factory's files of preferences: `instruction`, `input` and `history`, or `conversations` with `from` and `value`,
// beside chosen and rejected, or an answer with `kto_tag`. They are read as TRL's formats are.

import Checkpoints

extension RecordValues {
  /// Takes a record of LLaMA-Factory for one of TRL's.
  /// - Returns: whether it is one.
  mutating func takeLlamaFactory() -> Bool {
    let hasPair = self[.chosen] != nil && self[.rejected] != nil
    let label = self[.label] ?? value["kto_tag"]
    // LLaMA-Factory's columns may call an instruction so.
    guard self[.prompt] == nil || fields[.instruction] == fields[.prompt], self[.completion] == nil,
      hasPair || label != nil, let members = value.members
    else {
      return false
    }
    var chat: [JSONValue]
    var added: [JSONValue.Member] = []
    if self[.messages] == nil, let conversations = value["conversations"]?.array, !conversations.isEmpty {
      if conversations[0]["from"] != nil {
        if fields.role == "role" { fields.role = "from" }
        if fields.content == "content" { fields.content = "value" }
      }
      if fields.roles == nil { fields.roles = ["user": ["human", "user"], "assistant": ["gpt", "assistant"]] }
      chat = conversations
    } else if let instruction = self[.instruction]?.string, hasPair ? isText(.chosen) : isText(.output) {
      let input = self[.input]?.string ?? ""
      chat = history + [message("user", input.isEmpty ? instruction : "\(instruction)\n\(input)")]
      if hasPair {
        for field in [RecordFields.Field.chosen, .rejected] {
          added.append(.init(fields[field], message("assistant", self[field]?.string ?? "")))
        }
      } else {
        chat.append(message("assistant", self[.output]?.string ?? ""))
      }
    } else {
      return takeTag(label)
    }
    if let system = self[.system]?.string, !system.isEmpty, chat[0][fields.role] != "system" {
      chat.insert(message("system", system), at: 0)
    }
    added.append(.init(fields[.messages], .array(chat)))
    if let label { added.append(.init(fields[.label], label)) }
    replace(members, with: added)
    return true
  }

  /// A record that is TRL's but for the label's name.
  private mutating func takeTag(_ label: JSONValue?) -> Bool {
    guard self[.label] == nil, let label, let members = value.members else { return false }
    replace(members, with: [.init(fields[.label], label)])
    return true
  }

  private mutating func replace(_ members: [JSONValue.Member], with added: [JSONValue.Member]) {
    let names = Set(added.map(\.name))
    self = RecordValues(value: .object(members.filter { !names.contains($0.name) } + added), fields: fields)
  }

  /// Earlier questions and answers.
  private var history: [JSONValue] {
    (value["history"]?.array ?? []).flatMap { turn -> [JSONValue] in
      guard let texts = turn.array?.compactMap(\.string), texts.count == 2 else { return [] }
      return [message("user", texts[0]), message("assistant", texts[1])]
    }
  }

  private func isText(_ field: RecordFields.Field) -> Bool { self[field]?.string != nil }

  private func message(_ role: String, _ text: String) -> JSONValue {
    .object([.init(fields.role, .string(role)), .init(fields.content, .string(text))])
  }
}
