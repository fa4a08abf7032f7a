// Removes files from an output directory: an earlier run, outdated states, leftovers of a killed run.

import Checkpoints
import Glibc
import Model

extension RunDirectory {
  /// Removes only the files of an earlier run, except the checkpoint from which the next run starts.
  /// - Throws: `WriteError`.
  package func removeRun(keeping checkpoint: String?) throws {
    let files = [
      "config.yaml", "run.json", LineFile.metrics.rawValue, LineFile.samples.rawValue, AdapterDirectory.weightsName,
      AdapterDirectory.configurationName,
    ]
    for name in entries {
      if files.contains(name) || Self.isCrashReport(name) { try Self.remove("\(path)/\(name)") }
      guard Self.isCheckpoint(name) else { continue }
      if let checkpoint, Self.isSame(checkpoint, "\(path)/\(name)") { continue }
      try Self.removeDirectory("\(path)/\(name)")
    }
    // Keeps the directory: the run writes to it again at once, and it may hold files of others.
    for name in Self.names(in: eventsPath) where name.hasPrefix(EventFile.namePrefix) {
      try Self.remove("\(eventsPath)/\(name)")
    }
  }

  /// Whether it is the name of a checkpoint or a partial work, damaged or not.
  private static func isCheckpoint(_ name: String) -> Bool {
    let name = name.replacing(/\.damaged(-[0-9]+)?$/, with: "")
    return name.wholeMatch(of: /checkpoint-[0-9]+/) != nil || PartialWork(name: name) != nil
  }

  /// Removes a directory. Renames it first, so that an interrupted removal is visible.
  static func removeCheckpoint(_ path: String) throws {
    let old = "\(path).tmp-\(getpid())"
    guard rename(path, old) == 0 else { throw WriteError(path: path, action: "rename", code: errno) }
    try removeDirectory(old)
  }

  /// Removes unfinished files of a killed run. Call only while holding the directory's lock: no other run then writes
  /// them.
  func removeLeftovers() {
    let files =
      LineFile.allCases.map(\.rawValue) + [
        "config.yaml", "run.json", "debug.jsonl", "gradients.safetensors", AdapterDirectory.weightsName,
        AdapterDirectory.configurationName,
      ]
    for name in entries {
      guard let match = name.wholeMatch(of: /(.+)\.tmp-[0-9]+(-[0-9]+)?/) else { continue }
      let leftover = "\(path)/\(name)"
      var status = stat()
      guard lstat(leftover, &status) == 0 else { continue }
      if files.contains(String(match.1)) {
        unlink(leftover)
      } else if Self.isCheckpoint(String(match.1)), status.st_mode & S_IFMT == S_IFDIR {
        for file in Checkpoint.fileNames + PartialWork.fileNames { unlink("\(leftover)/\(file)") }
        // Fails, and keeps the directory, if other files are in it.
        rmdir(leftover)
      }
    }
  }

  /// Renames an unusable checkpoint to `checkpoint-N.damaged`, or the next free name, so that the user can inspect it.
  /// - Throws: `WriteError`.
  func setAside(_ old: String) throws {
    var new = old + ".damaged"
    var count = 1
    while HubFiles.exists(new) {
      count += 1
      new = "\(old).damaged-\(count)"
    }
    guard rename(old, new) == 0 else { throw WriteError(path: old, action: "rename", code: errno) }
  }

  private static func remove(_ path: String) throws {
    guard unlink(path) == 0 else { throw WriteError(path: path, action: "remove", code: errno) }
  }

  /// Removes a directory without subdirectories.
  private static func removeDirectory(_ path: String) throws {
    for name in names(in: path) { try remove("\(path)/\(name)") }
    guard rmdir(path) == 0 else { throw WriteError(path: path, action: "remove", code: errno) }
  }

  /// Removes states of `run` up to `step` that newer ones outdate: checkpoints beyond the newest `limit`, checkpoints
  /// not requested by step or epoch, and partial works that a newer checkpoint or two newer partial works outdate.
  /// Always keeps the newest undamaged checkpoint, and a second one unless the limit leaves no place for it.
  /// - Parameter best: the step of a checkpoint that is never removed. It takes one of the places of the limit.
  /// - Throws: `WriteError`.
  package func prune(
    of run: String, upTo step: Int, keeping limit: Int?, best: Int? = nil, isAskedFor: (Int) -> Bool
  ) throws {
    let own = checkpointSteps.filter { step >= $0 && Checkpoint.writer(of: checkpointPath(step: $0)) == run }
    let others = own.filter { $0 != best }
    let places = (limit ?? .max) - (others.count < own.count ? 1 : 0)
    let isNewestBest = own.first == best && best.map { isWhole($0) } ?? false
    let spared = max(isNewestBest ? 0 : 1, min(places, 2))
    // Verifying reads every byte, so skip it when nothing would be removed.
    if others.count > max(places, spared) || others.dropFirst(spared).contains(where: { !isAskedFor($0) }) {
      var (whole, kept) = (0, 0)
      for step in others {
        if whole < spared {
          if isWhole(step) { whole += 1 }
        } else if !isAskedFor(step) || kept >= places {
          try Self.removeCheckpoint(checkpointPath(step: step))
          continue
        }
        kept += 1
      }
    }
    let works = partials.filter { Checkpoint.writer(of: path(of: $0)) == run && $0.base <= step }
    let outdated = works.filter { $0.base < step } + works.filter { $0.base == step }.dropFirst(2)
    for partial in outdated { try Self.removeCheckpoint(path(of: partial)) }
  }

  private func isWhole(_ step: Int) -> Bool { (try? Checkpoint.state(of: checkpointPath(step: step))) != nil }
}
