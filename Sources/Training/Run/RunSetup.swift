// The message with which rank 0 starts a run on all ranks.

package import Model

/// The data that rank 0 sends to the other ranks before the work starts.
package struct RunSetup: Sendable, Equatable, Codable {
  /// Nil: weights of the model are trained.
  package var adapter: AdapterConfiguration?
  package var exampleCount: Int
  /// Tokens of each example, where samples are packed.
  package var lengths: [Int]
  package var heldOutCount: Int
  /// SHA-256 over the tokens of all examples.
  package var dataHash: String
  package var demand: PassDemand
  package var samples: SamplePlan
  /// Memory of a rank for the tasks of an evaluation.
  package var taskBytes: Int
  /// Tokens that end an answer, besides the base's own.
  package var endIDs: [Int32]
  package var start: RunStart
  /// Positions of examples that are in no step.
  package var quarantinedPositions: [Int]
  /// Whether weights come from a checkpoint or a starting adapter.
  package var startsFromFiles: Bool
  package var isFinished: Bool
}
