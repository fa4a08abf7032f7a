// Kahneman-Tversky optimization: desirable and undesirable completions, without pairs.

/// KTO (Ethayarajh et al. 2024, equation 7). With Δ = log π − log ref of a completion and Δ' of a mismatched one,
///
///     z = max(0, mean Δ' over the step)
///     desirable:    weight · (1 − σ(β (Δ − z)))
///     undesirable:  weight · (1 − σ(β (z − Δ)))
///
/// No gradient flows through z.
package struct KTO: Sendable, Equatable {
  package var beta: Double
  package var desirableWeight: Double
  package var undesirableWeight: Double

  package init(beta: Double, desirableWeight: Double = 1, undesirableWeight: Double = 1) {
    (self.beta, self.desirableWeight, self.undesirableWeight) = (beta, desirableWeight, undesirableWeight)
  }

  /// z, an estimate of the KL divergence of the policy from the reference (nats).
  func baseline(_ examples: [ExampleSums]) -> Double {
    max(0, examples.reduce(0) { $0 + $1.logRatio(1) } / Double(max(1, examples.count)))
  }

  /// Each example's term. The mismatched completion has no gradient.
  func terms(_ examples: [ExampleSums]) -> [ExampleTerm] {
    let baseline = baseline(examples)
    return examples.map { example in
      let x = beta * (example.logRatio(0) - baseline)
      let gradient = beta * sigmoid(x) * sigmoid(-x)
      return example.isDesirable
        ? ExampleTerm(value: desirableWeight * sigmoid(-x), gradients: [-desirableWeight * gradient, 0])
        : ExampleTerm(value: undesirableWeight * sigmoid(x), gradients: [undesirableWeight * gradient, 0])
    }
  }
}
