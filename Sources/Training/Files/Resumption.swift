// Decides whether a run starts from the beginning, resumes, or has already finished.

import Checkpoints
import Glibc
import Model
import Runtime
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
  /// Where a branch left its trunk, for run.json.
  private(set) var trunk: JSONValue?
  private let files: RunDirectory
  private let configuration: RunConfiguration
  private let inputs: [String: String]
  /// The hash of the run's order of examples.
  private let order: String
  /// The run whose checkpoint this one starts from.
  private var origin: Trunk?
  /// The finished run in the same directory that is trained further.
  private var extended: FinishedRun?

  /// - Parameters:
  ///   - order: the hash of the run's order of examples.
  ///   - quarantine: records found in crash reports.
  /// - Throws: `RunRefusal`; `ContentError` when the named checkpoint is damaged.
  init(
    _ files: RunDirectory, configuration: RunConfiguration, mode: ResumeMode, overwrites: Bool,
    inputs: [String: String], order: String, quarantine: Quarantine
  ) throws {
    (self.files, self.configuration, self.inputs, self.order) = (files, configuration, inputs, order)
    start.quarantine = quarantine
    start.best = BestModel(metric: BestModel.Metric(configuration))
    start.bestBefore = start.best
    // A run that will be removed first does not count.
    let names = overwrites ? [] : try files.readCheckpointNames().map(\.name)
    let holdsRun = !overwrites && files.holdsRun(RunProof(files))
    // One that cannot be read is told of where it is needed.
    let record = holdsRun ? try? files.record() : nil
    try find(mode, names, holdsRun: holdsRun, record)
    trunk = origin?.json(orderStartsAfter: start.orderStartsAfter) ?? record?[RunRecord.trunk]
  }

  private mutating func find(_ mode: ResumeMode, _ names: [String], holdsRun: Bool, _ record: JSONValue?) throws {
    var named = configuration.resumeFromCheckpoint
    var goesOn = holdsRun && configuration.autoResumesFromCheckpoints
    switch mode {
    case .never: (named, goesOn) = (nil, false)
    case .from(let path):
      named = path
      // The same command again, after the branch was interrupted.
      goesOn = holdsRun && !files.contains(path) && Trunk.isOrigin(path, of: record)
    case .automatic: break
    }
    if goesOn {
      extended = try FinishedRun(in: files, record, extendedBy: configuration)
      if extended == nil { try requireSameConfiguration() }
      if try goOn(names) { return }
      // The directory holds this run, but nothing that could be resumed.
      if let named { try resume(from: named) }
      return
    }
    if holdsRun {
      guard let named, files.contains(named) else { throw RunRefusal.notEmpty(path: files.path) }
      try requireSameConfiguration()
    }
    if let named { try resume(from: named) }
  }

  private func requireSameConfiguration() throws {
    let differences = try files.configuration().map { configuration.differences(from: $0) } ?? []
    guard differences.isEmpty else {
      throw RunRefusal.configurationDiffers(path: files.path, differences: differences)
    }
  }

  /// Checks the start beside the steps that the run has.
  /// - Throws: `RunRefusal`.
  mutating func requireSteps(_ schedule: StepSchedule) throws {
    let total = schedule.totalSteps
    if let extended {
      guard total > extended.totalSteps else {
        throw RunRefusal.configurationDiffers(path: files.path, differences: extended.differences)
      }
      notices.append("the finished run is trained further, to \(total) steps instead of \(extended.totalSteps)")
      notices.append(
        Trunk.rateNotice(
          of: configuration, totalSteps: total, after: extended.configuration, totalSteps: extended.totalSteps,
          in: files, steps: start.step))
    }
    guard start.step <= total else {
      throw RunRefusal.pastTheEnd(checkpoint: start.checkpoint ?? files.path, step: start.step, totalSteps: total)
    }
    if let notice = origin?.rateNotice(configuration, totalSteps: total) { notices.append(notice) }
  }

  /// Resumes from the newest undamaged checkpoint, or finds the run finished; false when there is no checkpoint.
  /// - Throws: `RunRefusal`: a disk that fails for a while must not lose all saved work.
  private mutating func goOn(_ names: [String]) throws -> Bool {
    var record: JSONValue?
    do {
      record = try files.record()
    } catch {
      notices.append("\(error)\nit is written anew")
    }
    if extended == nil, let record, record["state"]?.string == "finished" {
      try Self.requireSame(inputs, record["inputs"]?.members ?? [], of: files.path)
      try Self.requireFinal(record, in: files)
      start.orderStartsAfter = Trunk.orderStartsAfter(of: record)
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
      try resume(from: path)
      takeUpPartialWork(in: files)
      return true
    }
    guard reasons.isEmpty else {
      throw RunRefusal.noneWhole(path: files.path, reason: reasons.joined(separator: "\n"))
    }
    if extended != nil { throw RunRefusal.nothingToExtend(path: files.path) }
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

  private mutating func resume(from path: String) throws {
    let state = try Checkpoint.state(of: path)
    let isOwn = files.contains(path)
    start = RunStart(
      step: state.step, tokens: state.tokens, orderStartsAfter: state.order?.startsAfter ?? 0, checkpoint: path,
      best: state.best, skipped: state.skipped, quarantine: start.quarantine)
    notices.append("going on after step \(state.step), from \(path)")
    if isOwn {
      let names = inputs.filter { state.inputs[$0.key] != $0.value }.map(\.key).sorted()
      guard names.isEmpty else { throw RunRefusal.inputsDiffer(checkpoint: path, names: names, comparison: nil) }
      start.quarantine = start.quarantine.union(state.quarantine)
      start.run = state.run
    } else {
      try leave(Trunk(path, state))
    }
    start.bestBefore = start.best
  }

  /// Another directory's checkpoint starts a new run, which may differ: the user should know in what.
  private mutating func leave(_ trunk: Trunk) throws {
    try trunk.requireFit(configuration, inputs)
    origin = trunk
    notices.append(trunk.comparison(with: configuration))
    let hasSameData = trunk.hasSameData(inputs)
    start.orderStartsAfter = trunk.orderStartsAfter(hash: order, inputs)
    if start.orderStartsAfter == trunk.state.step, trunk.state.step > 0 {
      notices.append(
        "\(hasSameData ? "the data's order or batches are" : "the data are") not those of the checkpoint's run: a new order "
          + "of them begins after step \(trunk.state.step)")
    }
    // Numbers of records mean others in other data.
    if hasSameData { start.quarantine = start.quarantine.union(trunk.state.quarantine) }
    start.best.checkpoint = nil
    // A state that is not here cannot be ended with, nor compared by another metric or on other data.
    let metric = BestModel.Metric(configuration)
    if configuration.endsWithBest || start.best.metric != metric || !hasSameData {
      start.best = BestModel(metric: metric)
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
