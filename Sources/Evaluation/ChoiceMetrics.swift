// Which of several answers a model prefers, and whether it is the right one.

package import Checkpoints
import Tensors

/// The metrics of a choice between answers.
package struct ChoiceMetrics: Sendable {
  /// The choices as the task writes them, without what stands before them.
  package var choices: [String]
  /// The number of the right choice, the right choice itself, or a list of numbers.
  package var gold: JSONValue
  /// Whether the first document has several right choices.
  package var hasSeveralTargets: Bool

  package init(choices: [String], gold: JSONValue, hasSeveralTargets: Bool) {
    (self.choices, self.gold, self.hasSeveralTargets) = (choices, gold, hasSeveralTargets)
  }

  /// The metrics that can be asked for.
  package static let names: Set<String> = [
    "acc", "acc_norm", "acc_bytes", "acc_tok", "acc_mutual_info", "exact_match", "f1", "mcc", "brier_score",
  ]

  /// The numbers of the right choices; a number that no choice has is right for none.
  private var right: [Int] {
    func number(_ value: JSONValue) -> Int? {
      guard let index = value.index else {
        return value.string.flatMap { text in choices.firstIndex { $0.hasBytes(text) } }
      }
      return choices.indices.contains(index) ? index : nil
    }
    return (gold.array ?? [gold]).compactMap(number)
  }

  /// Whether a choice can be right.
  var hasRightChoice: Bool { right.contains { choices.indices.contains($0) } }

  /// - Parameter likelihoods: of each choice, then, for `acc_mutual_info`, of each choice without a context.
  package func values(_ likelihoods: [TextLikelihood], _ wanted: [String]) -> [DocumentMetric] {
    let own = Array(likelihoods.prefix(choices.count))
    let sums = own.map(\.sum)
    let right = hasSeveralTargets ? self.right : self.right.first.map { [$0] } ?? []
    let best = Self.largest(sums)
    func accuracy(_ scores: [Double]) -> MetricValue { .number(right.contains(Self.largest(scores)) ? 1 : 0) }
    func divided(_ count: (Int) -> Int) -> [Double] { sums.indices.map { sums[$0] / Double(count($0)) } }
    return Self.order.filter(wanted.contains).map { name in
      let value: MetricValue =
        switch name {
        case "acc": accuracy(sums)
        case "acc_norm": accuracy(divided { choices[$0].characterCount })
        case "acc_bytes": accuracy(divided { choices[$0].utf8.count })
        case "acc_tok": accuracy(divided { own[$0].tokenCount })
        case "exact_match": .integer(right.contains { own[$0].isGreedy } ? 1 : 0)
        case "brier_score": .probabilities(gold: right.first ?? -1, Self.softmax(sums))
        case "acc_mutual_info":
          accuracy(zip(sums, likelihoods.dropFirst(choices.count)).map { $0 - $1.sum })
        default: .labels(gold: right.first ?? -100, chosen: best)
        }
      return DocumentMetric(name, value)
    }
  }

  /// The order in which lm-eval has them; `acc_tok` is not one of its own.
  private static let order = [
    "acc", "f1", "mcc", "acc_norm", "acc_bytes", "acc_tok", "exact_match", "brier_score", "acc_mutual_info",
  ]

  /// The place of the largest score, the first of equal ones; NaN is larger than anything, as in numpy.
  static func largest(_ scores: [Double]) -> Int {
    if let place = scores.firstIndex(where: \.isNaN) { return place }
    return scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
  }

  private static func softmax(_ scores: [Double]) -> [Double] {
    let top = scores.max() ?? 0
    let weights = scores.map { Double.exp($0 - top) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }
}
