// Contrastive preference optimization: DPO without a reference.

/// CPO's preference term (Xu et al. 2024, equation 3). The objective adds the likelihood of the chosen completion.
///
///     x = β (log π(w) − log π(l))
///     loss = −(1 − ε) log σ(x) − ε log σ(−x)
func cpoLoss(_ pair: Pair, beta: Double, labelSmoothing: Double) -> PairTerm {
  let (value, gradient) = logisticLoss(beta * (pair.chosen - pair.rejected), smoothing: labelSmoothing)
  return PairTerm(value: value, gradient: beta * gradient)
}
