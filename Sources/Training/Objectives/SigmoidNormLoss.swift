// DPO on log-ratios per token.

/// Length-normalised DPO (Lambert et al. 2024, Tülu 3, equation 6):
///
///     loss = −log σ(β (Δw / |w| − Δl / |l|))
func sigmoidNormLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let margin = pair.chosen / pair.chosenTokens - pair.rejected / pair.rejectedTokens
  let (value, gradient) = logisticLoss(beta * margin, smoothing: 0)
  return PairTerm(
    value: value, chosenGradient: beta * gradient / pair.chosenTokens,
    rejectedGradient: -beta * gradient / pair.rejectedTokens)
}
