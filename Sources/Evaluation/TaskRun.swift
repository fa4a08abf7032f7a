// A task at work: its documents with their requests, and what makes metrics of responses.

package import Checkpoints
import Corpus

/// A task with its requests.
package struct TaskRun: Sendable {
  package var name: String
  package var alias: String
  package var items: [TaskItem]
  /// Documents of the task, with those that are not evaluated.
  package var documentCount: Int
  package var shotCount: Int
  package var version: JSONValue
  package var configuration: JSONValue
  package var filters: [ResponseFilter]
  /// The settings of answers; nil where none are asked for.
  package var answers: AnswerSettings?
  package var higherIsBetter: [JSONValue.Member]
  package var aggregations: [String: Aggregation]
  /// The metrics of each document.
  /// - Throws: `DocumentProblem`, or what a metric throws.
  package var score: @Sendable ([TaskItem], [FilteredResponses]) throws -> [[DocumentMetric]]

  /// Documents whose answer is none of their choices. As in lm-eval no choice is right there.
  package var withoutRightChoice: [TaskDocument] { items.filter { !$0.hasRightChoice }.map(\.document) }

  /// The requests of all documents, one after the other.
  package var requests: [TaskRequest] { items.flatMap(\.requests) }
}

extension TaskDefinition {
  /// The number of examples in a prompt.
  func shotCount(_ settings: EvaluationSettings) -> Int {
    guard shotCount != 0 else { return 0 }
    return max(0, settings.shotCount ?? shotCount ?? 0)
  }
}
