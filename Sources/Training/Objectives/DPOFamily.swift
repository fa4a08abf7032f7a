// Losses on a pair's log-ratios to a reference, singly or as a weighted sum.

/// The losses of TRL's `loss_type`, with the same names.
package enum DPOLoss: String, Sendable, CaseIterable {
  case sigmoid, hinge, ipo
  case exoPair = "exo_pair"
  case ncaPair = "nca_pair"
  case robust
  case bcoPair = "bco_pair"
  case sppoHard = "sppo_hard"
  case aot
  case aotUnpaired = "aot_unpaired"
  case apoZero = "apo_zero"
  case apoDown = "apo_down"
  case discopop
  /// The mean negative log-likelihood of the step's chosen tokens.
  case sft
  case sigmoidNorm = "sigmoid_norm"

  /// Whether a pair's loss depends on the step's other pairs.
  package var needsWholeStep: Bool { self == .aot || self == .aotUnpaired }

  /// Whether the loss uses `labelSmoothing`.
  package var usesLabelSmoothing: Bool {
    switch self {
    case .sigmoid, .robust, .exoPair, .aot, .aotUnpaired: true
    default: false
    }
  }

  /// Whether the loss is defined for this share of flipped labels, as in TRL.
  package func accepts(labelSmoothing: Double) -> Bool {
    switch self {
    case .robust: 0..<0.5 ~= labelSmoothing
    case .exoPair: labelSmoothing > 0 && labelSmoothing < 1
    default: 0...1 ~= labelSmoothing
    }
  }
}

/// A weighted sum of losses on the same pairs.
package struct DPOFamily: Sendable, Equatable {
  package struct Weighted: Sendable, Equatable {
    package var loss: DPOLoss
    package var weight: Double

    package init(_ loss: DPOLoss, weight: Double = 1) { (self.loss, self.weight) = (loss, weight) }
  }

  package var losses: [Weighted]
  package var beta: Double
  /// ε, the assumed share of flipped labels.
  package var labelSmoothing: Double
  /// τ of `discopop`.
  package var discopopTemperature: Double

  /// - Parameter rpoAlpha: adds `sft` with this weight (RPO: Pang et al. 2024, equation 1, with the mean over tokens).
  package init(
    _ losses: [Weighted], beta: Double, labelSmoothing: Double = 0, discopopTemperature: Double = 0.05,
    rpoAlpha: Double? = nil
  ) {
    self.losses = losses + (rpoAlpha.map { [Weighted(.sft, weight: $0)] } ?? [])
    (self.beta, self.labelSmoothing, self.discopopTemperature) = (beta, labelSmoothing, discopopTemperature)
  }

  /// The weight of `sft`, which is not a loss of single pairs.
  var likelihoodWeight: Double { losses.reduce(0) { $0 + ($1.loss == .sft ? $1.weight : 0) } }

  /// Each pair's loss, without `sft`.
  func terms(_ examples: [ExampleSums]) -> [PairTerm] {
    var terms = examples.map { _ in PairTerm(value: 0, gradient: 0) }
    for weighted in losses {
      for (i, term) in self.terms(weighted.loss, examples).enumerated() { terms[i].add(term, weight: weighted.weight) }
    }
    return terms
  }

  private func terms(_ loss: DPOLoss, _ examples: [ExampleSums]) -> [PairTerm] {
    func eachPair(_ loss: (Pair) -> PairTerm) -> [PairTerm] { examples.map { loss($0.pair) } }
    return switch loss {
    case .sigmoid: eachPair { sigmoidLoss($0, beta: beta, labelSmoothing: labelSmoothing) }
    case .hinge: eachPair { hingeLoss($0, beta: beta) }
    case .ipo: eachPair { ipoLoss($0, beta: beta) }
    case .exoPair: eachPair { exoPairLoss($0, beta: beta, labelSmoothing: labelSmoothing) }
    case .ncaPair: eachPair { ncaPairLoss($0, beta: beta) }
    case .robust: eachPair { robustLoss($0, beta: beta, labelSmoothing: labelSmoothing) }
    case .bcoPair: eachPair { bcoPairLoss($0, beta: beta) }
    case .sppoHard: eachPair { sppoHardLoss($0, beta: beta) }
    case .aot: aotLosses(examples, beta: beta, labelSmoothing: labelSmoothing)
    case .aotUnpaired: aotUnpairedLosses(examples.map(\.pair), beta: beta, labelSmoothing: labelSmoothing)
    case .apoZero: eachPair { apoZeroLoss($0, beta: beta) }
    case .apoDown: eachPair { apoDownLoss($0, beta: beta) }
    case .discopop: eachPair { discopopLoss($0, beta: beta, temperature: discopopTemperature) }
    case .sft: []
    case .sigmoidNorm: eachPair { sigmoidNormLoss($0, beta: beta) }
    }
  }
}
