// Lets the model answer a few held-out documents at each evaluation, so that the user sees how its answers change.

import Collectives
import Corpus
package import Model
import Runtime
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
      trainer.policy, capacity: plan.capacity, slots: plan.slots, cached: plan.cached, pool: trainer.pass.pool)
  }

  /// The answers, on rank 0; on other ranks none. Answers that a stop request interrupted, and those of
  /// a model whose logits are not finite, are left out. Collective.
  /// - Parameter trees: rank 0's held-out examples.
  func run(_ trees: [ExampleTree]?) throws -> [Sample] {
    let pieces = trees?.prefix(plan.count).enumerated().map { place, tree in
      WorkPiece(bytes: GenerationItem(number: place, request(tree.prompt)).bytes)
    }
    var samples: [Sample] = []
    let clock = trainer.pass.pool.clock
    try trainer.dispatcher.collect(pieces, inTurn: true, clock) { bytes in
      let (place, answer) = try GenerationItem.result(bytes)
      guard ![.interrupted, .notFinite].contains(answer.finishReason) else { return }
      samples.append(Sample(place: place, ids: answer.ids, finishReason: answer.finishReason))
    } _: { phase in
      try generator.generate(for: PhaseClient(phase))
    }
    return samples.sorted { $0.place < $1.place }
  }

  /// Greedy, but with transformers' penalties.
  private func request(_ prompt: [Int32]) -> GenerationRequest {
    var options = GenerationOptions(
      rules: defaults.rules, maximumNewTokens: min(plan.newTokens, plan.capacity - prompt.count))
    options.rules.draws = false
    options.stopIDs = defaults.stopIDs
    return GenerationRequest(prompt: prompt, options)
  }
}
