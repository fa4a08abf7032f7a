// Selects the held-out documents that the model answers at each evaluation.

package import Corpus

/// The number of documents and the length of their answers; the same on every rank.
package struct SamplePlan: Sendable, Equatable, Codable {
  package var count = 0
  /// The maximum length of an answer: 1.5 times the longest completion of those documents.
  package var newTokens = 0
  /// The maximum length of a prompt with its answer.
  package var capacity = 0

  /// Answers at once on a rank, and tokens in their cache.
  package var slots: Int { min(count, 8) }
  package var cached: Int { slots * capacity }

  package init() {}

  /// - Parameter trees: the held-out examples; the first `count` are used.
  package init(_ trees: [ExampleTree], count: Int, context: Int) {
    let trees = trees.prefix(count)
    self.count = trees.count
    newTokens = (trees.flatMap(\.completions).map(\.count).max() ?? 0) * 3 / 2
    capacity = min(context, (trees.map(\.prompt.count).max() ?? 0) + newTokens)
  }
}
