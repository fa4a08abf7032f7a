// Discovered preference optimization.

import Tensors

/// The log-ratio modulated loss of DiscoPOP (Lu et al. 2024, equation 5):
///
///     x = β (Δw − Δl),  m = σ(x / τ)
///     loss = −(1 − m) log σ(x) + m e^−x
func discopopLoss(_ pair: Pair, beta: Double, temperature: Double) -> PairTerm {
  let x = beta * (pair.chosen - pair.rejected)
  let (modulation, rest) = (sigmoid(x / temperature), sigmoid(-x / temperature))
  // m e^−x in one exponential: e^−x alone overflows where m vanishes.
  let exponential = Double.exp(-x - softplus(-x / temperature))
  let gradient =
    rest / temperature * (exponential - modulation * softplus(-x)) - rest * sigmoid(-x) - exponential
  return PairTerm(value: rest * softplus(-x) + exponential, gradient: beta * gradient)
}
