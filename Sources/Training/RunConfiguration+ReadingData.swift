// The part of a configuration that says which examples are learnt from.

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
  ) -> [DatasetSource] {
    guard let tree = section[key] else { return [] }
    guard case .list(let items) = tree.content, !items.isEmpty else {
      section.refuse(key, expected: "a list of data sets, each with a path")
      return []
    }
    var sources: [DatasetSource] = []
    for (index, item) in items.enumerated() {
      let source = section.section(item, name: "\(key).\(index)") { entry in
        ignoredKeys += entry.classifyKeys(
          used: ConfigurationKeys.usedOfDataset, notBuilt: ConfigurationKeys.notBuiltOfDataset,
          foreign: [], isWithoutEffect: ConfigurationKeys.withoutEffectOfDataset.contains)
        return DatasetSource(&entry)
      }
      if let source { sources.append(source) }
    }
    return sources
  }
}

extension RunConfiguration.DatasetSource {
  fileprivate init(_ entry: inout ConfigurationSection) {
    let expected = "a file, a directory or a list of them"
    var files = entry.texts("data_files", expected: expected)
    if entry["path"]?.isText("json") == true, files != nil {
      // The hub library's name of its reader for local files, not a path.
    } else if let path = entry.path("path") {
      if files != nil, let tree = entry["data_files"] {
        entry.report("`\(entry.prefix)path` and `data_files` exclude each other: give one", at: tree.place)
      }
      files = [path]
    } else if files == nil, entry["data_files"] == nil, entry["path"] == nil {
      entry.refuse("path", expected: expected)
    }
    _ = entry.choice("ds_type", built: ["json"])
    entry.refuseNotBuilt("type", built: "none (TRL's prompt, chosen, rejected)")
    self.init(
      paths: files ?? [], split: entry.text("split"), promptField: entry.text("field_prompt"),
      chosenField: entry.text("field_chosen"), rejectedField: entry.text("field_rejected"))
  }
}

extension ConfigurationTree {
  fileprivate func isText(_ text: String) -> Bool {
    if case .text(text) = content { true } else { false }
  }
}
