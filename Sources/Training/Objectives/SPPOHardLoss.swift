// Self-play preference optimization with certain labels.

/// SPPO (Wu et al. 2024, equation 4.7) with probability 1 for the winner and 0 for the loser:
///
///     loss = (Δw − 1 / (2β))² + (Δl + 1 / (2β))²
func sppoHardLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let (won, lost) = (pair.chosen - 0.5 / beta, pair.rejected + 0.5 / beta)
  return PairTerm(value: won * won + lost * lost, chosenGradient: 2 * won, rejectedGradient: 2 * lost)
}
