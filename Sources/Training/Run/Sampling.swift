// Lets the model answer a few held-out documents at each evaluation, so that the user sees how its answers change.

import Collectives
import Corpus
package import Model
import Tensors

/// One answer.
package struct Sample: Sendable, Equatable {
  /// The document's index among the held-out examples.
  package var place: Int
  package var ids: [Int32]
  package var finishReason: Generation.FinishReason
}

/// Answers prompts greedily with the current policy. The work is dispatched like other work.
final class Sampling {
  private let plan: SamplePlan
  private let trainer: Trainer
  private let generator: Generator
  private let defaults: GenerationDefaults

  /// - Throws: `GenerationError` when there is not enough memory; `ContentError` for a damaged generation_config.json.
  init(_ plan: SamplePlan, _ trainer: Trainer, directory: ModelDirectory, endIDs: [Int32]) throws {
    (self.plan, self.trainer) = (plan, trainer)
    var defaults = try GenerationDefaults(directory: directory.path, directory.configuration)
    defaults.stopIDs.formUnion(endIDs)
    self.defaults = defaults
    generator = try Generator(
      trainer.policy, capacity: plan.capacity, pool: trainer.pass.pool)
  }

  /// The answers, on every rank. Answers that a stop request interrupted are left out. Collective.
  /// - Parameter trees: rank 0's held-out examples.
  func run(_ trees: [ExampleTree]?) throws -> [Sample] {
    let items = trees?.prefix(plan.count).enumerated().map { WorkItem(trees: [$1], slots: [$0]) }
    // For each document the answer's length, its finish reason (from 1), and its tokens. One rank fills them in.
    let width = plan.newTokens + 2
    var words = [Int64](repeating: 0, count: plan.count * width)
    let clock = trainer.pass.pool.clock
    try trainer.dispatcher.phase(items, of: .heldOut, clock, pausesToSave: false) { item in
      for (tree, slot) in zip(item.trees, item.slots) {
        guard slot < plan.count else { throw DamagedMessage() }
        // With transformers' penalties, but greedy.
        var options = GenerationOptions(
          rules: defaults.rules, maximumNewTokens: min(plan.newTokens, plan.capacity - tree.prompt.count))
        options.rules.draws = false
        options.stopIDs = defaults.stopIDs
        let answer = try generator.generate(
          prompt: tree.prompt, options, isStopped: { trainer.dispatcher.isAskedToStop })
        let start = slot * width
        words[start] = Int64(answer.ids.count)
        words[start + 1] = Int64(1 + (Generation.FinishReason.allCases.firstIndex(of: answer.finishReason) ?? 0))
        for (i, id) in answer.ids.enumerated() { words[start + 2 + i] = Int64(id) }
      }
    }
    try words.withUnsafeMutableBufferPointer { try trainer.dispatcher.sum($0, clock) }
    return (0..<plan.count).compactMap { place in
      let own = words[place * width..<(place + 1) * width]
      guard own[own.startIndex + 1] > 0 else { return nil }
      let reason = Generation.FinishReason.allCases[Int(own[own.startIndex + 1]) - 1]
      guard reason != .interrupted else { return nil }
      return Sample(
        place: place, ids: own.dropFirst(2).prefix(Int(own[own.startIndex])).map(Int32.init), finishReason: reason)
    }
  }
}
