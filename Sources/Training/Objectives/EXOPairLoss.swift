// Efficient exact optimization on pairs.

import Tensors

/// EXO-pref (Ji et al. 2024, equation 16): the divergence of the policy's choice from a label that is flipped with
/// probability ε, for 0 < ε < 1:
///
///     x = β (Δw − Δl)
///     loss = σ(x) (log σ(x) − log(1 − ε)) + σ(−x) (log σ(−x) − log ε)
func exoPairLoss(_ pair: Pair, beta: Double, labelSmoothing: Double) -> PairTerm {
  let x = beta * (pair.chosen - pair.rejected)
  let (won, lost) = (-softplus(-x) - Double.log1p(-labelSmoothing), -softplus(x) - Double.log(labelSmoothing))
  // σ' = σ(x) σ(−x); the derivatives of the logarithms cancel.
  return PairTerm(
    value: sigmoid(x) * won + sigmoid(-x) * lost, gradient: beta * sigmoid(x) * sigmoid(-x) * (won - lost))
}
