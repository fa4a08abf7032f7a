// What a record looks like, for errors about a field that is missing. Names of fields are shown, never their contents.

import Checkpoints

enum RecordHint {
  private static let shownFields = 12

  /// The record's fields, and the type that reads such records, to follow an error.
  static func text(for value: JSONValue) -> String {
    guard let members = value.members, !members.isEmpty else { return "" }
    let names = Set(members.filter { !$0.value.isNull }.map(\.name))
    return "; the record has \(list(members.map(\.name)))" + (advice(names, value).map { ": \($0)" } ?? "")
  }

  /// The same for a message.
  static func text(forMessage value: JSONValue, fields: RecordFields) -> String {
    guard let members = value.members, !members.isEmpty else { return "" }
    let names = members.map(\.name)
    var advice = ""
    if names.contains("from"), names.contains("value"), fields.role != "from" {
      advice = ": type sharegpt reads them, or message_property_mappings: {role: from, content: value}"
    } else if names.contains("role"), names.contains("content"), fields.role != "role" || fields.content != "content" {
      advice = ": leave message_property_mappings out"
    }
    return "; the message has \(list(names))\(advice)"
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(shownFields).map { name in
      name.allSatisfy { $0.isLetter || $0.isNumber || "_-. ".contains($0) }
        ? String(name.prefix(40)) : "…"
    }
    return shown.joined(separator: ", ") + (names.count > shown.count ? ", …" : "")
  }

  /// Types by the fields that they need, the first that fits.
  private static let types: [(fields: [String], advice: String)] = [
    (["instruction", "chosen_response", "rejected_response"], "as type chatml.argilla reads them"),
    (["question", "chosen", "rejected"], "as type chatml.intel reads them"),
    (["instruction", "chosen", "rejected"], "as type chatml.argilla reads them, or no type"),
    (["input", "chosen", "rejected"], "as type chatml.icr reads them"),
    (["segments"], "as type input_output reads them, for supervised fine-tuning"),
    (["question", "response", "system_prompt"], "as type alpaca_w_system.load_open_orca reads them, for supervised fine-tuning"),
    (["context", "question", "answer"], "as type context_qa.load_v2 reads them, for supervised fine-tuning"),
    (["article", "summary"], "as type summarizetldr reads them, for supervised fine-tuning"),
    (["question", "answer"], "as type alpaca_chat.load_qa reads them, for supervised fine-tuning"),
    (["instruction", "output"], "as type alpaca reads them, for supervised fine-tuning"),
    (["instruction", "response"], "as type gpteacher reads them, for supervised fine-tuning"),
    (["prompt", "completion", "label"], "as rl: kto reads them without a type"),
    (["prompt", "completion"], "as supervised fine-tuning reads them without a type"),
    (["text"], "as type completion reads them, for supervised fine-tuning"),
  ]

  private static func advice(_ names: Set<String>, _ value: JSONValue) -> String? {
    let answers = [
      ["response_0", "response_1"], ["response_1", "response_2"], ["response_a", "response_b"],
      ["completion_a", "completion_b"], ["answer_0", "answer_1"], ["conversation_a", "conversation_b"],
    ]
    if let both = answers.first(where: { names.isSuperset(of: $0) }) {
      return "\(both.joined(separator: " and ")) are not a pair yet: write the preferred one as chosen and the other as rejected"
    }
    if names.contains("chosen"), names.contains("rejected"), value["chosen"]?.array != nil {
      return "chosen and rejected are conversations, as chat_template.argilla_chat reads them, or no type"
    }
    if let type = types.first(where: { names.isSuperset(of: $0.fields) }) { return type.advice }
    for (name, type) in [("conversations", "sharegpt"), ("messages", "chat_template")] {
      guard let list = value[name]?.array else { continue }
      let isShareGPT = list.first?["from"] != nil && list.first?["value"] != nil
      return isShareGPT
        ? "\(name) with from and value, as type sharegpt reads them, or chat_template with message_property_mappings"
        : "as type \(name == "messages" ? type : "chat_template with field_messages: \(name)") reads them"
    }
    return nil
  }
}
