// Where a run starts.

/// Where a run starts.
package struct RunStart: Sendable, Equatable, Codable {
  /// Steps done already.
  package var step = 0
  /// Rows computed already.
  package var tokens = 0
  /// The checkpoint that the run goes on from.
  package var checkpoint: String?
  /// What was under way after those steps.
  package var partial: PartialWork?
  package var earlyStopping = EarlyStopping()
  package var skipped = SkippedSteps()
  /// Records that are in no step and no evaluation.
  package var quarantine = Quarantine()
  /// Names the run in its checkpoints.
  package var run = String(UInt64.random(in: .min ... .max), radix: 16)
}
