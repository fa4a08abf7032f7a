// Removes files from an output directory: an earlier run, outdated states, leftovers of a killed run.

import Checkpoints
import Glibc
import Tensors

extension RunDirectory {
  /// Removes an earlier run, as far as it is proven to be Shoal's, except run.json, which the next run replaces, and the
  /// checkpoint from which that run starts.
  /// - Returns: what stays although a run's files have such names.
  /// - Throws: `RemovalFailure`.
  @discardableResult package func removeRun(keeping checkpoint: String?) throws -> [String] {
    let proof = RunProof(self)
    var removal = Removal()
    for name in entries where Self.isCheckpoint(name) {
      if let checkpoint, isSameFile(checkpoint, "\(path)/\(name)") { continue }
      try removal.remove(directory: "\(path)/\(name)")
    }
    // Keeps the directory: the run writes to it again at once, and it may hold files of others.
    for name in Self.names(in: eventsPath) where name.hasPrefix(EventFile.namePrefix) {
      let file = "\(eventsPath)/\(name)"
      if EventFile.isOwn(file) { try removal.remove(file: file) } else { removal.leave(file) }
    }
    for report in crashReports {
      if Self.isOwnCrashReport(report) { try removal.remove(file: report) } else { removal.leave(report) }
    }
    // The configuration comes last: without it nothing says of which configuration the rest is.
    for name in proof.names.sorted(by: >) where name != "run.json" && entryExists("\(path)/\(name)") {
      if proof.isOwn(name) { try removal.remove(file: "\(path)/\(name)") } else { removal.leave("\(path)/\(name)") }
    }
    return removal.left
  }

  /// Whether it is the name of a checkpoint or a partial work, damaged or not.
  static func isCheckpoint(_ name: String) -> Bool {
    let name = name.replacing(/\.damaged(-[0-9]+)?$/, with: "")
    return CheckpointName(name) != nil || PartialWork(name: name) != nil
  }

  /// Removes unfinished files of a killed start of the run. Call only while holding the directory's lock: no other run
  /// then writes them.
  func removeLeftovers(_ proof: RunProof) {
    for name in entries {
      guard let match = name.wholeMatch(of: /(.+)\.tmp-([0-9]{1,9})(-[0-9]+)?/), let process = Int(match.2) else {
        continue
      }
      let (leftover, original) = ("\(path)/\(name)", String(match.1))
      let isOwn = proof.isLeftover(process: process)
      switch EntryKind(leftover) {
      case .file where isOwn && proof.names.contains(original) || original == "run.json" && Self.isRecord(leftover):
        unlink(leftover)
      case .directory where isOwn && Self.isCheckpoint(original):
        for file in Checkpoint.fileNames + PartialWork.fileNames where EntryKind("\(leftover)/\(file)") == .file {
          unlink("\(leftover)/\(file)")
        }
        // Fails, and keeps the directory, if other files are in it.
        rmdir(leftover)
      default: break
      }
    }
  }

  /// Whether a file is the beginning of a run's record. The first one of a run has nothing else that proves it.
  private static func isRecord(_ path: String) -> Bool {
    let start = Array(RunRecord.beginning.utf8)
    guard let file = try? MappedFile(path: path) else { return false }
    return withExtendedLifetime(file) { file.bytes.prefix(start.count).elementsEqual(start.prefix(file.bytes.count)) }
  }

  /// Whether a checkpoint or partial work can be renamed as a whole: it is Shoal's, and nothing else is in it.
  func isMovable(_ path: String) -> Bool {
    Checkpoint.isOwn(path)
      && Self.names(in: path).allSatisfy { name in
        (Checkpoint.fileNames + PartialWork.fileNames).contains(name) && EntryKind("\(path)/\(name)") == .file
      }
  }

  /// Renames an unusable checkpoint to `checkpoint-N.damaged`, or the next free name, so that the user can inspect it.
  /// - Returns: false if it stays, because files of others are in it.
  /// - Throws: `WriteError`.
  @discardableResult func setAside(_ old: String) throws -> Bool {
    guard isMovable(old) else { return false }
    var new = old + ".damaged"
    var count = 1
    while entryExists(new) {
      count += 1
      new = "\(old).damaged-\(count)"
    }
    guard rename(old, new) == 0 else { throw WriteError(path: old, action: "rename", code: errno) }
    return true
  }

  /// Removes states of `run` up to `step` that newer ones outdate: checkpoints beyond the newest `limit`, checkpoints
  /// not requested by step or epoch, and partial works that a newer checkpoint or two newer partial works outdate.
  /// Always keeps the newest undamaged checkpoint, and a second one unless the limit leaves no place for it.
  /// - Parameter best: the names of checkpoints that are never removed. Each takes one of the places of the limit.
  /// - Returns: what others put into removed checkpoints, which stays.
  /// - Throws: `RemovalFailure`.
  @discardableResult package func prune(
    of run: String, upTo step: Int, keeping limit: Int?, best: Set<String> = [], isAskedFor: (Int) -> Bool
  ) throws -> [String] {
    let own = checkpointNames.filter { $0.step <= step && isOwn("\(path)/\($0.name)", run) }
    let others = own.filter { !best.contains($0.name) }
    let places = (limit ?? .max) - (own.count - others.count)
    let isNewestBest = own.first.map { best.contains($0.name) && isWhole($0.name) } ?? false
    let spared = max(isNewestBest ? 0 : 1, min(places, 2))
    var removal = Removal()
    // Verifying reads every byte, so skip it when nothing would be removed.
    if others.count > max(places, spared) || others.dropFirst(spared).contains(where: { !isAskedFor($0.step) }) {
      var (whole, kept) = (0, 0)
      for (step, name) in others {
        if whole < spared {
          if isWhole(name) { whole += 1 }
        } else if !isAskedFor(step) || kept >= places {
          try removal.remove(directory: "\(path)/\(name)")
          continue
        }
        kept += 1
      }
    }
    let works = partials.filter { isOwn(path(of: $0), run) && $0.base <= step }
    let outdated = works.filter { $0.base < step } + works.filter { $0.base == step }.dropFirst(2)
    for partial in outdated { try removal.remove(directory: path(of: partial)) }
    return removal.left
  }

  /// The names of the checkpoints that were the best ones when `run` wrote its newest `count` up to `step`.
  func bestNames(ofNewest count: Int, of run: String, upTo step: Int) -> Set<String> {
    // Not lazy: a lazy collection reads a file more than once, and traps when the answers differ.
    var states: [TrainerState] = []
    for (number, name) in checkpointNames where number <= step && states.count < count {
      if let state = Checkpoint.unverifiedState(of: "\(path)/\(name)"), state.run == run { states.append(state) }
    }
    return Set(states.compactMap(\.best.checkpoint?.name))
  }

  /// Whether `run` wrote a checkpoint or a partial work there. A link to one is not it.
  func isOwn(_ path: String, _ run: String) -> Bool {
    EntryKind(path) == .directory && Checkpoint.writer(of: path) == run
  }

  private func isWhole(_ name: String) -> Bool { (try? Checkpoint.state(of: "\(path)/\(name)")) != nil }
}
