// Phases that only score: references before the run, held-out examples after steps.

import Collectives
import Corpus
import Model
import Runtime
import Synchronization
import Tensors

extension TrainingRun {
  /// Fills the reference cache; returns false when it was stopped.
  func computeReferences() throws -> Bool {
    let count = try world.share(coordinator?.references.missing.count)
    // In portions, so that a crash does not lose the whole pass.
    let portion = 256
    for first in stride(from: 0, to: count, by: portion) {
      let range = first..<min(first + portion, count)
      let trees = try coordinator.map { coordinator in
        try coordinator.references.missing[range].map { try coordinator.data.tree($0) }
      }
      var scores = Scores(count: range.count)
      while !scores.missing.isEmpty {
        let isStopping = try dispatcher.score(
          trees, of: .either, into: &scores, policy: trainer.reference, on: trainer.pass)
        let found = (0..<range.count).filter { scores[$0] != nil }
        let sums = found.map { scores[$0] ?? [] }
        try requireFiniteReferences(sums, of: trees.map { trees in found.map { trees[$0] } })
        coordinator?.references.insert(
          sums, for: (trees ?? []).enumerated().filter { scores[$0.offset] != nil }.map(\.element),
          isLastChance: isStopping || first + found.count == count)
        lastSave.withLock { $0 = .now }
        if coordinator != nil { progress(.reference(done: first + found.count, total: count)) }
        if isStopping { return false }
      }
    }
    return try world.agree(on: dispatcher.isAskedToStop ? 1 : 0) == 0
  }

  /// Requires finite sums. Rank 0 has the trees and recomputes the first bad one to find the place. Collective.
  private func requireFiniteReferences(_ sums: [[Double]], of trees: [ExampleTree]?) throws {
    try agree {
      guard let trees, let bad = zip(trees, sums).first(where: { !$1.allSatisfy(\.isFinite) })?.0 else { return }
      let place = try trainer.pass.firstNonFinite {
        _ = try trainer.pass.logProbabilities(TreeBatch([bad]), trainer.reference)
      }
      throw TrainingError.referenceNotFinite(example: bad.index, place: place)
    }
  }

  func evaluates(after step: Int) -> Bool {
    (setup.heldOutCount > 0 || tasks != nil) && (step == 0 || schedule.evaluates(after: step))
  }

  /// Evaluates the held-out examples and the tasks if an evaluation is due; returns false when it was stopped.
  func evaluate(after step: Int) throws -> Bool {
    guard evaluates(after: step) else { return true }
    var scores = Scores(count: setup.heldOutCount, mostSums: trainer.objective.spans.count)
    var seconds = 0.0
    if let partial = setup.start.partial, partial.kind == .evaluation, partial.step == step {
      seconds = partial.seconds
      try agree { try scores.words.withUnsafeMutableBufferPointer { try coordinator?.readPartialWork(into: [$0]) } }
    }
    let began = ContinuousClock.now - .seconds(seconds)
    while true {
      var isStopping = try dispatcher.score(
        coordinator?.data.heldOut, of: .heldOut, into: &scores, policy: trainer.policy, on: trainer.pass)
      if !isStopping, let sums = scores.all {
        if let judged = try judge(step) {
          if let coordinator {
            let metrics = try coordinator.evaluate(sums, judged, step: step, skipped: trainer.skipped)
            if setup.heldOutCount > 0 {
              progress(.evaluated(step: step, examples: setup.heldOutCount, metrics))
            }
            if !judged.entries.isEmpty { progress(.judged(step: step, judged)) }
          }
          try sample(step)
          return true
        }
        isStopping = true
      }
      let partial = PartialWork(
        kind: .evaluation, step: step, done: setup.heldOutCount - scores.missing.count,
        seconds: (ContinuousClock.now - began).seconds)
      try scores.words.withUnsafeMutableBufferPointer { try save(partial, [$0], isLastChance: isStopping) }
      if isStopping { return false }
    }
  }

  /// The metrics of the tasks, if there are any; nil when they were stopped.
  private func judge(_ step: Int) throws -> ObjectiveMetrics? {
    guard let tasks else { return ObjectiveMetrics() }
    return try tasks.metrics {
      progress(.notice("warning: step \(step): no metrics of tasks: the policy's logits are not finite"))
    }
  }

  /// Lets the model answer a few held-out documents, if the configuration requests it.
  private func sample(_ step: Int) throws {
    guard let sampling else { return }
    let samples = try sampling.run(coordinator?.data.heldOut)
    if let first = coordinator?.write(samples, step: step) { progress(.sampled(step: step, answer: first)) }
  }
}
