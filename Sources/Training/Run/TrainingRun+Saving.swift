// Saves a run's state, between steps and between micro-batches.

import Collectives
import Corpus
import Model
import Synchronization
import Tensors

extension TrainingRun {
  /// Saves the state. A failure gives only a warning unless it is the last chance or one too many. Collective.
  func save(_ step: Int, isLastChance: Bool = false) throws {
    try requireSound(after: step)
    try write { recorder in
      try recorder.save(
        step: step, epoch: schedule.plan.epoch(afterSteps: step), trainer: trainer, form,
        isLastChance: isLastChance)
    }
  }

  /// Saves the state after a step whose evaluation was the best so far, if the configuration keeps such states.
  /// Collective.
  func saveIfBest(_ step: Int) throws {
    guard configuration.keepsBest, evaluates(after: step) else { return }
    guard try world.share(coordinator?.recorder.lacksBest(of: step)) else { return }
    // A run that ends with its best state must not lose it.
    try save(step, isLastChance: configuration.endsWithBest)
    coordinator?.recorder.takeBest(of: step, trainer.skipped)
  }

  /// Saves the state together with the partial work after it, if there is any. Collective.
  func save(_ partial: PartialWork, _ sums: [UnsafeMutableBufferPointer<Int64>], isLastChance: Bool) throws {
    // A step without a finished micro-batch still records that the evaluation before it is done.
    let isSomething = partial.done > 0 || (partial.kind == .step && evaluates(after: partial.base))
    if isSomething || partial.base > setup.start.step { try save(partial.base, isLastChance: isLastChance) }
    if isSomething {
      try write { recorder in
        try recorder.save(
          partial, sums, epoch: schedule.plan.epoch(afterSteps: partial.base), trainer: trainer,
          isLastChance: isLastChance)
      }
      if isLastChance { underWay = partial }
    }
    lastSave.withLock { $0 = .now }
  }

  /// Lets rank 0 write, and reports the path if it is new.
  private func write(_ body: (RunRecorder) throws -> String?) throws {
    trainer.pass.pool.clock.enter(.saving)
    defer { trainer.pass.pool.clock.enter(.input) }
    try agree {
      try trainer.momentReader.lead {
        if let recorder = coordinator?.recorder, let path = try body(recorder) { progress(.saved(path: path)) }
      }
    }
    lastSave.withLock { $0 = .now }
  }
}
