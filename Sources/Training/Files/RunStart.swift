// The state from which a run starts.

package import Runtime

/// The state from which a run starts.
package struct RunStart: Sendable, Equatable, Codable {
  /// Steps that are already done.
  package var step = 0
  /// Rows that are already computed.
  package var tokens = 0
  /// Steps of a trunk that come before the order of the examples begins.
  package var orderStartsAfter = 0
  /// The checkpoint to resume from.
  package var checkpoint: String?
  /// The partial work after those steps.
  package var partial: PartialWork?
  package var best = BestModel()
  /// The same before the evaluation that follows those steps: what the checkpoint says.
  package var bestBefore = BestModel()
  package var skipped = SkippedSteps()
  /// Records that are excluded from steps and evaluations.
  package var quarantine = Quarantine()
  /// Identifies the run in its checkpoints.
  package var run = String(UInt64.random(in: .min ... .max), radix: 16)
}
