// Noise contrastive alignment on pairs.

/// NCA for one chosen and one rejected completion (Chen et al. 2024):
///
///     loss = −log σ(β Δw) − ½ log σ(−β Δw) − ½ log σ(−β Δl)
func ncaPairLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let (w, l) = (beta * pair.chosen, beta * pair.rejected)
  return PairTerm(
    value: softplus(-w) + 0.5 * softplus(w) + 0.5 * softplus(l),
    chosenGradient: beta * (0.5 * sigmoid(w) - sigmoid(-w)), rejectedGradient: beta * 0.5 * sigmoid(l))
}
