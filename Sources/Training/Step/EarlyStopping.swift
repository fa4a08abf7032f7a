// Early stopping: counts evaluations without a lower held-out loss.

/// The evaluations so far, counted like transformers' `EarlyStoppingCallback`.
package struct EarlyStopping: Sendable, Equatable, Codable {
  package private(set) var lowestLoss: Double?
  /// Evaluations in a row without a lower loss.
  package private(set) var failures: Int

  package init(lowestLoss: Double? = nil, failures: Int = 0) {
    (self.lowestLoss, self.failures) = (lowestLoss, failures)
  }

  package mutating func take(_ loss: Double) {
    // Not lower: equal, higher or NaN.
    if let lowest = lowestLoss, !(loss < lowest) {
      failures += 1
    } else {
      (lowestLoss, failures) = (loss.isFinite ? loss : nil, 0)
    }
  }

  /// Whether a run with this patience ends; nil means unlimited patience.
  package func isExhausted(_ allowed: Int?) -> Bool { allowed.map { failures >= $0 } ?? false }
}
