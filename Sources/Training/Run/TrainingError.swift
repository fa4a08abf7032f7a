// Reasons why a run ends without a mistake of the user.

import Collectives

/// A run that cannot continue.
package enum TrainingError: Error, CustomStringConvertible {
  /// The reference model's log-prob for an example is not finite.
  case referenceNotFinite(example: Int, place: NonFiniteValue?)
  case tooManySkips(step: Int, skipped: SkippedSteps, reason: String, last: String?)
  case adapterNotFinite(step: Int, last: String?)
  case ranksDisagree(step: Int, difference: String, last: String?)
  /// The checkpoint that the run was to end with cannot be read.
  case bestIsLost(path: String, reason: String)

  package var description: String {
    switch self {
    case .referenceNotFinite(let example, let place):
      "the reference log-probs of record \(example) (counted from 0) are not finite: "
        + (place.map { "\($0)" } ?? "computed again they are: is this machine sound?")
    case .tooManySkips(let step, let skipped, let reason, let last):
      "step \(step): \(skipped.recent.count) of the last \(SkippedSteps.window) steps were skipped "
        + "(\(skipped.recent.map(String.init).joined(separator: ", "))), the last one since \(reason); look at those "
        + "records, or lower learning_rate; \(LastCheckpoint.text(last))"
    case .adapterNotFinite(let step, let last):
      "step \(step): the trained weights are no longer finite, so the updates before were too large: lower "
        + "learning_rate or max_grad_norm; they are not saved; \(LastCheckpoint.text(last))"
    case .ranksDisagree(let step, let difference, let last):
      "step \(step): ranks that must hold the same weights do not, so a machine miscalculates or its memory fails: "
        + "\(difference); they are not saved; \(LastCheckpoint.text(last))"
    case .bestIsLost(let path, let reason):
      "\(path) holds the best state, with which the run ends (load_best_model_at_end): \(reason)\nthe same command "
        + "computes it again from an older checkpoint, or says that there is none"
    }
  }
}
