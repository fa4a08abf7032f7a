// Another trainer's configuration in axolotl's form: `shoal config --from`.

/// What a configuration of another trainer is called here.
package struct ForeignConfiguration: Sendable {
  package enum Trainer: String, Sendable, CaseIterable {
    case llamafactory, trl
  }

  /// The configuration in axolotl's form, with every default of the other trainer that matters written out. What could
  /// not be carried over stands in comments at its end.
  package let yaml: String
  /// What could not be carried over, or means something a little different: a line each.
  package let notices: [String]

  /// Translates a file. LLaMA-Factory's `dataset_info.json` is looked for beside it and in its `dataset_dir`.
  /// - Throws: `ConfigurationError` for a file that cannot be read, or a kind of training that has no form here.
  package init(path: String, of trainer: Trainer) throws(ConfigurationError) {
    let yaml = try RunConfiguration.text(of: path)
    let (section, _) = try RunConfiguration.section(yaml: yaml, name: path, overrides: [])
    var translation = Translation(section, path: path)
    switch trainer {
    case .llamafactory: translation.translateLlamaFactory()
    case .trl: translation.translateTRL()
    }
    translation.noteTheRest()
    guard translation.section.problems.isEmpty else {
      throw ConfigurationError(path: path, problems: translation.section.problems)
    }
    notices = translation.notices
    self.yaml = translation.text
  }
}

/// A translation while it is made: keys are taken from the other trainer's, and given under axolotl's names.
struct Translation {
  /// The other trainer's file.
  let path: String
  var section: ConfigurationSection
  private(set) var notices: [String] = []
  private var taken: Set<String> = []
  private var given: [(key: String, value: ConfigurationTree)] = []

  init(_ section: ConfigurationSection, path: String) {
    (self.section, self.path) = (section, path)
    notices = section.members.flatMap { member in
      member.replaced.map { "\($0.name): `\(member.name)` is given again at \(member.tree.place.name), which counts" }
    }
  }

  // MARK: Taking

  /// The value of a key of the other trainer; nil when it is absent or empty.
  mutating func take(_ key: String) -> ConfigurationTree? {
    taken.insert(key)
    return section[key]
  }

  mutating func take<Value>(_ key: String, as kind: ValueKind<Value>) -> Value? {
    taken.insert(key)
    return section.read(key, as: kind)
  }

  mutating func isOn(_ key: String) -> Bool { take(key).map { !$0.isOff && $0.source != "no" } ?? false }

  /// Names of keys that change no result: as those of `InertKeys`.
  mutating func drop(_ names: String) {
    let keys = InertKeys("", "", names)
    for member in section.members where keys.contains(member.name) { taken.insert(member.name) }
  }

  // MARK: Giving

  mutating func give(_ key: String, _ value: ConfigurationTree) { given.append((key, value)) }

  /// Gives a key the value of another trainer's, or that trainer's default.
  mutating func give(_ key: String, from name: String, else usual: ConfigurationTree? = nil) {
    if let value = take(name) ?? usual { give(key, value) }
  }

  /// The base, and which revision of it.
  mutating func translateModel() {
    give("base_model", from: "model_name_or_path")
    if let revision = take("model_revision"), revision.source != "main" { give("revision_of_model", revision) }
  }

  // MARK: What is lost

  mutating func note(_ text: String) { notices.append(text) }

  /// Notes a key that has no form here, unless it has its default or is off.
  mutating func lose(_ key: String, unless usual: String? = nil, _ reason: String) {
    guard let tree = take(key), !tree.isOff, tree.source != usual else { return }
    note("\(tree.place.name): `\(key): \(tree.source)` is not carried over: \(reason)")
  }

  mutating func noteTheRest() {
    for member in section.members where !taken.contains(member.name) && !member.tree.isOff {
      note(
        "\(member.tree.place.name): `\(member.name): \(member.tree.source)` is not carried over: no key is known for it"
      )
    }
  }

  // MARK: Writing

  /// One key a line; the data sets a key a line too.
  var text: String {
    var lines: [String] = []
    for (key, value) in given {
      guard case .list(let items) = value.content, !items.isEmpty, items.allSatisfy({ $0.isMapping }) else {
        lines.append(value.line(of: key))
        continue
      }
      lines.append("\(key):")
      for case .mapping(let members) in items.map(\.content) {
        for (index, member) in members.enumerated() {
          lines.append((index == 0 ? "  - " : "    ") + member.tree.line(of: member.name))
        }
      }
    }
    return (lines + notices.map { "# \($0.replacing("\n", with: " "))" }).map { "\($0)\n" }.joined()
  }
}

extension ConfigurationTree {
  fileprivate var isMapping: Bool { if case .mapping = content { true } else { false } }

  /// A mapping without its empty members.
  static func mapping(_ members: [(String, ConfigurationTree?)]) -> Self {
    Self(.mapping(members.compactMap { name, tree in tree.map { Member(name: name, tree: $0) } }))
  }
}
