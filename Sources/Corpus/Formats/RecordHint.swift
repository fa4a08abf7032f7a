// What a record looks like, for errors about a field that is missing. Names of fields are shown, never their contents.

import Checkpoints

enum RecordHint {
  private static let shownFields = 12

  /// The record's fields, and the type that reads such records, to follow an error.
  static func text(for value: JSONValue) -> String {
    guard let members = value.members, !members.isEmpty else { return "" }
    let names = Set(members.filter { !$0.value.isNull }.map(\.name))
    return "; the record has \(list(members.map { $0.value.isNull ? "\($0.name) (empty)" : $0.name }))"
      + (advice(names, value).map { ": \($0)" } ?? "")
  }

  /// The same for a message.
  static func text(forMessage value: JSONValue, fields: RecordFields) -> String {
    guard let members = value.members, !members.isEmpty else { return "" }
    let names = members.map(\.name)
    var advice = ""
    if names.contains("from"), names.contains("value"), fields.role != "from" {
      advice = ": type: sharegpt reads them, or message_property_mappings: {role: from, content: value}"
    } else if names.contains("role"), names.contains("content"), fields.role != "role" || fields.content != "content" {
      advice = ": leave message_property_mappings out"
    }
    return "; the message has \(list(names))\(advice)"
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(shownFields).map { name in
      name.allSatisfy { $0.isLetter || $0.isNumber || "_-. ()".contains($0) }
        ? String(name.prefix(40)) : "…"
    }
    return shown.joined(separator: ", ") + (names.count > shown.count ? ", …" : "")
  }

  /// Types by the fields that they need, the first that fits.
  private static let types: [(fields: [String], advice: String)] = [
    (["instruction", "chosen_response", "rejected_response"], "that is type: chatml.argilla"),
    (["question", "chosen", "rejected"], "that is type: chatml.intel"),
    (["instruction", "chosen", "rejected"], "that is type: chatml.argilla, or no type"),
    (["input", "chosen", "rejected"], "that is type: chatml.icr"),
    (["segments"], "that is type: input_output, for supervised fine-tuning"),
    (
      ["question", "response", "system_prompt"],
      "that is type: alpaca_w_system.load_open_orca, for supervised fine-tuning"
    ),
    (["context", "question", "answer"], "that is type: context_qa.load_v2, for supervised fine-tuning"),
    (["article", "summary"], "that is type: summarizetldr, for supervised fine-tuning"),
    (["question", "answer"], "that is type: alpaca_chat.load_qa, for supervised fine-tuning"),
    (["instruction", "output"], "that is type: alpaca, for supervised fine-tuning"),
    (["instruction", "response"], "that is type: gpteacher, for supervised fine-tuning"),
    (["prompt", "completion", "label"], "that is rl: kto without a type"),
    (["prompt", "completion"], "that is supervised fine-tuning without a type"),
    (["text"], "that is type: completion, for supervised fine-tuning"),
  ]

  private static func advice(_ names: Set<String>, _ value: JSONValue) -> String? {
    let answers = [
      ["response_0", "response_1"], ["response_1", "response_2"], ["response_a", "response_b"],
      ["completion_a", "completion_b"], ["answer_0", "answer_1"], ["conversation_a", "conversation_b"],
    ]
    if let both = answers.first(where: { names.isSuperset(of: $0) }) {
      return
        "\(both.joined(separator: " and ")) are not a pair yet: write the preferred one as chosen and the other as rejected"
    }
    if names.contains("chosen"), names.contains("rejected"), value["chosen"]?.array != nil {
      return "chosen and rejected are conversations, that is type: chat_template.argilla_chat, or no type"
    }
    if let type = types.first(where: { names.isSuperset(of: $0.fields) }) { return type.advice }
    for name in ["conversations", "messages"] {
      guard let list = value[name]?.array else { continue }
      let isShareGPT = list.first?["from"] != nil && list.first?["value"] != nil
      return isShareGPT
        ? "\(name) with from and value, that is type: sharegpt, or chat_template with message_property_mappings"
        : "that is type: chat_template" + (name == "messages" ? "" : " with field_messages: \(name)")
    }
    return nil
  }
}
