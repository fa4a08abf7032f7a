// Alignment via optimal transport: compares distributions over the step instead of single pairs.

/// AOT (Melnyk et al. 2024) for pairs: with u = log π(w) − log π(l) and v the same under the reference, both sorted
/// over the step,
///
///     x = β (u₍ₖ₎ − v₍ₖ₎)
///     loss = −(1 − ε) log σ(x) − ε log σ(−x)
///
/// The k-th term belongs to the pair with that u. Equal values keep the step's order.
func aotLosses(_ examples: [ExampleSums], beta: Double, labelSmoothing: Double) -> [PairTerm] {
  let policy = examples.map { $0.policy[0] - $0.policy[1] }
  let reference = examples.map { $0.reference[0] - $0.reference[1] }.sorted()
  var terms = examples.map { _ in PairTerm(value: 0, gradient: 0) }
  for (place, i) in ascending(policy).enumerated() {
    let (value, gradient) = logisticLoss(beta * (policy[i] - reference[place]), smoothing: labelSmoothing)
    terms[i] = PairTerm(value: value, gradient: beta * gradient)
  }
  return terms
}

/// AOT for unpaired completions: Δw and Δl are sorted separately over the step,
///
///     x = β (Δw₍ₖ₎ − Δl₍ₖ₎)
///
/// and the loss is as above. The k-th term belongs to the pair with that Δw; its gradient by Δl belongs to another
/// pair.
func aotUnpairedLosses(_ pairs: [Pair], beta: Double, labelSmoothing: Double) -> [PairTerm] {
  var terms = pairs.map { _ in PairTerm(value: 0, gradient: 0) }
  for (w, l) in zip(ascending(pairs.map(\.chosen)), ascending(pairs.map(\.rejected))) {
    let (value, gradient) = logisticLoss(beta * (pairs[w].chosen - pairs[l].rejected), smoothing: labelSmoothing)
    terms[w].value = value
    terms[w].chosenGradient = beta * gradient
    terms[l].rejectedGradient = -beta * gradient
  }
  return terms
}

/// The order that sorts numbers. Equal numbers keep their order.
private func ascending(_ numbers: [Double]) -> [Int] {
  numbers.indices.sorted { (numbers[$0], $0) < (numbers[$1], $1) }
}
