// What is asked of the model for a document, and what it says.

package import Checkpoints

/// A request as a task makes it, in texts.
package enum TaskRequest: Sendable, Equatable {
  /// What the texts of one document's requests have at most, together: a short template can write more than fits memory.
  static let maximumBytes = 64 << 20

  /// How likely a text is after another.
  case likelihood(context: String, continuation: String)
  /// How likely a text is.
  case rolling(String)
  /// An answer.
  case answer(prompt: String)
  /// How likely tokens are after others; the texts are for people.
  case tokens(context: [Int32], continuation: [Int32], shown: [String])
}

extension TaskRequest {
  /// - Throws: `DocumentProblem` if the texts of a document's requests have more bytes than they may.
  static func requireRoom(_ byteCount: Int) throws(DocumentProblem) {
    guard byteCount <= maximumBytes else {
      throw DocumentProblem("the document's prompts have \(byteCount) bytes, more than \(maximumBytes)")
    }
  }
}

/// How likely a request's text is.
package struct TextLikelihood: Sendable, Equatable {
  /// Log-prob of the text, nats.
  package var sum: Double
  package var isGreedy: Bool
  package var tokenCount: Int

  package init(sum: Double, isGreedy: Bool, tokenCount: Int) {
    (self.sum, self.isGreedy, self.tokenCount) = (sum, isGreedy, tokenCount)
  }
}

/// What a model says to a request.
package enum TaskResponse: Sendable, Equatable {
  case likelihood(TextLikelihood)
  /// Answers to the same request, one for each repetition.
  case answers([String])
}

/// A document with its requests.
package struct TaskItem: Sendable {
  package var document: TaskDocument
  package var target: JSONValue
  package var requests: [TaskRequest]
  /// Whether there is a choice that is right; true where nothing is chosen.
  package var hasRightChoice = true

  package init(document: TaskDocument, target: JSONValue, requests: [TaskRequest]) {
    (self.document, self.target, self.requests) = (document, target, requests)
  }
}

/// The value of a metric for one document.
package enum MetricValue: Sendable, Equatable {
  case number(Double)
  case integer(Int)
  /// A log-prob and what it is divided by.
  case weighted(Double, by: Int)
  /// The right and the chosen answer.
  case labels(gold: Int, chosen: Int)
  /// The right answer and the probabilities of all.
  case probabilities(gold: Int, [Double])

  /// The value of a number.
  package var number: Double {
    switch self {
    case .number(let value): value
    case .integer(let value): Double(value)
    case .weighted(let value, _): value
    case .labels, .probabilities: .nan
    }
  }

  package var json: JSONValue {
    switch self {
    case .number(let value): .number(value)
    case .integer(let value): .integer(Int64(value))
    case .weighted(let value, let weight): [.number(value), .integer(Int64(weight))]
    case .labels(let gold, let chosen): [.integer(Int64(gold)), .integer(Int64(chosen))]
    case .probabilities(let gold, let values): [.integer(Int64(gold)), .array(values.map(JSONValue.number))]
    }
  }
}

/// A named value of a metric.
package struct DocumentMetric: Sendable, Equatable {
  package var name: String
  package var value: MetricValue

  package init(_ name: String, _ value: MetricValue) { (self.name, self.value) = (name, value) }
}
