// The best state of a finished run.

import Checkpoints

/// The best evaluation of a finished run, and the best state that its directory has.
package struct BestOfRun: Sendable, Equatable {
  /// The name of the final adapter as a state: the directory itself.
  static let finalName = "."

  package let evaluation: BestModel.Evaluation
  package let kept: BestModel.Saved?

  /// Whether the kept state is the final adapter.
  package var isFinal: Bool { kept?.name == Self.finalName }

  var json: JSONValue {
    .object([
      .init("metric", "eval_loss"), .init("value", .number(evaluation.loss)),
      .init("step", .integer(Int64(evaluation.step))),
      .init(
        "kept",
        kept.map { kept in
          .object([
            .init("path", .string(kept.name)), .init("value", .number(kept.evaluation.loss)),
            .init("step", .integer(Int64(kept.evaluation.step))),
          ])
        } ?? .null),
    ])
  }
}
