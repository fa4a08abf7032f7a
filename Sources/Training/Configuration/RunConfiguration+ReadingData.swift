// The part of a configuration that says which examples a run trains on.

import Corpus

extension RunConfiguration {
  mutating func readData(_ section: inout ConfigurationSection) {
    datasets = readDatasets("datasets", &section)
    if section["datasets"] == nil {
      section.refuse("datasets", expected: "a list of data sets, each with a path")
    }
    testDatasets = readDatasets("test_datasets", &section)
    let expected = "a share from 0 to less than 1, or a whole number of examples"
    let held = section.number("val_set_size", expected) {
      (0..<1).contains($0) || ($0 >= 1 && Int(exactly: $0) != nil)
    }
    if let held, held > 0 {
      heldOut = held < 1 ? .share(held) : .count(Int(held))
      if !testDatasets.isEmpty, let tree = section["val_set_size"] {
        section.report("`val_set_size` and `test_datasets` exclude each other: give one", at: tree.place)
      }
    }
    sequenceLength = section.integer("sequence_len", atLeast: 2) ?? sequenceLength
    let strategy = section.choice(
      "excess_length_strategy", built: ["truncate_middle", "drop", "error", "raise"])
    // axolotl says `raise`, which is an error here.
    excessLengthStrategy =
      strategy.map { ExcessLengthStrategy(rawValue: $0) ?? .error } ?? excessLengthStrategy
    shufflesMergedDatasets = section.bool("shuffle_merged_datasets") ?? shufflesMergedDatasets
    usesCurriculumSampling = section.bool("curriculum_sampling") ?? usesCurriculumSampling
  }

  private mutating func readDatasets(
    _ key: String, _ section: inout ConfigurationSection
  ) -> [Dataset.Source] {
    guard let tree = section[key] else { return [] }
    guard case .list(let items) = tree.content, !items.isEmpty else {
      section.refuse(key, expected: "a list of data sets, each with a path")
      return []
    }
    var sources: [Dataset.Source] = []
    for (index, item) in items.enumerated() {
      let source = section.section(item, name: "\(key).\(index)") { entry in
        ignoredKeys += entry.classifyKeys(
          used: ConfigurationKeys.usedOfDataset, notBuilt: ConfigurationKeys.notBuiltOfDataset,
          foreign: [], isWithoutEffect: ConfigurationKeys.withoutEffectOfDataset.contains)
        return readSource(&entry)
      }
      if let source { sources.append(source) }
    }
    return sources
  }

  private mutating func readSource(_ entry: inout ConfigurationSection) -> Dataset.Source {
    let expected = "a file, a directory or a list of them"
    var files = entry.texts("data_files", expected: expected)
    if entry["path"]?.isText("json") == true, files != nil {
      // The hub library's name of its reader for local files, not a path.
    } else if let path = entry.path("path") {
      if let named = files, let tree = entry["data_files"] {
        if [".json", ".jsonl", ".gz"].contains(where: path.hasSuffix) {
          entry.report(
            "`\(entry.prefix)path` is a file: `data_files` goes with a directory, or alone", at: tree.place)
        }
        // As in the hub's library, names in a directory.
        files = named.map { $0.hasPrefix("/") ? $0 : "\(path)/\($0)" }
      } else {
        files = [path]
      }
    } else if files == nil, entry["data_files"] == nil, entry["path"] == nil {
      entry.refuse("path", expected: expected)
    }
    _ = entry.choice("ds_type", built: ["json"])
    var source = Dataset.Source(paths: files ?? [])
    if let split = entry.text("split") { source.split = split }
    if let name = entry.text("type") {
      do { source.type = try DatasetType(named: name) } catch {
        entry.report("`\(entry.prefix)type`: \(error)", at: entry.place(of: "type"))
      }
    }
    let read = RecordFields.Field.read(by: source.type)
    for field in RecordFields.Field.allCases {
      guard let name = entry.text(field.key) else { continue }
      source.fields[field] = name
      if !read.contains(field) { ignoredKeys.append(entry.prefix + field.key) }
    }
    readRoles(&entry, into: &source.fields)
    return source
  }

  /// What the data calls roles and the parts of a message. Which turns are trained is not a choice: axolotl's default.
  private func readRoles(_ entry: inout ConfigurationSection, into fields: inout RecordFields) {
    if let tree = entry["message_property_mappings"] {
      let names = entry.section(tree, name: "message_property_mappings") { section in
        _ = section.classifyKeys(used: ["role", "content"], notBuilt: [], foreign: []) { _ in false }
        return (section.text("role"), section.text("content"))
      }
      fields.role = names?.0 ?? fields.role
      fields.content = names?.1 ?? fields.content
    }
    if let tree = entry["roles"] {
      let roles = entry.section(tree, name: "roles") { section in
        let known = ["system", "user", "assistant"]
        _ = section.classifyKeys(used: known, notBuilt: [], foreign: []) { _ in false }
        return known.reduce(into: [String: [String]]()) { roles, role in
          roles[role] = section.texts(role, expected: "the names of a role in the data")
        }
      }
      fields.roles = roles
    }
    if let trained = entry.texts("roles_to_train", expected: "assistant"), trained != ["assistant"] {
      entry.refuse("roles_to_train", expected: "assistant alone")
    }
    if let end = entry.text("train_on_eos"), end != "turn" {
      entry.refuse("train_on_eos", expected: "turn: the end of every trained turn is trained")
    }
  }
}

extension ConfigurationTree {
  fileprivate func isText(_ text: String) -> Bool {
    if case .text(text) = content { true } else { false }
  }
}
