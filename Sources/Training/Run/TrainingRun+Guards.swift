// What is compared on the way, so that nothing is written that ranks do not agree on or that is no number.

import Collectives
import Corpus
import Model
import Tensors

extension TrainingRun {
  /// Steps between two comparisons of the ranks' adapters.
  static let stepsBetweenChecks = 50

  /// Runs `body`; what any rank throws ends all of them in good order.
  func agree(_ body: () throws -> Void) throws {
    do {
      try world.agree(body)
    } catch let failure as AgreedFailure {
      try dispatcher.close()
      throw failure
    }
  }

  /// Ends the run at a skipped step from which it cannot recover, or that was one too many. Collective.
  func endIfHopeless(_ step: Int, _ skip: SkippedStep) throws {
    guard trainer.isFinite else {
      return try agree { throw TrainingError.adapterNotFinite(step: step, last: coordinator?.recorder.lastCheckpoint) }
    }
    guard trainer.skipped.areTooMany else { return }
    try save(step)
    try agree {
      throw TrainingError.tooManySkips(
        step: step, skipped: trainer.skipped, reason: skip.reason, last: coordinator?.recorder.lastCheckpoint)
    }
  }

  /// Nothing is written that ranks do not agree on, or that is no number. Collective.
  func requireSound(after step: Int) throws {
    try requireSameAdapter(after: step)
    guard trainer.isFinite else {
      return try agree { throw TrainingError.adapterNotFinite(step: step, last: coordinator?.recorder.lastCheckpoint) }
    }
  }

  /// Compares the ranks' weights and moments. Collective.
  func requireSameAdapter(after step: Int) throws {
    guard world.size > 1 else { return }
    trainer.pass.pool.clock.enter(.reduction)
    defer { trainer.pass.pool.clock.enter(.input) }
    let facts = ["checksum of the adapter": String(trainer.checksum, radix: 16)]
    guard let difference = try WorldCheck.differences(of: facts, in: world).first else { return }
    try agree {
      throw TrainingError.ranksDisagree(
        step: step, difference: "\(difference)", last: coordinator?.recorder.lastCheckpoint)
    }
  }

  /// Compares derivatives with central differences on the shortest of the first step's examples. Of a world of one.
  /// - Throws: `GradientMismatch` when any disagrees.
  package func checkGradients(report: (GradientComparison) -> Void) throws {
    guard let coordinator else { return }
    let examples = coordinator.data.stepTrees(schedule.plan.positions(step: setup.start.step % schedule.totalSteps))
    guard let shortest = examples.min(by: { $0.tokenCount < $1.tokenCount }) else { return }
    let check = try GradientCheck(
      pass: trainer.pass, adapter: trainer.adapter, referenceAdapter: trainer.referenceAdapter,
      objective: trainer.objective, example: shortest)
    var mismatches = 0
    try check.run(seed: UInt64(bitPattern: Int64(configuration.seed))) {
      if !$0.agrees { mismatches += 1 }
      report($0)
    }
    guard mismatches == 0 else { throw GradientMismatch(count: mismatches) }
  }
}
