// Identity preference optimization.

/// IPO (Azar et al. 2023, equation 17) on log-ratios per token:
///
///     loss = (Δw / |w| − Δl / |l| − 1 / (2β))²
func ipoLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let error = pair.chosen / pair.chosenTokens - pair.rejected / pair.rejectedTokens - 1 / (2 * beta)
  return PairTerm(
    value: error * error, chosenGradient: 2 * error / pair.chosenTokens,
    rejectedGradient: -2 * error / pair.rejectedTokens)
}
