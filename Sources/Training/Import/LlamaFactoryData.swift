// LLaMA-Factory's data sets: their names in a configuration, and what dataset_info.json says of each.

import Checkpoints
import Foundation
import Tensors

extension Translation {
  mutating func translateLlamaFactoryData(_ stage: String) {
    let directory = take("dataset_dir")?.source ?? "data"
    let sample = take("max_samples")
    if let sample {
      note("\(sample.place.name): `max_samples: \(sample.source)` is not carried over: all records are used")
    }
    let names = words(of: take("dataset")) ?? []
    let held = words(of: take("eval_dataset")) ?? []
    let info = datasetInfo(directory)
    if info == nil, !(names + held).isEmpty {
      note(
        "dataset_info.json is neither beside the file nor in \(directory): give each data set its path, type and fields"
      )
    }
    for (key, names) in [("datasets", names), ("test_datasets", held)] where !names.isEmpty {
      give(key, .list(names.map { dataset($0, stage, directory, info?[$0]) }))
    }
    give("val_set_size", from: "val_size")
  }

  private func datasetInfo(_ directory: String) -> JSONValue? {
    let beside = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let places = [
      "\(directory)/dataset_info.json", "\(beside)/\(directory)/dataset_info.json", "\(beside)/dataset_info.json",
    ]
    for place in places {
      if let file = try? MappedFile(path: place), let value = try? JSONValue.parse(file.bytes) {
        return value
      }
    }
    return nil
  }

  private mutating func dataset(_ name: String, _ stage: String, _ directory: String, _ info: JSONValue?)
    -> ConfigurationTree
  {
    guard let info else {
      note("data set \(name): not described in dataset_info.json")
      return .mapping([("path", .text(name))])
    }
    let columns = info["columns"] ?? .null
    let file = info["file_name"]?.string.map { "\(directory)/\($0)" }
    let hub = ["hf_hub_url", "ms_hub_url", "om_hub_url", "script_url"].lazy.compactMap { info[$0]?.string }.first
    if file == nil, hub == nil { note("data set \(name): it is in another store; download it, and give its path") }
    var members: [(String, ConfigurationTree?)] = [("path", .text(file ?? hub ?? name))]
    if let subset = info["subset"]?.string { members.append(("name", .text(subset))) }
    if let folder = info["folder"]?.string {
      note("data set \(name): the folder \(folder) is not carried over: name its files with `data_files`")
    }
    if let split = info["split"]?.string, split != "train" { members.append(("split", .text(split))) }
    if info["num_samples"]?.int != nil {
      note("data set \(name): num_samples is not carried over: all records are used")
    }
    func column(_ key: String, _ usual: String? = nil) -> ConfigurationTree? {
      (columns[key]?.string ?? usual).map { .text($0) }
    }
    func renamed(_ key: String, _ usual: String) -> ConfigurationTree? {
      columns[key]?.string.flatMap { $0 == usual ? nil : .text($0) }
    }
    if ["sharegpt", "openai"].contains(info["formatting"]?.string) {
      members += conversation(name, stage, info, columns)
      return .mapping(members)
    }
    // Preferences are read as LLaMA-Factory reads them.
    if let history = columns["history"]?.string, stage == "sft" || history != "history" {
      note("data set \(name): the column \(history) is not carried over")
    }
    switch stage {
    case "pt": members += [("type", .text("completion")), ("field", column("prompt", "instruction"))]
    case "sft":
      members += [
        ("type", .text(columns["system"]?.string == nil ? "alpaca" : "alpaca_w_system")),
        ("field_instruction", column("prompt")), ("field_input", column("query")),
        ("field_output", column("response")), ("field_system", renamed("system", "system")),
      ]
      note(
        "data set \(name): `type: alpaca` writes axolotl's words around instruction and input; LLaMA-Factory makes a chat "
          + "of them, as `type: chat_template` does of `messages`")
    default:
      members += [
        ("field_instruction", renamed("prompt", "instruction")), ("field_input", renamed("query", "input")),
        ("field_system", renamed("system", "system")),
      ]
      members +=
        stage == "kto"
        ? [("field_output", renamed("response", "output")), ("field_label", renamed("kto_tag", "label"))]
        : [("field_chosen", renamed("chosen", "chosen")), ("field_rejected", renamed("rejected", "rejected"))]
    }
    return .mapping(members)
  }

  private mutating func conversation(
    _ name: String, _ stage: String, _ info: JSONValue, _ columns: JSONValue
  ) -> [(String, ConfigurationTree?)] {
    let tags = info["tags"] ?? .null
    let isOpenAI = info["formatting"]?.string == "openai"
    let role = tags["role_tag"]?.string ?? (isOpenAI ? "role" : "from")
    let content = tags["content_tag"]?.string ?? (isOpenAI ? "content" : "value")
    func names(_ key: String, _ usual: String, _ openAI: String) -> ConfigurationTree {
      .list([.text(tags[key]?.string ?? (isOpenAI ? openAI : usual))])
    }
    if let system = columns["system"]?.string {
      note(
        "data set \(name): the column \(system) is not carried over: put it into each record's messages, as a first one "
          + "of the system")
    }
    if columns["tools"]?.string != nil {
      note(
        "data set \(name): messages of \(tags["function_tag"]?.string ?? "function_call") are not read: give them as the "
          + "assistant's, with tool_calls")
    }
    var members: [(String, ConfigurationTree?)] = [
      // KTO's messages with a label have no name: their fields tell.
      ("type", stage == "kto" ? nil : .text("chat_template")),
      ("field_messages", .text(columns["messages"]?.string ?? (isOpenAI ? "messages" : "conversations"))),
      ("field_tools", columns["tools"]?.string.flatMap { $0 == "tools" ? nil : .text($0) }),
    ]
    if stage == "dpo" {
      members += ["chosen", "rejected"].map { key in
        ("field_\(key)", columns[key]?.string.flatMap { $0 == key ? nil : .text($0) })
      }
    } else if stage == "kto" {
      members.append(("field_label", columns["kto_tag"]?.string.map { .text($0) }))
    }
    members += [
      ("message_property_mappings", .mapping([("role", .text(role)), ("content", .text(content))])),
      (
        "roles",
        .mapping([
          ("user", names("user_tag", "human", "user")), ("assistant", names("assistant_tag", "gpt", "assistant")),
          ("system", names("system_tag", "system", "system")),
          ("tool", names("observation_tag", "observation", "tool")),
        ])
      ),
    ]
    return members
  }
}
