// The file of results, as lm-eval writes it.

package import Checkpoints

/// The results of all tasks.
package struct EvaluationReport: Sendable {
  package var outcomes: [TaskOutcome]
  package var groups: [TaskGroup]
  /// `config`: the model, and how it was evaluated.
  package var configuration: [JSONValue.Member]
  /// What else is written at the end, such as the tokenizer's tokens.
  package var remarks: [JSONValue.Member] = []

  package init(_ outcomes: [TaskOutcome], groups: [TaskGroup] = [], configuration: [JSONValue.Member] = []) {
    (self.outcomes, self.groups, self.configuration) = (outcomes, groups, configuration)
  }

  /// The text of results.json.
  /// - Parameters:
  ///   - date: when the evaluation began, in seconds since 1970.
  ///   - seconds: how long it took.
  package func text(date: Double, seconds: Double) -> String {
    json(date, seconds).serialized(indent: 2, .python) + "\n"
  }

  /// The text of samples_TASK.jsonl.
  package static func samples(_ outcome: TaskOutcome) -> String {
    outcome.samples.map { $0.serialized(.python) + "\n" }.joined()
  }

  private func json(_ date: Double, _ seconds: Double) -> JSONValue {
    let groupResults = groups.map { JSONValue.Member($0.name, $0.results(outcomes, groups)) }
    var members: [JSONValue.Member] = [
      .init("results", .object(outcomes.map { .init($0.name, Self.results(of: $0)) } + groupResults))
    ]
    let averaged = zip(groups, groupResults).filter { !$0.0.metrics.isEmpty }.map(\.1)
    if !averaged.isEmpty { members.append(.init("groups", .object(averaged))) }
    members += [
      .init(
        "group_subtasks", .object(groups.map { .init($0.name, .array($0.children.map(JSONValue.string))) })),
      .init("configs", sorted(outcomes.map { .init($0.name, $0.configuration) })),
      .init(
        "versions",
        sorted(
          outcomes.map { .init($0.name, $0.version) } + groups.map { .init($0.name, .string($0.version)) })),
      .init("n-shot", sorted(shotCounts)), .init("higher_is_better", sorted(directions)),
      .init("n-samples", .object(outcomes.map { .init($0.name, Self.counts(of: $0)) })),
      .init("config", .object(configuration)), .init("git_hash", .null), .init("date", .number(date)),
    ]
    members += remarks
    members += [
      .init("task_hashes", .object(outcomes.map { .init($0.name, .string($0.hash)) })),
      .init("total_evaluation_time_seconds", .string(PythonText.number(seconds))),
    ]
    return .object(members)
  }

  private static func results(of outcome: TaskOutcome) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("name", .string(outcome.name)), .init("alias", .string(outcome.alias)),
      .init("sample_len", .integer(Int64(outcome.documentCount.evaluated))),
    ]
    for metric in outcome.metrics {
      members.append(.init(metric.key, .number(metric.value)))
      members.append(.init(metric.errorKey, metric.standardError.map(JSONValue.number) ?? "N/A"))
    }
    return .object(members)
  }

  private static func counts(of outcome: TaskOutcome) -> JSONValue {
    [
      "original": .integer(Int64(outcome.documentCount.all)),
      "effective": .integer(Int64(outcome.documentCount.evaluated)),
    ]
  }

  private var shotCounts: [JSONValue.Member] {
    let own = outcomes.map { JSONValue.Member($0.name, .integer(Int64($0.shotCount))) }
    let shared = groups.compactMap { group -> JSONValue.Member? in
      let counts = Set(group.tasks(outcomes, groups).map(\.shotCount))
      guard counts.count == 1, let count = counts.first else { return nil }
      return .init(group.name, .integer(Int64(count)))
    }
    return own + shared
  }

  private var directions: [JSONValue.Member] {
    let own = outcomes.map { JSONValue.Member($0.name, .object($0.higherIsBetter)) }
    return own
      + groups.compactMap { group in
        group.tasks(outcomes, groups).first.map { .init(group.name, .object($0.higherIsBetter)) }
      }
  }

  private func sorted(_ members: [JSONValue.Member]) -> JSONValue {
    .object(members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
  }
}
