// The best state of a finished run: for the user, and for run.json.

import Checkpoints

/// The best evaluation of a finished run, and the best state that its directory has.
struct BestOfRun: CustomStringConvertible {
  let evaluation: BestModel.Evaluation
  let kept: BestModel.Evaluation?
  /// Whether the kept state is the final adapter.
  let isFinal: Bool
  /// The kept state's directory, in the output directory.
  let path: String?

  var description: String {
    let name = isFinal ? "the final adapter" : path
    if let name, kept?.step == evaluation.step {
      return "best: \(name) (eval_loss \(Self.text(evaluation.loss)) at step \(evaluation.step))"
    }
    let other = kept.flatMap { kept in
      name.map { "; the best that was: \($0) (eval_loss \(Self.text(kept.loss)) at step \(kept.step))" }
    }
    return "best: step \(evaluation.step) (eval_loss \(Self.text(evaluation.loss))), which was not saved\(other ?? "")"
  }

  var json: JSONValue {
    .object([
      .init("metric", "eval_loss"), .init("value", .number(evaluation.loss)),
      .init("step", .integer(Int64(evaluation.step))),
      .init(
        "kept",
        kept.map { kept in
          .object([
            .init("path", .string(path ?? "")), .init("value", .number(kept.loss)),
            .init("step", .integer(Int64(kept.step))),
          ])
        } ?? .null),
    ])
  }

  /// Four decimal places, like losses elsewhere on the screen.
  private static func text(_ loss: Double) -> String { "\((loss * 1e4).rounded() / 1e4)" }
}
