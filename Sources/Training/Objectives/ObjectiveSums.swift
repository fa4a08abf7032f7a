// The inputs and outputs of an objective.

/// An example's log-prob sums, in fp64 and nats, one entry for each of `Objective.spans`.
package struct ExampleSums: Sendable, Equatable {
  /// Σ log π over a span's trained tokens.
  package var policy: [Double]
  /// The same under the reference; empty when the objective has none.
  package var reference: [Double]
  /// The number of tokens in each sum.
  package var tokens: [Int]
  /// KTO's label.
  package var isDesirable: Bool

  package init(policy: [Double], reference: [Double] = [], tokens: [Int], isDesirable: Bool = true) {
    (self.policy, self.reference, self.tokens, self.isDesirable) = (policy, reference, tokens, isDesirable)
  }

  var isFinite: Bool { (policy + reference).allSatisfy(\.isFinite) }

  /// log π − log ref of a span, or log π when there is no reference.
  func logRatio(_ span: Int) -> Double { reference.isEmpty ? policy[span] : policy[span] - reference[span] }

  /// Σ log π per token of a span.
  func mean(_ span: Int) -> Double { policy[span] / Double(tokens[span]) }

  /// The pair of the first two spans.
  var pair: Pair {
    Pair(
      chosen: logRatio(0), rejected: logRatio(1), chosenTokens: Double(tokens[0]), rejectedTokens: Double(tokens[1]))
  }
}

/// Counts over the global step, known before anything is computed.
package struct StepTotals: Sendable, Equatable {
  /// N
  package var examples: Int
  /// T, the sum of `Objective.likelihoodTokens`.
  package var likelihoodTokens: Int

  package init(examples: Int, likelihoodTokens: Int) {
    (self.examples, self.likelihoodTokens) = (examples, likelihoodTokens)
  }
}

/// An example's share of the step's loss, and the loss's derivative by each of its policy sums.
package struct ExampleOutcome: Sendable, Equatable {
  package var loss: Double
  package var gradients: [Double]
}

/// An example's term before the mean over the step, with its derivative by each span's policy sum.
struct ExampleTerm {
  var value: Double
  var gradients: [Double]
}

extension ExampleTerm {
  init(_ term: PairTerm) { self.init(value: term.value, gradients: [term.chosenGradient, term.rejectedGradient]) }
}

/// The numbers of a pair that its loss uses.
struct Pair {
  /// Δw, Δl: log π − log ref of each completion, nats; log π alone in an objective without a reference.
  var chosen, rejected: Double
  /// |w|, |l|
  var chosenTokens, rejectedTokens: Double
}

/// A pair's loss and its derivatives by the two completions' sums.
struct PairTerm {
  var value: Double
  var chosenGradient, rejectedGradient: Double

  init(value: Double, chosenGradient: Double, rejectedGradient: Double) {
    (self.value, self.chosenGradient, self.rejectedGradient) = (value, chosenGradient, rejectedGradient)
  }

  /// A loss of the difference of the two sums. `gradient` already includes the constant factor.
  init(value: Double, gradient: Double) {
    self.init(value: value, chosenGradient: gradient, rejectedGradient: -gradient)
  }

  /// Adds `weight` times another loss of the same pair.
  mutating func add(_ other: PairTerm, weight: Double) {
    value += weight * other.value
    chosenGradient += weight * other.chosenGradient
    rejectedGradient += weight * other.rejectedGradient
  }
}
