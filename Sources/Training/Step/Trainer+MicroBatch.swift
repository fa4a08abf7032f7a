// One micro-batch of a step: its log-prob sums, or its gradient.

import Collectives
import Corpus
import Model
import Runtime
import Tensors

extension Trainer {
  /// The step's micro-batches. They depend on token counts only.
  func items(_ examples: [StepExample]) -> [WorkItem] {
    let likelihoodTokens = examples.reduce(0) { $0 + objective.likelihoodTokens($1.tree.sumTokens) }
    return MicroBatchPlan(tokenCounts: examples.map(\.tree.tokenCount)).microBatches.map { positions in
      WorkItem(
        trees: positions.map { examples[$0].tree }, slots: positions,
        references: positions.compactMap { examples[$0].reference }, likelihoodTokens: likelihoodTokens)
    }
  }

  /// The micro-batches of the completions that have a gradient.
  func trainedItems(_ examples: [StepExample]) -> [WorkItem] {
    items(examples.map { StepExample(tree: objective.trainedTree($0.tree), reference: nil) })
  }

  /// The log-prob sums of a micro-batch.
  func measure(_ item: WorkItem, _ draw: RandomDraw) throws -> [ExampleSums] {
    let batch = try batch(item, spans: objective.spans.count)
    let policy = try pass.logProbabilities(batch, policy, dropout: draw)
    return Self.examples(item.trees, batch, policy: policy, reference: try reference(item, batch))
  }

  /// Computes the gradient of a micro-batch, for losses whose examples are independent.
  /// - Parameter note: called with the log-prob sums.
  func differentiate(
    _ item: WorkItem, _ draw: RandomDraw, into sink: any GradientSink, note: ([ExampleSums]) -> Void
  ) throws {
    let batch = try batch(item, spans: objective.spans.count)
    let known = try reference(item, batch)
    let totals = StepTotals(examples: sums.exampleCount, likelihoodTokens: item.likelihoodTokens)
    func examples(_ policy: [Double]) -> [ExampleSums] {
      Self.examples(item.trees, batch, policy: policy, reference: known)
    }
    if let constant = objective.constantGradients(totals: totals) {
      let coefficients = item.trees.flatMap { _ in constant }
      note(examples(try pass.gradient(batch, policy, dropout: draw, into: sink, coefficients: coefficients)))
    } else {
      _ = try pass.gradient(batch, policy, dropout: draw, into: sink) { policy in
        let examples = examples(policy)
        note(examples)
        return objective(examples, totals: totals).flatMap(\.gradients)
      }
    }
  }

  /// Computes the gradient of a micro-batch from known gradients of the loss by the sums.
  func differentiate(
    _ item: WorkItem, _ draw: RandomDraw, into sink: any GradientSink, lossGradients: [[Double]]
  ) throws {
    let spans = objective.trainedSpans
    let batch = try batch(item, spans: spans)
    let coefficients = item.slots.flatMap { lossGradients[$0].prefix(spans) }
    _ = try pass.gradient(batch, policy, dropout: draw, into: sink, coefficients: coefficients)
  }

  /// The loss's gradients by the log-prob sums of a whole step.
  func lossGradients(_ step: [ExampleSums]) -> [[Double]] {
    objective(step, totals: StepTotals(step, objective)).map(\.gradients)
  }

  private func batch(_ item: WorkItem, spans: Int) throws -> TreeBatch {
    guard item.trees.allSatisfy({ $0.sumTokens.count == spans }), item.slots.allSatisfy({ $0 < sums.exampleCount })
    else { throw DamagedMessage() }
    return TreeBatch(item.trees)
  }

  /// Reference sums of a micro-batch: sent with it or computed now; empty if the objective has no reference.
  private func reference(_ item: WorkItem, _ batch: TreeBatch) throws -> [Double] {
    guard objective.usesReference else { return [] }
    let known = item.references.flatMap { $0 }
    guard known.isEmpty || known.count == batch.sumTokens.count else { throw DamagedMessage() }
    return known.isEmpty ? try pass.logProbabilities(batch, reference) : known
  }

  private static func examples(
    _ trees: [ExampleTree], _ batch: TreeBatch, policy: [Double], reference: [Double]
  ) -> [ExampleSums] {
    zip(trees, zip(batch.sumOffsets, batch.sumOffsets.dropFirst())).map { tree, bounds in
      let own = bounds.0..<bounds.1
      return ExampleSums(tree, policy: Array(policy[own]), reference: reference.isEmpty ? [] : Array(reference[own]))
    }
  }
}
