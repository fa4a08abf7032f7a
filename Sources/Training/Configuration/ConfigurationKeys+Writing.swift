// The resolved configuration as YAML for the run directory, and what a resumed run changed in it.

extension RunConfiguration {
  /// Every key with its value, a line each in a fixed order: reads back to an equal configuration
  /// (without `ignoredKeys`). An empty value is the key's default.
  package var resolvedYAML: String {
    ConfigurationKeys.run.lines(self).map { $0.value.line(of: $0.key.name) + "\n" }.joined()
  }

  /// Keys whose values differ from those of the run that `other` configured and that decide what is trained.
  ///
  /// - Parameter other: The configuration of the checkpoint.
  /// - Returns: lines such as `seed: 42 in the checkpoint, 7 now`; none when the run may go on.
  package func differences(from other: RunConfiguration) -> [String] { namedDifferences(from: other).map(\.text) }

  /// The same with the keys' names.
  func namedDifferences(from other: RunConfiguration) -> [(name: String, text: String)] {
    let table = ConfigurationKeys.run
    return zip(table.entries(self), table.entries(other)).compactMap { now, before in
      let (new, old) = (now.value.source, before.value.source)
      guard new != old, !now.key.mayChangeOnResume || now.key.isDecisive(self) else { return nil }
      func shown(_ text: String) -> String { text.isEmpty ? "nothing" : text }
      return (now.key.name, "\(now.key.name): \(shown(old)) in the checkpoint, \(shown(new)) now")
    }
  }
}
