// Binary classifier optimization on pairs.

/// BCO (Jung et al. 2024) without its reward shift, as in TRL 1.16 (0.19 subtracted a running mean of all rewards):
///
///     loss = −log σ(β Δw) − log σ(−β Δl)
func bcoPairLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let (w, l) = (beta * pair.chosen, beta * pair.rejected)
  return PairTerm(
    value: softplus(-w) + softplus(l), chosenGradient: -beta * sigmoid(-w), rejectedGradient: beta * sigmoid(l))
}
