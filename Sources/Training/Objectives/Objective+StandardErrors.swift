// Standard errors of held-out losses, accuracies and margins: what these numbers are worth.

extension Objective {
  /// Adds the standard error of each loss, accuracy and margin, if there are two examples or more:
  ///
  ///     √( Σ (x − x̄)² / (n − 1) ) / √n
  ///
  /// as lm-evaluation-harness, with one x per example. For a mean over tokens, and for KTO's z, x is the example's
  /// first-order influence on the value (the delta method).
  func addStandardErrors(_ examples: [ExampleSums], to metrics: inout ObjectiveMetrics) {
    if let influences = lossInfluences(examples) { metrics.add("loss", standardError: standardError(influences)) }
    metrics.add("nll_loss", standardError: standardError(likelihoodInfluences(examples)))
    if let rewards = pairRewards(examples) {
      metrics.add("rewards/accuracies", standardError: standardError(rewards.wins))
      metrics.add("rewards/margins", standardError: standardError(zip(rewards.chosen, rewards.rejected).map(-)))
      metrics.add("logps/accuracies", standardError: standardError(Self.likelihoodWins(examples)))
    }
    if case .kto(let kto) = self {
      // Two groups of different examples.
      let errors = [true, false].compactMap { side in
        standardError(examples.filter { $0.isDesirable == side }.map { kto.beta * $0.logRatio(0) })
      }
      if errors.count == 2 {
        metrics.add("rewards/margins", standardError: (errors[0] * errors[0] + errors[1] * errors[1]).squareRoot())
      }
    }
  }

  /// Each example's influence on the loss; nil for AOT, which sorts all examples, so that none has a loss of its own.
  private func lossInfluences(_ examples: [ExampleSums]) -> [Double]? {
    var influences: [Double]
    switch self {
    case .dpo where needsWholeStep: return nil
    case .kto(let kto): influences = kto.influences(examples)
    case .supervised, .dpo, .cpo, .simpo, .orpo: influences = terms(examples).map(\.value)
    }
    let weight = likelihoodWeight
    if weight != 0 {
      for (place, influence) in likelihoodInfluences(examples).enumerated() { influences[place] += weight * influence }
    }
    return influences
  }

  /// Each example's influence on R = Σ a / Σ t, the mean negative log-likelihood per token: (a − R t) / t̄.
  private func likelihoodInfluences(_ examples: [ExampleSums]) -> [Double] {
    let sums = examples.map { example in likelihoodSpans.reduce(0) { $0 - example.policy[$1] } }
    let tokens = examples.map { Double(likelihoodTokens($0.tokens)) }
    let total = max(1, tokens.reduce(0, +))
    let ratio = sums.reduce(0, +) / total
    return zip(sums, tokens).map { ($0 - ratio * $1) * Double(examples.count) / total }
  }
}

extension KTO {
  /// Each example's term, and its influence on all terms through z = mean Δ'.
  fileprivate func influences(_ examples: [ExampleSums]) -> [Double] {
    let terms = terms(examples)
    let baseline = baseline(examples)
    guard baseline > 0 else { return terms.map(\.value) }
    // A term depends on Δ − z only.
    let slope = -terms.reduce(0) { $0 + $1.gradients[0] } / Double(examples.count)
    return zip(examples, terms).map { $1.value + slope * ($0.logRatio(1) - baseline) }
  }
}

/// The standard error of a mean; nil for fewer than two numbers.
private func standardError(_ numbers: [Double]) -> Double? {
  let count = Double(numbers.count)
  guard count > 1 else { return nil }
  let mean = numbers.reduce(0, +) / count
  let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
  return (variance / count).squareRoot()
}
