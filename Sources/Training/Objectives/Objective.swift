// The function that a run minimises: every objective as one function of a step's log-prob sums.

/// A training objective. With N examples and T likelihood tokens in the global step, each is
///
///     (1 / N) Σ term(example) − (λ / T) Σ log π(likelihood tokens)
///
/// so it does not depend on micro-batches or ranks. Formulas are those of TRL 1.16; docs/objectives.md lists them.
package enum Objective: Sendable, Equatable {
  /// Supervised fine-tuning and continued pre-training: the mean negative log-likelihood of the trained tokens.
  case supervised
  case dpo(DPOFamily)
  case cpo(beta: Double, labelSmoothing: Double, likelihoodWeight: Double)
  case simpo(beta: Double, gamma: Double, labelSmoothing: Double, likelihoodWeight: Double)
  case orpo(beta: Double)
  case kto(KTO)

  /// A part of an example whose log-probs are summed.
  package enum Span: Sendable, Equatable {
    /// The only completion.
    case completion
    case chosen, rejected
    /// The prompt's tokens except the first.
    case prompt
    /// This example's prompt with the completion of the previous example (for the first example, of the last one), or in
    /// an evaluation of the previous one with another prompt.
    case mismatched
  }

  /// The spans of an example's sums, in order.
  package var spans: [Span] {
    switch self {
    case .supervised: [.completion]
    case .dpo, .cpo, .simpo: [.chosen, .rejected]
    case .orpo: [.chosen, .rejected, .prompt]
    case .kto: [.completion, .mismatched]
    }
  }

  package var usesReference: Bool {
    switch self {
    case .dpo, .kto: true
    case .supervised, .cpo, .simpo, .orpo: false
    }
  }

  /// Whether a gradient depends on other examples' sums. If so, a first pass computes all sums of the step and a second
  /// pass the gradient. If not, any part of the step can be differentiated alone.
  package var needsWholeStep: Bool {
    switch self {
    case .dpo(let family): family.losses.contains(where: \.loss.needsWholeStep)
    case .kto: true
    case .supervised, .cpo, .simpo, .orpo: false
    }
  }

  /// λ, the weight of the mean negative log-likelihood.
  var likelihoodWeight: Double {
    switch self {
    case .supervised, .orpo: 1
    case .dpo(let family): family.likelihoodWeight
    case .cpo(_, _, let weight), .simpo(_, _, _, let weight): weight
    case .kto: 0
    }
  }

  /// Indices in `spans` of the tokens whose likelihood counts.
  var likelihoodSpans: [Int] {
    switch self {
    case .supervised, .dpo, .cpo, .simpo: [0]
    case .orpo: [0, 2]
    case .kto: []
    }
  }

  /// The likelihood tokens of an example, from the token count of each span. Their total over the step is T.
  package func likelihoodTokens(_ tokens: [Int]) -> Int { likelihoodSpans.reduce(0) { $0 + tokens[$1] } }

  /// Loss and gradients of `examples`.
  ///
  /// - Parameters:
  ///   - examples: all of the step in its order if `needsWholeStep`, otherwise any of them.
  ///   - totals: counts of the whole step, over all ranks.
  package func callAsFunction(_ examples: [ExampleSums], totals: StepTotals) -> [ExampleOutcome] {
    precondition(
      !needsWholeStep || examples.count == totals.examples,
      "\(examples.count) examples, expected the whole step of \(totals.examples)")
    let count = Double(totals.examples)
    let weight = likelihoodWeight / Double(max(1, totals.likelihoodTokens))
    return zip(examples, terms(examples)).map { example, term in
      var outcome = ExampleOutcome(loss: term.value / count, gradients: term.gradients.map { $0 / count })
      for span in likelihoodSpans {
        outcome.loss -= weight * example.policy[span]
        outcome.gradients[span] -= weight
      }
      return outcome
    }
  }

  /// The gradients of every example if they depend on no sum; otherwise nil.
  package func constantGradients(totals: StepTotals) -> [Double]? {
    self == .supervised ? [-likelihoodWeight / Double(max(1, totals.likelihoodTokens))] : nil
  }

  /// Each example's term before division by N.
  func terms(_ examples: [ExampleSums]) -> [ExampleTerm] {
    switch self {
    case .supervised:
      examples.map { _ in ExampleTerm(value: 0, gradients: [0]) }
    case .dpo(let family):
      family.terms(examples).map(ExampleTerm.init)
    case .cpo(let beta, let labelSmoothing, _):
      examples.map { ExampleTerm(cpoLoss($0.pair, beta: beta, labelSmoothing: labelSmoothing)) }
    case .simpo(let beta, let gamma, let labelSmoothing, _):
      examples.map { ExampleTerm(simpoLoss($0.pair, beta: beta, gamma: gamma, labelSmoothing: labelSmoothing)) }
    case .orpo(let beta):
      examples.map { example in
        let pair = oddsRatioLoss(example.pair, beta: beta).term
        return ExampleTerm(value: pair.value, gradients: [pair.chosenGradient, pair.rejectedGradient, 0])
      }
    case .kto(let kto):
      kto.terms(examples)
    }
  }
}
