// The key reference, docs/configuration.md, as Markdown made of the tables.

package enum ConfigurationReference {
  package static var markdown: String {
    let run = ConfigurationKeys.run
    let blocks =
      [head] + ConfigurationKeys.sections.map { "## \($0.title)\n\n" + table(of: $0.keys, run.initial) }
      + [
        "## A data set\n\nThe keys of one entry of `datasets` and `test_datasets`.\n\n"
          + table(of: ConfigurationKeys.dataset.keys, ConfigurationKeys.dataset.initial),
        "## Running text\n\nThe keys of one entry of `pretraining_dataset`.\n\n"
          + table(of: ConfigurationKeys.textDataset.keys, ConfigurationKeys.textDataset.initial),
        "## A task of evaluations\n\nThe keys of one entry of `eval_tasks` that is a mapping. An entry may also be a text: "
          + "`NAME=FILE`, or a task file.\n\n" + table(of: ConfigurationKeys.task.keys, ConfigurationKeys.task.initial),
        "## Special tokens\n\nThe keys of `special_tokens`.\n\n"
          + table(of: ConfigurationKeys.specialTokens.keys, ConfigurationKeys.specialTokens.initial)
          + "\n\nWithout influence:\n\n" + list(ConfigurationKeys.specialTokens.inert),
        "## Accepted, without influence\n\nKeys of axolotl that change no result here. A run lists those that it finds. "
          + "Any other key is accepted too while it is empty or false.\n\n"
          + list(run.inert) + "\n\nIn `trl`, beside `trl.beta`, which is `rl_beta`:\n\n"
          + list(ConfigurationKeys.trl.inert)
          + "\n\nIn a data set:\n\n" + list(ConfigurationKeys.dataset.inert),
        "## Refused\n\nKeys of axolotl that would change the result and that Shoal does not have. Empty and false are "
          + "accepted, and the values in brackets.\n\n" + list(run.refused) + "\n\nIn a data set:\n\n"
          + list(ConfigurationKeys.dataset.refused) + "\n\nIn running text:\n\n"
          + list(ConfigurationKeys.textDataset.refused),
      ]
    return blocks.joined(separator: "\n\n") + "\n"
  }

  private static let head = """
    # Configuration

    `shoal train CONFIG` takes a YAML file. Keys and meanings are axolotl's where axolotl has them. `key=value` after the
    file overrides a value, `datasets.0.path=x` one inside another. `shoal config CONFIG` prints every key with its value
    and where it comes from. All mistakes of a file are told at once, each with its line.

    An empty value is the default. \\* marks keys that may change when a run is resumed; all others must stay as they were.
    So must the evaluations' keys where the result depends on them: with `early_stopping_patience` and
    `load_best_model_at_end`.

    This file is written by the program: `SHOAL_WRITE_DOCS=1 swift test -c release --filter ConfigurationReferenceTests`.
    """

  private static func table<Owner>(of keys: [ConfigurationKey<Owner>], _ initial: Owner) -> String {
    let rows = keys.map { key in
      let names = key.spellings.map { "`\($0)`" }.joined(separator: ", ") + (key.mayChangeOnResume ? " \\*" : "")
      return "| \(names) | \(key.kind) | \(usual(key, initial)) | \(key.summary) |"
    }
    return (["| key | value | default | what it does |", "|---|---|---|---|"] + rows).joined(separator: "\n")
  }

  private static func usual<Owner>(_ key: ConfigurationKey<Owner>, _ initial: Owner) -> String {
    if let stated = key.statedDefault { return stated }
    if key.required != nil { return "required" }
    let source = key.write?(initial).source ?? ""
    return ["[]", "{}"].contains(source) ? "" : source
  }

  private static func list(_ families: [InertKeys]) -> String {
    families.map { family in
      let names = family.names.map { "`\($0)`" }
      return "- **\(family.title)**: \(family.reason). \(names.joined(separator: ", "))"
    }.joined(separator: "\n")
  }

  private static func list(_ rows: [RefusedKeys]) -> String {
    (["| keys | why | what to do, or what a run lacks |", "|---|---|---|"]
      + rows.map { row in
        let names = row.names.map { name in
          let values = row.neutral[name, default: []].map { $0.replacing("@", with: "as ") }
          return "`\(name)`" + (values.isEmpty ? "" : " (\(values.joined(separator: ", ")))")
        }
        return "| \(names.joined(separator: ", ")) | \(row.reason) | \(row.remedy) |"
      }).joined(separator: "\n")
  }
}
