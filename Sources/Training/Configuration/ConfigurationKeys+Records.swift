// The keys of a data set that say what its records are: type, names of fields, roles, and what of a conversation is trained.

import Corpus

extension ConfigurationKeys {
  typealias DatasetKey = ConfigurationKey<Dataset.Source>

  static let recordKeys =
    [
      DatasetKey(
        "type", \.type, .datasetType,
        "What the records are (docs/data.md); without it TRL's formats, by their fields. A mapping is a format of your own."
      )
    ]
    + RecordFields.Field.allCases.map { field in
      DatasetKey(field.key, \.fields[field], .text, "What the data calls the field `\(field.rawValue)`.")
    } + [
      DatasetKey(
        "message_property_mappings", \.fields.message, .names("a mapping of a template's names to the data's", .text),
        "What the data calls the parts of a message: `role`, `content`, and others that templates use."),
      DatasetKey("message_field_role", ValueKind<String>.text, "As `message_property_mappings.role`."),
      DatasetKey("message_field_content", ValueKind<String>.text, "As `message_property_mappings.content`."),
      DatasetKey(
        "roles", \.fields.roles,
        .names("a mapping of a template's roles to the data's names", .texts("the names of a role in the data")),
        "What the data calls each role, a name or a list of them. `tool` and others may be among them."),
      DatasetKey("field_human", ValueKind<String>.text, "With `type: sharegpt`, a name of the user's role."),
      DatasetKey("field_model", ValueKind<String>.text, "With `type: sharegpt`, a name of the assistant's role."),
      DatasetKey(
        "conversation", ValueKind<String>.text,
        "With `type: sharegpt`: `chatml` is that template, unless `chat_template` names one."),
    ]
    + [
      DatasetKey(
        "roles_to_train", \.fields.turns.roles, .someTexts("a list of roles, which may be empty"),
        "Whose turns are trained."),
      DatasetKey(
        "train_on_eos", \.fields.turns.endOfSequence, .turnEnds,
        "Of which turns the end-of-sequence token is trained: of those that are trained (`turn`), of all, of the last."),
      DatasetKey(
        "train_on_eot", \.fields.turns.endOfTurn, .turnEnds,
        "The same for the tokens that end turns (`eot_tokens`)."
      ).standing(at: "as `train_on_eos`"),
      DatasetKey(
        "message_field_training", \.fields.training, .text,
        "The part of a message that says whether the turn is trained, whatever its role."),
      DatasetKey(
        "message_field_training_detail", \.fields.trainingDetail, .text,
        "The part of a message that lists what of its content is trained: begin_offset, end_offset (included), train."),
      DatasetKey("drop_system_message", \.fields.dropsSystemMessage, .bool, "Leaves a first system message out."),
      DatasetKey("field_thinking", \.fields.thinking, .text, "What a message calls the reasoning before its content."),
      DatasetKey("template_thinking_key", \.fields.templateThinking, .text, "What the template calls it."),
      DatasetKey(
        "split_thinking", \.fields.splitsThinking, .bool,
        "Makes reasoning of what stands between `<think>` and `</think>` in an answer."),
    ].map { $0.effective { $0.type?.isConversation ?? false } }

  static let inertRecordKeys = [
    InertKeys(
      "Older conversations",
      "axolotl does not read them either; `default_system_message` gives conversations a system "
        + "message", "strict system_prompt")
  ]
}

extension Dataset.Source {
  /// What several keys say together about the records.
  mutating func settleRecords(_ section: inout ConfigurationSection) {
    settleLegacyNames(&section)
    settleShareGPT(&section)
    let read = DatasetType.fields(of: type)
    for field in RecordFields.Field.allCases where section[field.key] != nil && !read.contains(field) {
      section.ignore(field.key)
      fields.reset(field)
    }
  }

  private mutating func settleLegacyNames(_ section: inout ConfigurationSection) {
    for (key, path) in [("message_field_role", \RecordFields.role), ("message_field_content", \.content)] {
      guard let name = section.value(key, as: .text) else { continue }
      let part = String(key.dropFirst("message_field_".count))
      let mapped = section.value("message_property_mappings", as: .names("", .text))?[part]
      if let mapped, mapped != name {
        section.report(
          "`\(section.prefix)\(key): \(name)` is another name of `message_property_mappings.\(part)`, which is "
            + "\(mapped): give one", about: key)
      }
      fields[keyPath: path] = name
    }
  }

  /// What axolotl's older type had beside `roles`.
  private mutating func settleShareGPT(_ section: inout ConfigurationSection) {
    guard type == .shareGPT else {
      for key in ["field_human", "field_model", "conversation"] where section[key] != nil { section.ignore(key) }
      return
    }
    if let roles = fields.roles {
      let older = ["input": "user", "output": "assistant"]
      let sorted = roles.sorted { $0.key < $1.key }
      fields.roles = Dictionary(sorted.map { (older[$0.key] ?? $0.key, $0.value) }) { $0 + $1 }
    }
    for (key, role) in [("field_human", "user"), ("field_model", "assistant")] {
      guard let name = section.value(key, as: .text) else { continue }
      var roles = fields.roles ?? ["user": ["human", "user"], "assistant": ["gpt", "assistant"]]
      roles[role, default: []].append(name)
      fields.roles = roles
    }
    guard let conversation = section.value("conversation", as: .text) else { return }
    if conversation == "chatml" {
      template = template ?? .named(.chatml)
    } else {
      section.ignore("conversation (chat_template renders)")
    }
  }
}

