// DPO that is unbiased under flipped labels.

/// Robust DPO (Chowdhury et al. 2024). Its expectation over labels that are flipped with probability ε < ½ is DPO's
/// loss on the true labels:
///
///     x = β (Δw − Δl)
///     loss = (−(1 − ε) log σ(x) + ε log σ(−x)) / (1 − 2ε)
func robustLoss(_ pair: Pair, beta: Double, labelSmoothing: Double) -> PairTerm {
  let x = beta * (pair.chosen - pair.rejected)
  let scale = 1 / (1 - 2 * labelSmoothing)
  return PairTerm(
    value: scale * ((1 - labelSmoothing) * softplus(-x) - labelSmoothing * softplus(x)),
    gradient: -beta * scale * ((1 - labelSmoothing) * sigmoid(-x) + labelSmoothing * sigmoid(x)))
}
