// How long requests will take, and how much memory.

package import Model

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

  /// The same with fewer answers at once, if memory is short.
  func fitting(_ c: ModelConfiguration, ranksOnNode: Int) -> InferenceWork {
    var work = self
    work.demand = demand?.fitting(c, ranksOnNode: ranksOnNode)
    return work
  }

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
    let distinct = Set(likelihoods).map { (tokens: $0.context + $0.continuation, start: $0.context.count - 1) }
    var before: [Int32] = []
    for (tokens, start) in distinct.sorted(by: { $0.tokens.lexicographicallyPrecedes($1.tokens) }) {
      longest = max(longest, tokens.count)
      // What a neighbour begins with is computed once, but for the rows before scored tokens.
      let shared = min(start, zip(before, tokens).prefix { $0 == $1 }.count)
      scoring.add(shared..<tokens.count - 1, scored: tokens.count - 1 - start)
      before = tokens
    }
    guard !answers.isEmpty else { return }
    let sorted = answers.sorted { $0.prompt.lexicographicallyPrecedes($1.prompt) }
    before = []
    for answer in sorted {
      let shared = zip(before, answer.prompt).prefix { $0 == $1 }.count
      reading.add(min(shared, answer.prompt.count - 1)..<answer.prompt.count, scored: 1)
      newTokens += answer.options.maximumNewTokens
      longestAnswer = max(longestAnswer, answer.options.maximumNewTokens)
      before = answer.prompt
    }
    demand = GenerationDemand(sorted, ranks: ranks, most: slots)
  }
}

/// What requests will take.
package struct InferenceForecast: Sendable, Equatable {
  /// Seconds of likelihoods.
  package let scoring: Double
  /// Seconds of answers, if all become as long as they may.
  package let answering: Double
  /// Memory of a rank besides the model's weights.
  package let privateBytes: Int

  package var seconds: Double { scoring + answering }

  /// - Parameter rates: of all ranks.
  package init(_ work: InferenceWork, _ rates: [InferenceRates], _ policy: Policy) {
    let (c, adapter) = (policy.model.configuration, policy.adapter?.layout)
    func operations(_ rows: InferenceWork.Rows) -> Double {
      FlopCount.inference(rows: rows.count, attended: rows.attended, scored: rows.scored, c, adapter).total
    }
    /// Seconds per operation of all ranks together.
    func together(_ rate: (InferenceRates) -> Double) -> Double { 1 / rates.reduce(0) { $0 + 1 / rate($1) } }
    scoring = operations(work.scoring) * together(\.full)
    if let demand = work.demand {
      let token = operations(InferenceWork.Rows(count: 1, attended: demand.capacity, scored: 1))
      // At the end few answers are left, and a step takes no less.
      let slowest = rates.map(\.answering).max() ?? 0
      let steps = max(
        Double(work.newTokens) * token * together(\.answering),
        Double(work.longestAnswer * demand.slots) * token * slowest)
      answering = operations(work.reading) * together(\.full) + steps
    } else {
      answering = 0
    }
    privateBytes = work.byteCount(c, adapter)
  }
}

extension InferenceWork {
  /// Memory of a rank besides the weights.
  func byteCount(_ c: ModelConfiguration, _ adapter: AdapterLayout?) -> Int {
    let scoring = longest == 0 ? 0 : LikelihoodScorer.byteCount(c, adapter, longest: longest)
    let answering = demand.map {
      Generator.byteCount(c, capacity: $0.capacity, slots: $0.slots, cached: $0.cached)
    }
    return max(scoring, answering ?? 0)
  }
}
