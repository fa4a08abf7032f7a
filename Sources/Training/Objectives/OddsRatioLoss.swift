// Odds ratio preference optimization, without a reference.

import Tensors

/// ORPO's preference term (Hong et al. 2024, equations 4 and 7). The objective adds the likelihood of prompt and chosen
/// completion. With a the mean log-prob per token,
///
///     log odds = (aw − log(1 − e^aw)) − (al − log(1 − e^al))
///     loss = −β log σ(log odds)
func oddsRatioLoss(_ pair: Pair, beta: Double) -> (term: PairTerm, logOdds: Double) {
  let chosen = LogOdds(mean: pair.chosen / pair.chosenTokens)
  let rejected = LogOdds(mean: pair.rejected / pair.rejectedTokens)
  let logOdds = chosen.value - rejected.value
  let gradient = -beta * sigmoid(-logOdds)
  return (
    PairTerm(
      value: beta * softplus(-logOdds), chosenGradient: gradient * chosen.gradient / pair.chosenTokens,
      rejectedGradient: -gradient * rejected.gradient / pair.rejectedTokens), logOdds
  )
}

/// a − log(1 − e^a) and its derivative 1 / (1 − e^a).
private struct LogOdds {
  var value, gradient: Double

  init(mean: Double) {
    // A completion with probability 1 in fp32 has a = 0 and infinite odds, so a stays half an fp32 ulp below 0.
    let a = min(mean, -0x1p-25)
    // log(1 − e^a) by expm1 or log1p, whichever does not cancel.
    value = a - (a > -0.6931471805599453 ? Double.log(-Double.expm1(a)) : Double.log1p(-Double.exp(a)))
    gradient = -1 / Double.expm1(a)
  }
}
