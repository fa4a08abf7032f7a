// Decides whether a run starts from the beginning, resumes, or has already finished.

import Checkpoints
import Glibc
import Model
import Tensors

/// The value of `--resume`.
package enum ResumeMode: Sendable, Equatable {
  case automatic
  case never
  case from(String)
}

/// The start of a run, from its output directory and the caller's options.
struct Resumption {
  var start = RunStart()
  var isFinished = false
  var notices: [String] = []
  /// Paths of the checkpoints that were skipped as damaged.
  var damaged: [String] = []

  /// - Parameter quarantine: records found in crash reports.
  /// - Throws: `RunRefusal`; `ContentError` when the named checkpoint is damaged.
  init(
    _ files: RunDirectory, configuration: RunConfiguration, mode: ResumeMode, overwrites: Bool,
    inputs: [String: String], totalSteps: Int, quarantine: Quarantine
  ) throws {
    start.quarantine = quarantine
    // A run that will be removed first does not count.
    let steps = overwrites ? [] : try files.readCheckpointSteps()
    let holdsRun = !overwrites && (files.hasRecord || !steps.isEmpty)
    var named = configuration.resumeFromCheckpoint
    switch mode {
    case .never: named = nil
    case .from(let path): named = path
    case .automatic:
      guard holdsRun, configuration.autoResumesFromCheckpoints else { break }
      try Self.requireSame(configuration, in: files)
      if try goOn(files, steps, inputs: inputs, totalSteps: totalSteps) { return }
      // The directory holds this run, but nothing that could be resumed.
      if let named { try resume(from: named, in: files, inputs: inputs, totalSteps: totalSteps) }
      return
    }
    if holdsRun {
      guard let named, files.contains(named) else { throw RunRefusal.notEmpty(path: files.path) }
      try Self.requireSame(configuration, in: files)
    }
    if let named { try resume(from: named, in: files, inputs: inputs, totalSteps: totalSteps) }
  }

  private static func requireSame(_ configuration: RunConfiguration, in files: RunDirectory) throws {
    let differences = try files.configuration().map { configuration.differences(from: $0) } ?? []
    guard differences.isEmpty else {
      throw RunRefusal.configurationDiffers(path: files.path, differences: differences)
    }
  }

  /// Resumes from the newest undamaged checkpoint, or finds the run finished; false when there is no checkpoint.
  /// - Throws: `RunRefusal`: a disk that fails for a while must not lose all saved work.
  private mutating func goOn(
    _ files: RunDirectory, _ steps: [Int], inputs: [String: String], totalSteps: Int
  ) throws -> Bool {
    var record: JSONValue?
    do {
      record = try files.record()
    } catch {
      notices.append("\(error)\nit is written anew")
    }
    if let record, record["state"]?.string == "finished" {
      try Self.requireSame(inputs, record["inputs"]?.members ?? [], of: files.path)
      try Self.requireFinal(record, in: files)
      isFinished = true
      return true
    }
    var reasons: [String] = []
    for step in steps {
      let path = files.checkpointPath(step: step)
      do {
        _ = try Checkpoint.state(of: path)
      } catch {
        passOver(path, error)
        reasons.append("  \(error)")
        continue
      }
      try resume(from: path, in: files, inputs: inputs, totalSteps: totalSteps)
      takeUpPartialWork(in: files)
      return true
    }
    guard reasons.isEmpty else {
      throw RunRefusal.noneWhole(path: files.path, reason: reasons.joined(separator: "\n"))
    }
    notices.append("\(files.path) holds a run without a checkpoint to go on from; it starts again")
    return false
  }

  private mutating func passOver(_ path: String, _ error: any Error) {
    // A temporary disk error: the checkpoint itself may be undamaged.
    if let error = error as? FileError, [EIO, ESTALE, ETIMEDOUT].contains(error.code) {
      notices.append("\(error)\n\(path) is passed over and stays as it is")
      return
    }
    notices.append("\(error)\n\(path) is passed over and set aside as \(path).damaged")
    damaged.append(path)
  }

  /// Resumes within the step or the evaluation at which the run was last saved.
  private mutating func takeUpPartialWork(in files: RunDirectory) {
    for partial in files.partials where partial.base == start.step {
      let path = files.path(of: partial)
      do {
        let (found, state) = try PartialWork.state(of: path)
        guard found.name == partial.name else { throw ContentError(path, "says that it is \(found.name)") }
        // Partial sums are useless if they include records that have been quarantined since.
        guard state.run == start.run, state.quarantine == start.quarantine else { continue }
        start.partial = found
        start.best = state.best
        notices.append(
          "\(found.kind == .step ? "step \(found.step)" : "the evaluation after step \(found.step)") was under way: "
            + "\(found.done) \(found.done == 1 ? "example is" : "examples are") done, from \(path)")
        return
      } catch {
        passOver(path, error)
      }
    }
  }

  private mutating func resume(
    from path: String, in files: RunDirectory, inputs: [String: String], totalSteps: Int
  ) throws {
    let state = try Checkpoint.state(of: path)
    try requireSame(state, inputs, path: path, totalSteps: totalSteps)
    start = RunStart(
      step: state.step, tokens: state.tokens, checkpoint: path, best: state.best, skipped: state.skipped,
      quarantine: start.quarantine.union(state.quarantine))
    // Resuming from another directory's checkpoint starts a new run.
    if files.contains(path) { start.run = state.run } else { start.best.checkpoint = nil }
    notices.append("going on after step \(state.step), from \(path)")
  }

  private func requireSame(_ state: TrainerState, _ inputs: [String: String], path: String, totalSteps: Int) throws {
    let names = inputs.filter { state.inputs[$0.key] != $0.value }.map(\.key).sorted()
    guard names.isEmpty else { throw RunRefusal.inputsDiffer(checkpoint: path, names: names) }
    guard state.step <= totalSteps else {
      throw RunRefusal.pastTheEnd(checkpoint: path, step: state.step, totalSteps: totalSteps)
    }
  }

  /// Requires that the final adapter of a finished run is unchanged.
  private static func requireFinal(_ record: JSONValue, in files: RunDirectory) throws {
    // Version 0.1.0 did not record hashes.
    guard let known = record[RunRecord.finalHashes] else { return }
    for file in try files.finalHashes() where known[file.name] != file.value {
      throw RunRefusal.adapterDiffers(path: "\(files.path)/\(file.name)")
    }
  }

  private static func requireSame(_ inputs: [String: String], _ found: [JSONValue.Member], of path: String) throws {
    let names = inputs.filter { input in !found.contains { $0.name == input.key && $0.value.string == input.value } }
    guard names.isEmpty else { throw RunRefusal.inputsDiffer(checkpoint: path, names: names.keys.sorted()) }
  }
}
