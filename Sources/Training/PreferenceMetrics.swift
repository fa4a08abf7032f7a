// What pairs of log-probabilities say, under TRL's names.

/// Sums over a set of pairs, all in fp64 and in the pairs' order.
package struct PreferenceMetrics: Sendable, Equatable {
  package private(set) var pairs = 0
  private var loss = 0.0
  private var chosenReward = 0.0
  private var rejectedReward = 0.0
  private var accurate = 0
  private var chosen = 0.0
  private var rejected = 0.0
  private var accurateUnderPolicy = 0

  package init() {}

  /// Adds a pair: its outcome under the loss, its policy sums and its completions' tokens.
  package mutating func add(_ outcome: DPO.Outcome, policy: DPO.Pair, chosenTokens: Int, rejectedTokens: Int) {
    pairs += 1
    loss += outcome.loss
    chosenReward += outcome.chosenReward
    rejectedReward += outcome.rejectedReward
    // Strictly greater, as in TRL: 0 while the policy is the reference.
    accurate += outcome.chosenReward > outcome.rejectedReward ? 1 : 0
    chosen += policy.chosen
    rejected += policy.rejected
    accurateUnderPolicy += policy.chosen / Double(chosenTokens) > policy.rejected / Double(rejectedTokens) ? 1 : 0
  }

  private func mean(_ sum: Double) -> Double { pairs == 0 ? 0 : sum / Double(pairs) }

  package var meanLoss: Double { mean(loss) }
  package var rewardAccuracy: Double { mean(Double(accurate)) }
  package var rewardMargin: Double { mean(chosenReward) - mean(rejectedReward) }
  /// Share of pairs whose chosen completion has the higher mean log-probability per token under the policy alone.
  package var logProbabilityAccuracy: Double { mean(Double(accurateUnderPolicy)) }

  /// Names and values as they stand in metrics.jsonl.
  package var values: [(name: String, value: Double)] {
    [
      ("loss", meanLoss), ("rewards/chosen", mean(chosenReward)), ("rewards/rejected", mean(rejectedReward)),
      ("rewards/accuracies", rewardAccuracy), ("rewards/margins", rewardMargin), ("logps/chosen", mean(chosen)),
      ("logps/rejected", mean(rejected)),
    ]
  }
}
