// Tasks that are reported together.

import Checkpoints

/// A group of tasks and of other groups.
package struct TaskGroup: Sendable {
  package var name: String
  package var alias: String
  package var version: String
  /// Names of tasks or groups.
  package var children: [String]
  /// The metrics that are averaged over the tasks, each task with the weight of its documents.
  package var metrics: [String]

  package init(_ name: String, alias: String? = nil, version: String, children: [String], metrics: [String]) {
    (self.name, self.alias, self.version) = (name, alias ?? name, version)
    (self.children, self.metrics) = (children, metrics)
  }

  /// The tasks in it, through its groups.
  func tasks(_ outcomes: [TaskOutcome], _ groups: [TaskGroup]) -> [TaskOutcome] {
    children.flatMap { child in
      if let group = groups.first(where: { $0.name == child }) { return group.tasks(outcomes, groups) }
      return outcomes.filter { $0.name == child }
    }
  }

  /// The members of `results.GROUP`.
  func results(_ outcomes: [TaskOutcome], _ groups: [TaskGroup]) -> JSONValue {
    let tasks = tasks(outcomes, groups)
    var members: [JSONValue.Member] = [.init("alias", .string(alias)), .init("name", .string(name))]
    guard !metrics.isEmpty else { return .object(members) }
    let total = tasks.reduce(0) { $0 + $1.documentCount.evaluated }
    members.append(.init("sample_len", .integer(Int64(total))))
    var counts: [JSONValue.Member] = []
    for metric in metrics {
      let filters = Set(tasks.flatMap(\.metrics).filter { $0.name == metric }.map(\.filter)).sorted()
      for filter in filters {
        let own = tasks.flatMap { task in
          task.metrics.filter { $0.name == metric && $0.filter == filter }.map { ($0, task.documentCount.evaluated) }
        }
        let sizes = own.map { Double($0.1) }
        let all = sizes.reduce(0, +)
        let mean = zip(own, sizes).reduce(0) { $0 + $1.0.0.value * $1.1 } / all
        members.append(.init("\(metric),\(filter)", .number(mean)))
        members.append(.init("\(metric)_stderr,\(filter)", Self.error(own.map(\.0.standardError), sizes)))
        counts.append(.init("\(metric),\(filter)", .integer(Int64(all))))
      }
    }
    return .object(members + (counts.isEmpty ? [] : [.init("sample_count", .object(counts))]))
  }

  /// The standard error of the tasks' pooled variance.
  private static func error(_ errors: [Double?], _ sizes: [Double]) -> JSONValue {
    let known = errors.compactMap { $0 }
    guard known.count == errors.count else { return "N/A" }
    let all = sizes.reduce(0, +)
    let variance =
      zip(known, sizes).reduce(0) { $0 + ($1.1 - 1) * $1.0 * $1.0 * $1.1 } / (all - Double(sizes.count))
    return .number((variance / all).squareRoot())
  }
}
