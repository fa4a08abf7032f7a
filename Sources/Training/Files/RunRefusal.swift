// Reasons to refuse a run whose configuration is valid.

import Checkpoints
import Tensors

/// A run that is refused although its configuration is valid.
package enum RunRefusal: UserError {
  case notWritable(path: String, reason: String)
  case notEmpty(path: String)
  case configurationDiffers(path: String, differences: [String])
  /// - Parameter comparison: with the configuration of the checkpoint's run, in words.
  case inputsDiffer(checkpoint: String, names: [String], comparison: String?)
  /// A run that starts from another's checkpoint trains something else.
  case branchDiffers(checkpoint: String, differences: [String])
  /// A finished run is to go on, and has no state to go on from.
  case nothingToExtend(path: String)
  case pastTheEnd(checkpoint: String, step: Int, totalSteps: Int)
  case adapterDiffers(path: String)
  case noneWhole(path: String, reason: String)
  case othersFiles(path: String, names: [String])
  case holdsInput(path: String, input: String, option: String)
  /// `metric_for_best_model` needs desirable and undesirable examples.
  case metricMissing(name: String)
  case differencesAreRounded
  /// `metric_for_best_model` is of no task.
  case taskMetricMissing(name: String, names: [String])

  package var description: String {
    switch self {
    case .notWritable(let path, let reason):
      "\(path): \(reason); output_dir must be a directory that can be written"
    case .notEmpty(let path):
      "\(path): holds a run already, and this one would not go on from there; pass --overwrite to remove that one "
        + "(not what others put there), or name another output_dir"
    case .configurationDiffers(let path, let differences):
      "\(path): the run that is there was of another configuration; run with the same one, name another output_dir, "
        + "or pass --resume never --overwrite:\n" + differences.map { "  \($0)" }.joined(separator: "\n")
    case .inputsDiffer(let checkpoint, let names, let comparison):
      "\(checkpoint): was made from other inputs: \(names.joined(separator: ", ")); restore them, or start again "
        + "with --resume never --overwrite" + (comparison.map { "\n\($0)" } ?? "")
    case .branchDiffers(let checkpoint, let differences):
      "\(checkpoint): a branch has the parameters, the objective and the optimizer of the run that it leaves; give it the "
        + "same, or start a run of its own from what that run learned: `lora_model_dir` for an adapter, `base_model` for a "
        + "whole model:\n" + differences.map { "  \($0)" }.joined(separator: "\n")
    case .nothingToExtend(let path):
      "\(path): the run there is finished and left no checkpoint to train further from (`save_steps: 0`): start a run of "
        + "its own from what it learned, with `lora_model_dir` for an adapter, or `base_model` for a whole model"
    case .pastTheEnd(let checkpoint, let step, let totalSteps):
      "\(checkpoint): \(step) steps are done, but this run has \(totalSteps) only: raise max_steps or num_epochs, which "
        + "count all steps from the first"
    case .adapterDiffers(let path):
      "\(path): is not what the run that is finished there ended with (its run.json has other hashes); restore it, or "
        + "move it away and start again with --resume never --overwrite"
    case .noneWhole(let path, let reason):
      "\(path): no checkpoint there is whole or can be read; restore one, or start again with --resume never "
        + "--overwrite:\n\(reason)"
    case .othersFiles(let path, let names):
      "\(path): holds \(shortList(names)), which this run would have to replace and which nothing proves to be "
        + "Shoal's; nothing was changed: name another output_dir, or move \(names.count == 1 ? "it" : "them") away"
    case .holdsInput(let path, let input, let option):
      "\(path): this run would replace or remove \(input), which \(option) names and which is read; name another "
        + "output_dir"
    case .taskMetricMissing(let name, let names):
      "metric_for_best_model: evaluations here have no \(name); their tasks have \(names.joined(separator: ", "))"
    case .differencesAreRounded:
      "--check-gradients: with `load_in_8bit: true` the inputs of the frozen layers are rounded, so that differences of "
        + "the loss say nothing about its gradient; add load_in_8bit=false"
    case .metricMissing(let name):
      "metric_for_best_model: \(name) needs both desirable and undesirable examples, and those held out are of one kind: "
        + "hold out others (val_set_size, test_datasets), or take eval_loss"
    }
  }
}
