// What makes an evaluation impossible.

package import Corpus
import Tensors

/// A task, a task file or a document that cannot be evaluated: the place, what was found, what to do.
package struct EvaluationError: UserError, Equatable {
  package let place: String
  package let reason: String

  package init(_ place: String, _ reason: String) { (self.place, self.reason) = (place, reason) }

  /// A document of a task.
  package init(_ task: String, _ location: RecordLocation, _ reason: String) {
    self.init("\(location) (task \(task))", reason)
  }

  /// A line of a file.
  package init(file: String, line: Int, _ reason: String) { self.init("\(file):\(line)", reason) }

  package var description: String { "\(place): \(reason)" }
}

/// What is wrong with a document; who knows its place adds it.
package struct DocumentProblem: Error, Equatable {
  package let reason: String

  package init(_ reason: String) { self.reason = reason }
}
