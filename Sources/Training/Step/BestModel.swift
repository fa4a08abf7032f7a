// The best of a run's evaluations, the best one whose state is kept, and early stopping.

/// What a run's evaluations have found so far. The evaluation before the first step does not count.
package struct BestModel: Sendable, Equatable, Codable {
  /// What evaluations are compared by, as transformers' `metric_for_best_model` and `greater_is_better`.
  package struct Metric: Sendable, Equatable, Codable {
    /// As in metrics.jsonl, with `eval_`.
    package var name: String
    package var isGreaterBetter: Bool

    package init(name: String = "eval_loss", isGreaterBetter: Bool = false) {
      (self.name, self.isGreaterBetter) = (name, isGreaterBetter)
    }

    init(_ configuration: RunConfiguration) {
      self.init(name: configuration.metricForBestModel, isGreaterBetter: configuration.greaterIsBetter)
    }

    /// Whether `value` is better than `other`. Equal values are not, nor is anything that is not finite.
    func prefers(_ value: Double, to other: Double) -> Bool {
      value.isFinite && (isGreaterBetter ? value > other : value < other)
    }

    /// What has not happened when early stopping ends a run.
    var improvement: String { "\(name) has not \(isGreaterBetter ? "risen" : "fallen")" }
  }

  package struct Evaluation: Sendable, Equatable, Codable {
    package var step: Int
    /// Of the metric.
    package var value: Double

    package init(step: Int, value: Double) { (self.step, self.value) = (step, value) }
  }

  /// An evaluation whose state is saved.
  package struct Saved: Sendable, Equatable, Codable {
    package var evaluation: Evaluation
    /// In the output directory.
    package var name: String

    package init(evaluation: Evaluation, name: String) { (self.evaluation, self.name) = (evaluation, name) }
  }

  package let metric: Metric
  /// The best evaluation; the first of equals.
  package private(set) var evaluation: Evaluation?
  /// The same among those whose step has a checkpoint.
  package var checkpoint: Saved?
  /// Evaluations in a row that were not better, counted like transformers' `EarlyStoppingCallback`.
  package private(set) var failures: Int
  /// The steps whose evaluations were the best so far, in order.
  package private(set) var improvements: [Int]

  package init(
    metric: Metric = Metric(), evaluation: Evaluation? = nil, checkpoint: Saved? = nil, failures: Int = 0,
    improvements: [Int] = []
  ) {
    (self.metric, self.evaluation, self.checkpoint) = (metric, evaluation, checkpoint)
    (self.failures, self.improvements) = (failures, improvements)
  }

  /// - Parameter checkpoint: the name of the checkpoint of that step, if it has one.
  package mutating func take(_ found: Evaluation, checkpoint name: String?) {
    if let best = evaluation, !metric.prefers(found.value, to: best.value) {
      failures += 1
    } else {
      failures = 0
      if found.value.isFinite {
        evaluation = found
        improvements.append(found.step)
      }
    }
    if let name, found.value.isFinite, checkpoint.map({ metric.prefers(found.value, to: $0.evaluation.value) }) ?? true
    {
      checkpoint = Saved(evaluation: found, name: name)
    }
  }

  /// Whether early stopping with this patience ends the run; nil means unlimited patience.
  package func isExhausted(_ allowed: Int?) -> Bool { allowed.map { failures >= $0 } ?? false }
}
