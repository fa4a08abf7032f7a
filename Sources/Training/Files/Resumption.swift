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
    start.best = BestModel(metric: BestModel.Metric(configuration))
    start.bestBefore = start.best
    // A run that will be removed first does not count.
    let names = overwrites ? [] : try files.readCheckpointNames()
    let holdsRun = !overwrites && files.holdsRun(RunProof(files))
    var named = configuration.resumeFromCheckpoint
    switch mode {
    case .never: named = nil
    case .from(let path): named = path
    case .automatic:
      guard holdsRun, configuration.autoResumesFromCheckpoints else { break }
      try Self.requireSame(configuration, in: files)
      if try goOn(files, names.map(\.name), configuration, inputs, totalSteps: totalSteps) { return }
      // The directory holds this run, but nothing that could be resumed.
      if let named { try resume(from: named, in: files, configuration, inputs, totalSteps: totalSteps) }
      return
    }
    if holdsRun {
      guard let named, files.contains(named) else { throw RunRefusal.notEmpty(path: files.path) }
      try Self.requireSame(configuration, in: files)
    }
    if let named { try resume(from: named, in: files, configuration, inputs, totalSteps: totalSteps) }
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
    _ files: RunDirectory, _ names: [String], _ configuration: RunConfiguration, _ inputs: [String: String],
    totalSteps: Int
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
    for name in names {
      let path = "\(files.path)/\(name)"
      do {
        let state = try Checkpoint.state(of: path)
        if configuration.endsWithBest, let best = state.best.checkpoint?.name, best != name {
          do { _ = try Checkpoint.state(of: "\(files.path)/\(best)") } catch {
            // What comes after the best state cannot end with it.
            notices.append("\(path) is passed over: the best state so far, \(best), is lost: \(error)")
            reasons.append("  \(error)")
            continue
          }
        }
      } catch {
        guard Checkpoint.isOwn(path) else {
          notices.append("\(path) is not Shoal's and stays as it is")
          continue
        }
        passOver(path, error, in: files)
        reasons.append("  \(error)")
        continue
      }
      try resume(from: path, in: files, configuration, inputs, totalSteps: totalSteps)
      takeUpPartialWork(in: files)
      return true
    }
    guard reasons.isEmpty else {
      throw RunRefusal.noneWhole(path: files.path, reason: reasons.joined(separator: "\n"))
    }
    notices.append("\(files.path) holds a run without a checkpoint to go on from; it starts again")
    return false
  }

  private mutating func passOver(_ path: String, _ error: any Error, in files: RunDirectory) {
    // A temporary disk error: the checkpoint itself may be undamaged.
    if let error = error as? FileError, [EIO, ESTALE, ETIMEDOUT].contains(error.code) {
      notices.append("\(error)\n\(path) is passed over and stays as it is")
      return
    }
    guard files.isMovable(path) else {
      notices.append("\(error)\n\(path) is passed over and stays as it is, with what is not Shoal's in it")
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
        passOver(path, error, in: files)
      }
    }
  }

  private mutating func resume(
    from path: String, in files: RunDirectory, _ configuration: RunConfiguration, _ inputs: [String: String],
    totalSteps: Int
  ) throws {
    let state = try Checkpoint.state(of: path)
    // Another directory's checkpoint starts a new run, which may differ: the user should know in what.
    let isOwn = files.contains(path)
    let comparison = isOwn ? nil : Self.comparison(of: configuration, withTheRunOf: path)
    try requireSame(state, inputs, path: path, comparison, totalSteps: totalSteps)
    start = RunStart(
      step: state.step, tokens: state.tokens, checkpoint: path, best: state.best, skipped: state.skipped,
      quarantine: start.quarantine.union(state.quarantine))
    if isOwn {
      start.run = state.run
    } else {
      start.best.checkpoint = nil
      // A state that is not here cannot be ended with, nor compared by another metric.
      let metric = BestModel.Metric(configuration)
      if configuration.endsWithBest || state.best.metric != metric { start.best = BestModel(metric: metric) }
    }
    start.bestBefore = start.best
    notices.append("going on after step \(state.step), from \(path)")
    if let comparison { notices.append(comparison) }
  }

  /// Says in what a run differs from the one that wrote a checkpoint.
  private static func comparison(of configuration: RunConfiguration, withTheRunOf checkpoint: String) -> String {
    let other = RunDirectory(parentDirectory(of: withoutTrailingSlashes(checkpoint)))
    do {
      guard let found = try other.configuration() else {
        return "\(other.path) has no config.yaml: whether this run differs from the checkpoint's is not known"
      }
      let differences = configuration.differences(from: found)
      guard !differences.isEmpty else { return "this run has the same configuration as the checkpoint's" }
      return "this run differs from the checkpoint's:\n" + differences.map { "  \($0)" }.joined(separator: "\n")
    } catch {
      return "the configuration of the checkpoint's run cannot be read: \(error)"
    }
  }

  private func requireSame(
    _ state: TrainerState, _ inputs: [String: String], path: String, _ comparison: String?, totalSteps: Int
  ) throws {
    let names = inputs.filter { state.inputs[$0.key] != $0.value }.map(\.key).sorted()
    guard names.isEmpty else { throw RunRefusal.inputsDiffer(checkpoint: path, names: names, comparison: comparison) }
    guard state.step <= totalSteps else {
      throw RunRefusal.pastTheEnd(checkpoint: path, step: state.step, totalSteps: totalSteps)
    }
  }

  /// Requires that the final adapter of a finished run is unchanged.
  private static func requireFinal(_ record: JSONValue, in files: RunDirectory) throws {
    // Version 0.1.0 did not record hashes.
    guard let known = record[RunRecord.finalHashes] else { return }
    for name in PolicyForm.allNames {
      guard let hash = known[name] else { continue }
      let path = "\(files.path)/\(name)"
      guard hash == .string(try ContentHash(cacheDirectory: nil).sha256(ofFile: path)) else {
        throw RunRefusal.adapterDiffers(path: path)
      }
    }
  }

  private static func requireSame(_ inputs: [String: String], _ found: [JSONValue.Member], of path: String) throws {
    let names = inputs.filter { input in !found.contains { $0.name == input.key && $0.value.string == input.value } }
    guard names.isEmpty else {
      throw RunRefusal.inputsDiffer(checkpoint: path, names: names.keys.sorted(), comparison: nil)
    }
  }
}
