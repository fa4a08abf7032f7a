// Whether a run starts afresh, goes on, or has nothing left to do.

import Checkpoints
import Model
import Tensors

/// A run that is refused although its configuration is sound.
package enum RunRefusal: CallersMistake {
  case notEmpty(path: String)
  case configurationDiffers(path: String, differences: [String])
  case inputsDiffer(checkpoint: String, names: [String])
  case pastTheEnd(checkpoint: String, step: Int, totalSteps: Int)

  package var description: String {
    switch self {
    case .notEmpty(let path):
      "\(path): --resume never wants an empty output_dir and this one holds a run; pass --overwrite to remove it, "
        + "or name another output_dir"
    case .configurationDiffers(let path, let differences):
      "\(path): the run that is there was of another configuration; run with the same one, name another output_dir, "
        + "or pass --resume never --overwrite:\n" + differences.map { "  \($0)" }.joined(separator: "\n")
    case .inputsDiffer(let checkpoint, let names):
      "\(checkpoint): was made from other inputs: \(names.joined(separator: ", ")); restore them, or start again "
        + "with --resume never --overwrite"
    case .pastTheEnd(let checkpoint, let step, let totalSteps):
      "\(checkpoint): \(step) steps are done, but this run has \(totalSteps) only"
    }
  }
}

/// What an output directory and the request make of a run's start.
struct Resumption {
  var start = RunStart()
  var isFinished = false
  var notices: [String] = []

  /// - Throws: `RunRefusal`; `ContentError` for a checkpoint that was named and is damaged.
  init(
    _ files: RunDirectory, configuration: RunConfiguration, request: RunRequest, inputs: [String: String], totalSteps: Int
  ) throws {
    let holdsRun = try files.record() != nil || !files.checkpointSteps.isEmpty
    switch request.resume {
    case .never:
      guard !holdsRun || request.overwrites else { throw RunRefusal.notEmpty(path: files.path) }
    case .from(let path):
      try resume(from: path, inputs: inputs, totalSteps: totalSteps)
    case .automatic:
      if request.overwrites { return }
      if let path = configuration.resumeFromCheckpoint {
        try resume(from: path, inputs: inputs, totalSteps: totalSteps)
        return
      }
      guard holdsRun else { return }
      guard configuration.autoResumesFromCheckpoints else { throw RunRefusal.notEmpty(path: files.path) }
      try goOn(files, configuration: configuration, inputs: inputs, totalSteps: totalSteps)
    }
  }

  private mutating func goOn(
    _ files: RunDirectory, configuration: RunConfiguration, inputs: [String: String], totalSteps: Int
  ) throws {
    let differences = try files.configuration().map { configuration.differences(from: $0) } ?? []
    guard differences.isEmpty else {
      throw RunRefusal.configurationDiffers(path: files.path, differences: differences)
    }
    if let record = try files.record(), record["state"]?.string == "finished" {
      try Self.requireSame(inputs, record["inputs"]?.members ?? [], of: files.path)
      isFinished = true
      return
    }
    for step in files.checkpointSteps {
      let path = files.checkpointPath(step: step)
      let state: TrainerState
      do {
        state = try Checkpoint.state(of: path)
      } catch {
        notices.append("\(error); left as it is, an older checkpoint is taken")
        continue
      }
      try requireSame(state, inputs, path: path, totalSteps: totalSteps)
      start = RunStart(step: state.step, tokens: state.tokens, checkpoint: path)
      notices.append("going on after step \(state.step), from \(path)")
      return
    }
    notices.append("\(files.path) holds a run without a checkpoint; it starts again")
  }

  private mutating func resume(from path: String, inputs: [String: String], totalSteps: Int) throws {
    let state = try Checkpoint.state(of: path)
    try requireSame(state, inputs, path: path, totalSteps: totalSteps)
    start = RunStart(step: state.step, tokens: state.tokens, checkpoint: path)
    notices.append("going on after step \(state.step), from \(path)")
  }

  private func requireSame(_ state: TrainerState, _ inputs: [String: String], path: String, totalSteps: Int) throws {
    let names = inputs.filter { state.inputs[$0.key] != $0.value }.map(\.key).sorted()
    guard names.isEmpty else { throw RunRefusal.inputsDiffer(checkpoint: path, names: names) }
    guard state.step <= totalSteps else {
      throw RunRefusal.pastTheEnd(checkpoint: path, step: state.step, totalSteps: totalSteps)
    }
  }

  private static func requireSame(_ inputs: [String: String], _ found: [JSONValue.Member], of path: String) throws {
    let names = inputs.filter { input in !found.contains { $0.name == input.key && $0.value.string == input.value } }
    guard names.isEmpty else { throw RunRefusal.inputsDiffer(checkpoint: path, names: names.keys.sorted()) }
  }
}
