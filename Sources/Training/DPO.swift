// Direct preference optimization: the loss of one pair and its derivative, nothing else.

/// The DPO loss (Rafailov et al. 2023, equation 7), with label smoothing cDPO (Mitchell 2023):
///
///     d = (log π(chosen) − log ref(chosen)) − (log π(rejected) − log ref(rejected))
///     loss = −(1 − ε) log σ(β d) − ε log σ(−β d)
///
/// Sums over completion tokens, in nats and fp64.
package struct DPO: Sendable, Equatable {
  package let beta: Double
  /// ε, the share of labels taken for flipped.
  package let labelSmoothing: Double

  package init(beta: Double, labelSmoothing: Double) {
    self.beta = beta
    self.labelSmoothing = labelSmoothing
  }

  /// Log-probability sums of a pair's two completions.
  package struct Pair: Sendable, Equatable {
    package var chosen, rejected: Double
    package init(chosen: Double, rejected: Double) { (self.chosen, self.rejected) = (chosen, rejected) }
  }

  /// A pair's loss, its derivative by either policy sum, and its implicit rewards β (log π − log ref).
  package struct Outcome: Sendable, Equatable {
    package var loss: Double
    package var chosenSlope, rejectedSlope: Double
    package var chosenReward, rejectedReward: Double
  }

  package func callAsFunction(policy: Pair, reference: Pair) -> Outcome {
    let chosen = beta * (policy.chosen - reference.chosen)
    let rejected = beta * (policy.rejected - reference.rejected)
    let x = chosen - rejected
    let slope = beta * (labelSmoothing * sigmoid(x) - (1 - labelSmoothing) * sigmoid(-x))
    return Outcome(
      loss: (1 - labelSmoothing) * softplus(-x) + labelSmoothing * softplus(x), chosenSlope: slope,
      rejectedSlope: -slope, chosenReward: chosen, rejectedReward: rejected)
  }
}
