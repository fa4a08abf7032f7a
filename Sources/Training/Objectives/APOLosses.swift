// Anchored preference optimization: compares each completion with the reference, not only with the other completion.

/// APO-zero (D'Oosterlinck et al. 2024, equation 7), for chosen completions better than the model's own:
///
///     loss = 1 − σ(β Δw) + σ(β Δl)
func apoZeroLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let (w, l) = (beta * pair.chosen, beta * pair.rejected)
  return PairTerm(
    value: sigmoid(-w) + sigmoid(l), chosenGradient: -beta * sigmoid(w) * sigmoid(-w),
    rejectedGradient: beta * sigmoid(l) * sigmoid(-l))
}

/// APO-down (the same, equation 8), for chosen completions worse than the model's own:
///
///     loss = σ(β Δw) + 1 − σ(β (Δw − Δl))
func apoDownLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let (w, x) = (beta * pair.chosen, beta * (pair.chosen - pair.rejected))
  let marginGradient = beta * sigmoid(x) * sigmoid(-x)
  return PairTerm(
    value: sigmoid(w) + sigmoid(-x), chosenGradient: beta * sigmoid(w) * sigmoid(-w) - marginGradient,
    rejectedGradient: marginGradient)
}
