// Several models' results side by side, as a table of Markdown.

import Evaluation
import Foundation

/// A row for each metric of each task, a column for each model.
struct ComparisonTable {
  private let titles: [String]
  private let outcomes: [[TaskOutcome]]

  init(_ models: [(title: String, outcomes: [TaskOutcome])]) {
    (titles, outcomes) = (models.map(\.title), models.map(\.outcomes))
  }

  var text: String {
    var rows = [["task", "metric"] + titles]
    for task in outcomes.first ?? [] {
      for metric in task.metrics {
        let own = outcomes.map { $0.first { $0.name == task.name }?.metrics.first { $0.key == metric.key } }
        rows.append([task.name, metric.title] + own.map { $0?.text ?? "" })
      }
    }
    let widths = rows[0].indices.map { column in rows.map(\.[column].count).max() ?? 0 }
    let lines = rows.map { row in
      "| " + zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ") + " |"
    }
    let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|"
    return ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
  }
}

extension TaskOutcome.Metric {
  /// Its name for people.
  var title: String { filter == "none" ? name : "\(name) (\(filter))" }

  /// Its value for people, with its standard error.
  var text: String {
    func digits(_ number: Double) -> String { String(format: "%.4g", number) }
    return digits(value) + (standardError.map { " ± \(digits($0))" } ?? "")
  }
}
