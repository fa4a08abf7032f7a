// Direct preference optimization.

/// DPO (Rafailov et al. 2023, equation 7), with label smoothing cDPO (Mitchell 2023):
///
///     x = β (Δw − Δl)
///     loss = −(1 − ε) log σ(x) − ε log σ(−x)
func sigmoidLoss(_ pair: Pair, beta: Double, labelSmoothing: Double) -> PairTerm {
  let (value, gradient) = logisticLoss(beta * pair.chosen - beta * pair.rejected, smoothing: labelSmoothing)
  return PairTerm(value: value, gradient: beta * gradient)
}
