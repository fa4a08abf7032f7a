// A run's checkpoints. A failed save gives a warning and the next one retries. Too many failures in a row end the run.

import Checkpoints
import Model

/// A run whose state can no longer be saved.
package struct SaveFailure: Error, CustomStringConvertible {
  package let step: Int
  /// Failures in a row.
  package let count: Int
  /// The reason of the last failure.
  package let reason: String
  /// The checkpoint to resume from.
  package let last: String?

  package var description: String {
    "step \(step): \(count == 1 ? "the state cannot be saved" : "\(count) saves in a row have failed, the last one so"): "
      + "\(reason)\n\(LastCheckpoint.text(last))"
      + (last == nil ? "" : "; once that is mended, the same command goes on from there")
  }
}

enum LastCheckpoint {
  static func text(_ path: String?) -> String {
    path.map { "the last good checkpoint is \($0)" } ?? "there is no good checkpoint yet"
  }
}

/// Writes, verifies and prunes the checkpoints of a run.
final class RunCheckpoints {
  /// This many failures in a row end a run.
  static let mostFailures = 3

  /// The newest checkpoint that this run knows to be good.
  private(set) var last: String?
  /// Failures since this start.
  private(set) var failures = 0
  private var failuresInRow = 0
  /// Its checkpoint is spared by pruning.
  private var best: BestModel
  private let files: RunDirectory
  private let run: String
  private let configuration: RunConfiguration
  private let isScheduled: (Int) -> Bool
  private let warn: (String) -> Void

  /// - Parameters:
  ///   - run: identifies the run in its checkpoints.
  ///   - isScheduled: whether the configuration requests the checkpoint of a step, whatever evaluations find.
  ///   - last: the checkpoint from which the run starts.
  init(
    _ files: RunDirectory, of run: String, _ configuration: RunConfiguration, isScheduled: @escaping (Int) -> Bool,
    last: String?, best: BestModel, warn: @escaping (String) -> Void
  ) {
    (self.files, self.run, self.configuration, self.isScheduled) = (files, run, configuration, isScheduled)
    (self.last, self.best, self.warn) = (last, best, warn)
  }

  /// Whether this run's checkpoint with that name is there.
  func holds(_ name: String) -> Bool { files.isOwn("\(files.path)/\(name)", run) }

  /// Whether the configuration requests the checkpoint of a step; others exist only for resuming.
  private func isAskedFor(_ step: Int) -> Bool {
    isScheduled(step) || (configuration.savesBest && best.improvements.contains(step))
  }

  /// The name of the checkpoint that was just saved for a step, or that the run starts from.
  func name(of step: Int) -> String? {
    guard let name = last?.split(separator: "/").last.map(String.init), CheckpointName(name)?.step == step, holds(name)
    else { return nil }
    return name
  }

  /// The same, if it may be the best one. A checkpoint that exists only because the run was interrupted may not: an
  /// interruption must change nothing.
  func candidate(for step: Int) -> String? { isScheduled(step) ? name(of: step) : nil }

  /// Spares another checkpoint from now on.
  func spare(_ best: BestModel, after last: Int, _ skipped: SkippedSteps) {
    let changes = self.best.checkpoint?.name != best.checkpoint?.name
    self.best = best
    if changes { tidy(after: last, skipped) }
  }

  /// Saves a state.
  /// - Parameters:
  ///   - isLastChance: whether this save is the last, so that a failure ends the run.
  ///   - write: writes a checkpoint to a path.
  /// - Returns: the path of a new checkpoint; nil when an undamaged one exists already or writing failed.
  /// - Throws: `SaveFailure`.
  func save(_ state: TrainerState, isLastChance: Bool, write: (String) throws -> Void) throws -> String? {
    let paths = files.checkpointPaths(step: state.step)
    guard
      let saved = try attempt(
        state.step, isLastChance, { try put(paths, state, read: { try Checkpoint.state(of: $0) }, write) })
    else { return nil }
    last = saved.path
    tidy(after: state.step, state.skipped)
    return saved.isNew ? saved.path : nil
  }

  /// Saves the partial work after a saved state. Otherwise like the save of a state.
  func save(
    _ partial: PartialWork, after state: TrainerState, isLastChance: Bool, write: (String) throws -> Void
  ) throws -> String? {
    let saved = try attempt(partial.step, isLastChance) {
      try put([files.path(of: partial)], state, read: { try PartialWork.state(of: $0).1 }, write)
    }
    if saved != nil { tidy(after: state.step, state.skipped) }
    return saved?.isNew == true ? saved?.path : nil
  }

  /// Runs a save; nil when it failed and the run can continue.
  private func attempt(_ step: Int, _ isLastChance: Bool, _ body: () throws -> Saved) throws -> Saved? {
    do {
      let saved = try body()
      failuresInRow = 0
      return saved
    } catch {
      failures += 1
      failuresInRow += 1
      guard !isLastChance, failuresInRow < Self.mostFailures else {
        throw SaveFailure(step: step, count: failuresInRow, reason: "\(error)", last: last)
      }
      warn(
        "warning: step \(step) could not be saved: \(error)\nthe run goes on and tries again at the next save; "
          + LastCheckpoint.text(last))
      return nil
    }
  }

  /// Removes checkpoints that newer states replace.
  /// - Parameter isOver: whether the run never goes on from any of them.
  func tidy(after step: Int, _ skipped: SkippedSteps, isOver: Bool = false) {
    let limit = configuration.saveTotalLimit
    var spared = Set([best.checkpoint?.name].compactMap(\.self))
    if configuration.endsWithBest, !isOver {
      // A run that goes on from one of the newest evaluates its state again, and may end with what was the best before.
      spared.formUnion(files.bestNames(ofNewest: limit == 1 ? 1 : 2, of: run, upTo: step))
    }
    do {
      // States of an exploded adapter must not displace the states before it.
      let limit = skipped.areRecent(at: step) ? nil : limit
      let left = try files.prune(of: run, upTo: step, keeping: limit, best: spared, isAskedFor: isAskedFor)
      if !left.isEmpty { warn("of old checkpoints stays what is not as Shoal wrote it: \(shortList(left))") }
    } catch {
      warn("warning: an old checkpoint could not be removed: \(error)")
    }
  }

  /// Where a state is, and whether it was not there before.
  private typealias Saved = (path: String, isNew: Bool)

  /// Writes and verifies a directory, at the first of the paths that others have not taken.
  private func put(
    _ paths: [String], _ state: TrainerState, read: (String) throws -> TrainerState, _ write: (String) throws -> Void
  ) throws -> Saved {
    for path in paths {
      if entryExists(path) {
        // The same run, resumed from an older checkpoint, left it. It has the same bytes unless it was damaged since.
        if EntryKind(path) == .directory, let found = try? read(path), found == state { return (path, false) }
        guard try files.setAside(path) else { continue }
      }
      try write(path)
      do {
        guard try read(path) == state else { throw ContentError(path, "does not read as it was written") }
      } catch {
        try files.setAside(path)
        throw error
      }
      return (path, true)
    }
    throw ContentError(
      paths[0], "and the other names it may have are taken by what is not Shoal's", expected: "one of them free")
  }
}
