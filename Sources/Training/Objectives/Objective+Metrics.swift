// Metrics of a step or an evaluation, with TRL's names.

import Corpus

/// Names and values in the order of metrics.jsonl.
package struct ObjectiveMetrics: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var name: String
    package var value: Double
    /// Of the value as an estimate for all data like the held-out examples. Evaluations only.
    package var standardError: Double?
  }

  package private(set) var entries: [Entry] = []

  static func + (first: ObjectiveMetrics, second: ObjectiveMetrics) -> ObjectiveMetrics {
    var all = first
    all.entries += second.entries
    return all
  }

  mutating func add(_ name: String, _ value: Double) { entries.append(Entry(name: name, value: value)) }

  mutating func add(_ name: String, standardError: Double?) {
    if let place = entries.firstIndex(where: { $0.name == name }) { entries[place].standardError = standardError }
  }

  package subscript(name: String) -> Double? { entry(name)?.value }

  package func entry(_ name: String) -> Entry? { entries.first { $0.name == name } }
}

extension Objective {
  /// The metrics of `examples` as one step: sums in fp64 and in the examples' order.
  /// - Precondition: there is at least one example.
  package func metrics(_ examples: [ExampleSums]) -> ObjectiveMetrics {
    let terms = terms(examples)
    let likelihoodSums = examples.flatMap { example in likelihoodSpans.map { example.policy[$0] } }
    let negativeLogLikelihood = -mean(likelihoodSums, count: StepTotals(examples, self).likelihoodTokens)
    var metrics = ObjectiveMetrics()
    metrics.add("loss", mean(terms.map(\.value)) + likelihoodWeight * negativeLogLikelihood)
    switch self {
    case .supervised: break
    case .dpo, .cpo, .simpo: addPairs(examples, to: &metrics)
    case .orpo(let beta):
      addPairs(examples, to: &metrics)
      let logOdds = examples.map { oddsRatioLoss($0.pair, beta: beta).logOdds }
      metrics.add("log_odds_ratio", mean(logOdds.map { -softplus(-$0) }))
      metrics.add("log_odds_chosen", mean(logOdds))
    case .kto(let kto): addUnpaired(examples, kto, to: &metrics)
    }
    if likelihoodWeight != 0, self != .supervised { metrics.add("nll_loss", negativeLogLikelihood) }
    return metrics
  }

  /// The metrics of `examples` with standard errors. For pairs also the share whose chosen completion has the higher mean
  /// log-prob per token under the policy alone.
  /// - Precondition: there is at least one example.
  package func evaluationMetrics(_ examples: [ExampleSums]) -> ObjectiveMetrics {
    var metrics = metrics(examples)
    if exampleKind == .pair { metrics.add("logps/accuracies", mean(Self.likelihoodWins(examples))) }
    addStandardErrors(examples, to: &metrics)
    return metrics
  }

  /// The names of an evaluation's metrics.
  package var evaluationMetricNames: [String] { evaluationMetricNames(labels: [true, false]) }

  /// The same where held-out examples have these labels: KTO's names depend on them.
  func evaluationMetricNames(labels: Set<Bool>) -> [String] {
    let (sums, ones) = (spans.map { _ in -1.0 }, spans.map { _ in 1 })
    let examples = labels.map {
      ExampleSums(policy: sums, reference: usesReference ? sums : [], tokens: ones, isDesirable: $0)
    }
    return evaluationMetrics(examples).entries.map(\.name)
  }

  /// 1 for each pair whose chosen completion has the higher mean log-prob per token, otherwise 0.
  static func likelihoodWins(_ examples: [ExampleSums]) -> [Double] {
    examples.map { $0.mean(0) > $0.mean(1) ? 1 : 0 }
  }

  /// The rewards of pairs: of log-probs per token if these are what the loss uses.
  func pairRewards(_ examples: [ExampleSums]) -> (chosen: [Double], rejected: [Double], wins: [Double])? {
    func rewards(_ span: Int) -> [Double]? {
      switch self {
      case .dpo(let family): examples.map { family.beta * $0.logRatio(span) }
      case .cpo(let beta, _, _): examples.map { beta * $0.logRatio(span) }
      case .simpo(let beta, _, _, _), .orpo(let beta): examples.map { beta * $0.mean(span) }
      case .supervised, .kto: nil
      }
    }
    guard let chosen = rewards(0), let rejected = rewards(1) else { return nil }
    // Strictly greater, as in TRL: the accuracy is 0 while the policy equals the reference.
    return (chosen, rejected, zip(chosen, rejected).map { $0 > $1 ? 1 : 0 })
  }

  private func addPairs(_ examples: [ExampleSums], to metrics: inout ObjectiveMetrics) {
    guard let rewards = pairRewards(examples) else { return }
    metrics.add("rewards/chosen", mean(rewards.chosen))
    metrics.add("rewards/rejected", mean(rewards.rejected))
    metrics.add("rewards/accuracies", mean(rewards.wins))
    metrics.add("rewards/margins", mean(rewards.chosen) - mean(rewards.rejected))
    for (span, name) in ["chosen", "rejected"].enumerated() {
      metrics.add("logps/\(name)", mean(examples.map { averagesTokens ? $0.mean(span) : $0.policy[span] }))
    }
  }

  /// Whether the log-probs of pairs are means per token, as in the loss.
  private var averagesTokens: Bool {
    switch self {
    case .simpo, .orpo: true
    case .supervised, .dpo, .cpo, .kto: false
    }
  }

  /// Means over the desirable and over the undesirable examples. A group without examples is left out.
  private func addUnpaired(_ examples: [ExampleSums], _ kto: KTO, to metrics: inout ObjectiveMetrics) {
    let (chosen, rejected) = (examples.filter(\.isDesirable), examples.filter { !$0.isDesirable })
    func reward(_ examples: [ExampleSums]) -> Double { mean(examples.map { kto.beta * $0.logRatio(0) }) }
    for (name, side) in [("chosen", chosen), ("rejected", rejected)] where !side.isEmpty {
      metrics.add("rewards/\(name)", reward(side))
      metrics.add("logps/\(name)", mean(side.map { $0.policy[0] }))
    }
    if !chosen.isEmpty, !rejected.isEmpty { metrics.add("rewards/margins", reward(chosen) - reward(rejected)) }
    metrics.add("kl", kto.baseline(examples))
  }

  private func mean(_ numbers: [Double]) -> Double { mean(numbers, count: numbers.count) }

  private func mean(_ numbers: [Double], count: Int) -> Double { numbers.reduce(0, +) / Double(max(1, count)) }
}
