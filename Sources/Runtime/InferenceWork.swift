// What requests ask of a model: rows of its layers and of its head, and memory.

import Model
import Tensors

/// The work of requests. Answers are taken to be as long as they may be.
package struct InferenceWork {
  /// Rows through the layers, with the keys that these attend to, and rows through the head.
  package private(set) var scoring = Rows()
  /// The same of prompts.
  package private(set) var reading = Rows()
  /// Tokens of all answers, and of the longest.
  package private(set) var newTokens = 0
  package private(set) var longestAnswer = 0
  /// The most tokens of a context with its continuation; 0: there is nothing to score.
  package private(set) var longest = 0
  /// Nil: there is nothing to answer.
  package private(set) var demand: GenerationDemand?

  package struct Rows: Equatable {
    package var count = 0
    package var attended = 0
    package var scored = 0

    /// Adds the rows of a text from a place on.
    mutating func add(_ places: Range<Int>, scored: Int) {
      count += places.count
      attended += (places.lowerBound + 1 + places.upperBound) * places.count / 2
      self.scored += scored
    }
  }

  package init(_ likelihoods: [LikelihoodRequest], _ answers: [GenerationRequest], ranks: Int, slots: Int) {
    var before: [Int32] = []
    for request in Set(likelihoods).sorted(by: { $0.precedes($1) }) {
      let (tokens, start) = (request.tokens, request.context.count - 1)
      longest = max(longest, tokens.count)
      // What a neighbour begins with is computed once, but for the rows before scored tokens.
      let shared = min(start, before.commonPrefixCount(tokens))
      scoring.add(shared..<tokens.count - 1, scored: tokens.count - 1 - start)
      before = tokens
    }
    guard !answers.isEmpty else { return }
    let sorted = answers.sorted { $0.precedes($1) }
    before = []
    for answer in sorted {
      let shared = before.commonPrefixCount(answer.prompt)
      reading.add(min(shared, answer.prompt.count - 1)..<answer.prompt.count, scored: 1)
      newTokens += answer.options.maximumNewTokens
      longestAnswer = max(longestAnswer, answer.options.maximumNewTokens)
      before = answer.prompt
    }
    demand = GenerationDemand(sorted, ranks: ranks, most: slots)
  }

  /// The same with fewer answers at once, if memory is short.
  func fitting(_ c: ModelConfiguration, ranksOnNode: Int) -> InferenceWork {
    var work = self
    work.demand = demand?.fitting(c, ranksOnNode: ranksOnNode)
    return work
  }

  /// Memory of a rank besides the weights.
  func byteCount(_ c: ModelConfiguration, _ adapter: AdapterLayout?) -> Int {
    let scoring = longest == 0 ? 0 : LikelihoodScorer.byteCount(c, adapter, longest: longest)
    let answering = demand.map {
      Generator.byteCount(c, capacity: $0.capacity, slots: $0.slots, cached: $0.cached)
    }
    return max(scoring, answering ?? 0)
  }
}
