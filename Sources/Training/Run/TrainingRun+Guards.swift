// Checks during a run: nothing is written if ranks disagree on it or if it is not finite.

import Collectives
import Corpus
import Model
import Runtime
import Tensors

extension TrainingRun {
  /// Steps between two comparisons of the ranks' parameters.
  static let stepsBetweenChecks = 50

  /// Runs `body`. An error of any rank ends all ranks in good order.
  func agree(_ body: () throws -> Void) throws {
    do {
      try world.agree(body)
    } catch let failure as AgreedFailure {
      try dispatcher.close()
      throw failure
    }
  }

  /// Ends the run after a skipped step if the parameters are not finite or too many steps were skipped. Collective.
  func endIfHopeless(_ step: Int, _ skip: SkippedStep) throws {
    guard try trainer.isFinite() else {
      return try agree { throw TrainingError.adapterNotFinite(step: step, last: coordinator?.recorder.lastCheckpoint) }
    }
    guard trainer.skipped.areTooMany else { return }
    try save(step)
    try agree {
      throw TrainingError.tooManySkips(
        step: step, skipped: trainer.skipped, reason: skip.reason, last: coordinator?.recorder.lastCheckpoint)
    }
  }

  /// Requires that all ranks have the same finite parameters, before it is written. Collective.
  func requireSound(after step: Int) throws {
    try requireSameAdapter(after: step)
    guard try trainer.isFinite() else {
      return try agree { throw TrainingError.adapterNotFinite(step: step, last: coordinator?.recorder.lastCheckpoint) }
    }
  }

  /// Requires that all ranks have the same weights and moments. Collective.
  func requireSameAdapter(after step: Int) throws {
    guard world.size > 1 else { return }
    trainer.pass.pool.clock.enter(.reduction)
    defer { trainer.pass.pool.clock.enter(.input) }
    let facts = ["checksum of the parameters": String(trainer.checksum, radix: 16)]
    guard let difference = try WorldCheck.differences(of: facts, in: world).first else { return }
    try agree {
      throw TrainingError.ranksDisagree(
        step: step, difference: "\(difference)", last: coordinator?.recorder.lastCheckpoint)
    }
  }

  /// Compares derivatives with central differences on the first step's shortest example. For a world of one rank.
  /// - Throws: `GradientMismatch` when any disagrees.
  package func checkGradients(report: (GradientComparison) -> Void) throws {
    guard let coordinator else { return }
    let step = min(setup.start.step, schedule.totalSteps - 1)
    let examples = try coordinator.data.stepTrees(schedule.plan.positions(step: step))
    guard let shortest = examples.min(by: { $0.tokenCount < $1.tokenCount }) else { return }
    let check = try GradientCheck(
      pass: trainer.pass, policy: trainer.policy, values: trainer.values, reference: trainer.reference,
      objective: trainer.objective, example: shortest)
    var mismatches = 0
    try check.run(seed: UInt64(bitPattern: Int64(configuration.seed))) {
      if !$0.agrees { mismatches += 1 }
      report($0)
    }
    guard mismatches == 0 else { throw GradientMismatch(count: mismatches) }
  }
}
