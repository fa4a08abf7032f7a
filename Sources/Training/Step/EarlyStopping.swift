// Early stopping: how long a run has waited for a lower held-out loss.

/// What evaluations during training have shown so far, as transformers' `EarlyStoppingCallback` counts.
package struct EarlyStopping: Sendable, Equatable, Codable {
  package private(set) var lowestLoss: Double?
  /// Evaluations in a row since then.
  package private(set) var failures: Int

  package init(lowestLoss: Double? = nil, failures: Int = 0) {
    (self.lowestLoss, self.failures) = (lowestLoss, failures)
  }

  package mutating func take(_ loss: Double) {
    // Not lower: equal, higher, or no number at all.
    if let lowest = lowestLoss, !(loss < lowest) {
      failures += 1
    } else {
      (lowestLoss, failures) = (loss.isFinite ? loss : nil, 0)
    }
  }

  /// Whether a run that allows so many failures ends; nil allows any number.
  package func isExhausted(_ allowed: Int?) -> Bool { allowed.map { failures >= $0 } ?? false }
}
