// A hinge instead of DPO's logistic function.

/// The hinge of SLiC (Zhao et al. 2023) on DPO's margin, as in RSO (Liu et al. 2023):
///
///     loss = max(0, 1 − β (Δw − Δl))
func hingeLoss(_ pair: Pair, beta: Double) -> PairTerm {
  let shortfall = 1 - beta * (pair.chosen - pair.rejected)
  return shortfall > 0 ? PairTerm(value: shortfall, gradient: -beta) : PairTerm(value: 0, gradient: 0)
}
