// The table of all keys. A key is one row, in the files beside this one; nothing else lists keys.

/// The tables: `run` for a file, `dataset` for each data set in it.
enum ConfigurationKeys {
  typealias Key = ConfigurationKey<RunConfiguration>

  /// The keys of a run, in the order of config.yaml.
  static let sections: [(title: String, keys: [Key])] = [
    ("Model and adapter", model), ("Objective", objective), ("Data", data), ("Steps and memory", steps),
    ("Optimizer and schedule", optimizer), ("Evaluation, checkpoints and output", output),
  ]

  static let run = ConfigurationTable(
    initial: RunConfiguration(), keys: sections.flatMap(\.keys), inert: inert, refused: refused,
    rules: { $0.applyRules(&$1) })
}
