// The best state of a finished run.

import Checkpoints

/// The best evaluation of a finished run, and the best state that its directory has.
package struct BestOfRun: Sendable, Equatable {
  /// The name of the final adapter as a state: the directory itself.
  static let finalName = "."

  package let metric: BestModel.Metric
  package let evaluation: BestModel.Evaluation
  package let kept: BestModel.Saved?
  /// The step whose state the final adapter is: the last one, or the best with `load_best_model_at_end`.
  package let finalStep: Int

  /// Whether the kept state is nowhere but in the final adapter.
  package var isFinal: Bool { kept?.name == Self.finalName }

  var json: JSONValue {
    .object([
      .init("metric", .string(metric.name)), .init("value", .number(evaluation.value)),
      .init("step", .integer(Int64(evaluation.step))),
      .init(
        "kept",
        kept.map { kept in
          .object([
            .init("path", .string(kept.name)), .init("value", .number(kept.evaluation.value)),
            .init("step", .integer(Int64(kept.evaluation.step))),
          ])
        } ?? .null),
      .init("final_step", .integer(Int64(finalStep))),
    ])
  }
}
