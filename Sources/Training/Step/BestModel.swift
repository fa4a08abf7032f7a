// The evaluation with the lowest held-out loss, the best one whose state is kept, and early stopping.

/// What a run's evaluations have found so far. The evaluation before the first step does not count.
package struct BestModel: Sendable, Equatable, Codable {
  package struct Evaluation: Sendable, Equatable, Codable {
    package var step: Int
    package var loss: Double

    package init(step: Int, loss: Double) { (self.step, self.loss) = (step, loss) }
  }

  /// The evaluation with the lowest loss; the first of equals.
  package private(set) var evaluation: Evaluation?
  /// The same among those whose step has a checkpoint.
  package var checkpoint: Evaluation?
  /// Evaluations in a row without a lower loss, counted like transformers' `EarlyStoppingCallback`.
  package private(set) var failures: Int

  package init(evaluation: Evaluation? = nil, checkpoint: Evaluation? = nil, failures: Int = 0) {
    (self.evaluation, self.checkpoint, self.failures) = (evaluation, checkpoint, failures)
  }

  package mutating func take(_ found: Evaluation, hasCheckpoint: Bool) {
    // Not lower: equal, higher or NaN.
    if let lowest = evaluation?.loss, !(found.loss < lowest) {
      failures += 1
    } else {
      (evaluation, failures) = (found.loss.isFinite ? found : nil, 0)
    }
    if hasCheckpoint, found.loss.isFinite, found.loss < checkpoint?.loss ?? .infinity { checkpoint = found }
  }

  /// Whether early stopping with this patience ends the run; nil means unlimited patience.
  package func isExhausted(_ allowed: Int?) -> Bool { allowed.map { failures >= $0 } ?? false }
}
