// The best state of a finished run.

import Checkpoints

/// The best evaluation of a finished run, and the best state that its directory has.
package struct BestOfRun: Sendable, Equatable {
  package let evaluation: BestModel.Evaluation
  package let kept: BestModel.Evaluation?
  /// Whether the kept state is the final adapter.
  package let isFinal: Bool

  /// The kept state's place in the output directory.
  package var path: String? { kept.map { isFinal ? "." : "\(CheckpointName(step: $0.step))" } }

  var json: JSONValue {
    .object([
      .init("metric", "eval_loss"), .init("value", .number(evaluation.loss)),
      .init("step", .integer(Int64(evaluation.step))),
      .init(
        "kept",
        kept.map { kept in
          .object([
            .init("path", path.map { .string($0) } ?? .null), .init("value", .number(kept.loss)),
            .init("step", .integer(Int64(kept.step))),
          ])
        } ?? .null),
    ])
  }
}
