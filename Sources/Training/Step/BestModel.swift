// The evaluation with the lowest held-out loss, the best one whose state is kept, and early stopping.

/// What a run's evaluations have found so far. The evaluation before the first step does not count.
package struct BestModel: Sendable, Equatable, Codable {
  package struct Evaluation: Sendable, Equatable, Codable {
    package var step: Int
    package var loss: Double

    package init(step: Int, loss: Double) { (self.step, self.loss) = (step, loss) }
  }

  /// An evaluation whose state is saved.
  package struct Saved: Sendable, Equatable, Codable {
    package var evaluation: Evaluation
    /// In the output directory.
    package var name: String

    package init(evaluation: Evaluation, name: String) { (self.evaluation, self.name) = (evaluation, name) }
  }

  /// The evaluation with the lowest loss; the first of equals.
  package private(set) var evaluation: Evaluation?
  /// The same among those whose step has a checkpoint.
  package var checkpoint: Saved?
  /// Evaluations in a row without a lower loss, counted like transformers' `EarlyStoppingCallback`.
  package private(set) var failures: Int

  package init(evaluation: Evaluation? = nil, checkpoint: Saved? = nil, failures: Int = 0) {
    (self.evaluation, self.checkpoint, self.failures) = (evaluation, checkpoint, failures)
  }

  /// - Parameter checkpoint: the name of the checkpoint of that step, if it has one.
  package mutating func take(_ found: Evaluation, checkpoint name: String?) {
    // Not lower: equal, higher or NaN.
    if let lowest = evaluation?.loss, !(found.loss < lowest) {
      failures += 1
    } else {
      (evaluation, failures) = (found.loss.isFinite ? found : nil, 0)
    }
    if let name, found.loss.isFinite, found.loss < checkpoint?.evaluation.loss ?? .infinity {
      checkpoint = Saved(evaluation: found, name: name)
    }
  }

  /// Whether early stopping with this patience ends the run; nil means unlimited patience.
  package func isExhausted(_ allowed: Int?) -> Bool { allowed.map { failures >= $0 } ?? false }
}
