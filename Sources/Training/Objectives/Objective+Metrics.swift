// Metrics of a step or an evaluation, with TRL's names.

import Corpus

/// Names and values in the order of metrics.jsonl.
package struct ObjectiveMetrics: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var name: String
    package var value: Double
  }

  package private(set) var entries: [Entry] = []

  mutating func add(_ name: String, _ value: Double) { entries.append(Entry(name: name, value: value)) }

  package subscript(name: String) -> Double? { entries.first { $0.name == name }?.value }
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
    case .dpo(let family): addPairs(examples, beta: family.beta, isMean: false, to: &metrics)
    case .cpo(let beta, _, _): addPairs(examples, beta: beta, isMean: false, to: &metrics)
    case .simpo(let beta, _, _, _): addPairs(examples, beta: beta, isMean: true, to: &metrics)
    case .orpo(let beta):
      addPairs(examples, beta: beta, isMean: true, to: &metrics)
      let logOdds = examples.map { oddsRatioLoss($0.pair, beta: beta).logOdds }
      metrics.add("log_odds_ratio", mean(logOdds.map { -softplus(-$0) }))
      metrics.add("log_odds_chosen", mean(logOdds))
    case .kto(let kto): addUnpaired(examples, kto, to: &metrics)
    }
    if likelihoodWeight != 0, self != .supervised { metrics.add("nll_loss", negativeLogLikelihood) }
    return metrics
  }

  /// The metrics of `examples`. For pairs also the share whose chosen completion has the higher mean log-prob per token
  /// under the policy alone.
  /// - Precondition: there is at least one example.
  package func evaluationMetrics(_ examples: [ExampleSums]) -> ObjectiveMetrics {
    var metrics = metrics(examples)
    if exampleKind == .pair {
      metrics.add("logps/accuracies", mean(examples.map { $0.mean(0) > $0.mean(1) ? 1 : 0 }))
    }
    return metrics
  }

  /// - Parameter isMean: whether log-probs are means per token, as in the loss.
  private func addPairs(_ examples: [ExampleSums], beta: Double, isMean: Bool, to metrics: inout ObjectiveMetrics) {
    func logProbabilities(_ span: Int) -> [Double] { examples.map { isMean ? $0.mean(span) : $0.policy[span] } }
    func rewards(_ span: Int) -> [Double] {
      isMean ? logProbabilities(span).map { beta * $0 } : examples.map { beta * $0.logRatio(span) }
    }
    let (chosen, rejected) = (rewards(0), rewards(1))
    metrics.add("rewards/chosen", mean(chosen))
    metrics.add("rewards/rejected", mean(rejected))
    // Strictly greater, as in TRL: the accuracy is 0 while the policy equals the reference.
    metrics.add("rewards/accuracies", mean(zip(chosen, rejected).map { $0 > $1 ? 1 : 0 }))
    metrics.add("rewards/margins", mean(chosen) - mean(rejected))
    metrics.add("logps/chosen", mean(logProbabilities(0)))
    metrics.add("logps/rejected", mean(logProbabilities(1)))
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
