// Simple preference optimization: mean log-probs and a margin, without a reference.

/// SimPO (Meng et al. 2024, equation 6), with TRL's label smoothing:
///
///     x = β (log π(w) / |w| − log π(l) / |l|) − γ
///     loss = −(1 − ε) log σ(x) − ε log σ(−x)
func simpoLoss(_ pair: Pair, beta: Double, gamma: Double, labelSmoothing: Double) -> PairTerm {
  let margin = pair.chosen / pair.chosenTokens - pair.rejected / pair.rejectedTokens
  let (value, gradient) = logisticLoss(beta * margin - gamma, smoothing: labelSmoothing)
  return PairTerm(
    value: value, chosenGradient: beta * gradient / pair.chosenTokens,
    rejectedGradient: -beta * gradient / pair.rejectedTokens)
}
