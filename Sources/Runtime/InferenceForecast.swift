// How long requests will take, and how much memory.

package import Model

/// What requests will take.
package struct InferenceForecast: Sendable, Equatable {
  /// Seconds of likelihoods.
  package let scoring: Double
  /// Seconds of answers, if all become as long as they may.
  package let answering: Double
  /// Memory of a rank besides the model's weights.
  package let privateBytes: Int

  package var seconds: Double { scoring + answering }

  /// - Parameter rates: of all ranks.
  package init(_ work: InferenceWork, _ rates: [InferenceRates], _ policy: Policy) {
    let (c, adapter) = (policy.model.configuration, policy.adapter?.layout)
    func operations(_ rows: InferenceWork.Rows) -> Double {
      FlopCount.inference(rows: rows.count, attended: rows.attended, scored: rows.scored, c, adapter).total
    }
    /// Seconds per operation of all ranks together.
    func together(_ rate: (InferenceRates) -> Double) -> Double { 1 / rates.reduce(0) { $0 + 1 / rate($1) } }
    scoring = operations(work.scoring) * together(\.full)
    if let demand = work.demand {
      let token = operations(InferenceWork.Rows(count: 1, attended: demand.capacity, scored: 1))
      // At the end few answers are left, and a step takes no less.
      let slowest = rates.map(\.answering).max() ?? 0
      let steps = max(
        Double(work.newTokens) * token * together(\.answering),
        Double(work.longestAnswer * demand.slots) * token * slowest)
      answering = operations(work.reading) * together(\.full) + steps
    } else {
      answering = 0
    }
    privateBytes = work.byteCount(c, adapter)
  }
}
