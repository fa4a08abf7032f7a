// A finished run that is to be trained further in its own directory.

import Checkpoints

/// What a finished run was, when it is to have more steps.
struct FinishedRun {
  let configuration: RunConfiguration
  let totalSteps: Int
  /// In what the two configurations differ.
  let differences: [String]

  /// Nil unless the run is finished, and the new configuration differs in the number of steps alone.
  /// - Throws: `ConfigurationError` when the run's config.yaml is invalid.
  init?(in files: RunDirectory, _ record: JSONValue?, extendedBy new: RunConfiguration) throws {
    guard let record, record["state"]?.string == "finished", let total = record["plan"]?["total_steps"]?.int,
      let found = try files.configuration()
    else { return nil }
    let differences = new.namedDifferences(from: found)
    guard !differences.isEmpty, differences.allSatisfy({ ["max_steps", "num_epochs"].contains($0.name) }) else {
      return nil
    }
    (configuration, totalSteps, self.differences) = (found, total, differences.map(\.text))
  }
}