extension RecordFields {
  /// The names of a message's parts that differ from the template's.
  fileprivate var message: [String: String] {
    get { ["role": role, "content": content].filter { $0.key != $0.value }.merging(properties) { $1 } }
    set {
      (role, content) = (newValue["role"] ?? "role", newValue["content"] ?? "content")
      properties = newValue.filter { $0.key != "role" && $0.key != "content" }
    }
  }
}

// MARK: Kinds of value

extension ValueKind where Value == DatasetType {
  static var datasetType: Self {
    Self("a name, or a mapping of \(OwnFormat.keys.joined(separator: ", "))") { section, key, tree in
      if case .mapping(let members) = tree.content { return section.ownFormat(key, members) }
      guard let name = ValueKind<String>.text.read(&section, key, tree) else { return nil }
      do { return try DatasetType(named: name) } catch {
        section.report("`\(section.prefix)\(key)`: \(error)", at: tree.place)
        return nil
      }
    } write: { type in
      guard case .own(let format) = type else { return .text(type.name) }
      return ConfigurationTree(
        .mapping(
          OwnFormat.keys.compactMap { key in
            format.values[key].map { ConfigurationTree.Member(name: key, tree: .text($0)) }
          }))
    }
  }
}

extension ConfigurationSection {
  /// A format of the configuration's own. An empty text is one, such as a system format that writes nothing.
  fileprivate mutating func ownFormat(_ key: String, _ members: [ConfigurationTree.Member]) -> DatasetType? {
    var values: [String: String] = [:]
    var isWrong = false
    for member in members where !member.tree.isNull {
      let name = "\(prefix)\(key).\(member.name)"
      guard OwnFormat.keys.contains(member.name) else {
        guard !member.tree.isOff else { continue }
        let near = Spelling.nearest(to: member.name, among: OwnFormat.keys).map { "; did you mean `\($0)`?" } ?? ""
        report("unknown key `\(name)`\(near)", at: member.tree.place)
        isWrong = true
        continue
      }
      guard case .text(let text) = member.tree.content else {
        report(
          "`\(name)`: expected text (quotes make text of a number), found \(member.tree.found)", at: member.tree.place)
        isWrong = true
        continue
      }
      values[member.name] = text
    }
    do throws(OwnFormatError) {
      let format = try OwnFormat(values)
      return isWrong ? nil : .own(format)
    } catch {
      let place = members.first { $0.name == error.key }?.tree.place
      report("`\(prefix)\(key).\(error.key)`: \(error.reason)", at: place ?? .file)
      return nil
    }
  }
}

extension ValueKind where Value == TurnTraining.Ends {
  /// `false` is `none`.
  static var turnEnds: Self {
    Self(Value.allCases.map(\.rawValue).joined(separator: " or ")) { tree in
      if case .bool(false) = tree.content { return TurnTraining.Ends.none }
      if case .text(let word) = tree.content { return TurnTraining.Ends(rawValue: word) }
      return nil
    } write: {
      .text($0.rawValue)
    }
  }
}

extension ValueKind where Value == [String] {
  /// A text, or a list of any number of them.
  static func someTexts(_ text: String) -> Self {
    Self(text) { tree in
      switch tree.content {
      case .text(let text): return [text]
      case .list(let items):
        let texts = items.compactMap { item in if case .text(let text) = item.content { text } else { String?.none } }
        return texts.count == items.count ? texts : nil
      default: return nil
      }
    } write: { texts in
      .list(texts.map { .text($0) })
    }
  }
}

extension ValueKind where Value: Sendable {
  /// A mapping of any names, with values of one kind.
  static func names<Part: Sendable>(_ text: String, _ kind: ValueKind<Part>) -> Self where Value == [String: Part] {
    Self(text) { section, key, tree in
      guard case .mapping(let members) = tree.content else {
        section.refuse(key, expected: text)
        return nil
      }
      var parts: [String: Part] = [:]
      guard var inner = ConfigurationSection(tree, prefix: "\(section.prefix)\(key).") else { return nil }
      for member in members where !member.tree.isEmpty {
        if let part = kind.read(&inner, member.name, member.tree) { parts[member.name] = part }
      }
      section.problems += inner.problems
      return parts
    } write: { parts in
      ConfigurationTree(
        .mapping(
          parts.sorted { $0.key < $1.key }.map { ConfigurationTree.Member(name: $0.key, tree: kind.write($0.value)) }))
    }
  }
}
