// The optimizer step, the same on every rank: deal, compute, add up exactly, clip, update.

import Collectives
package import Corpus
package import Model
package import Tensors

/// One rank's trainer. Every method is collective: all ranks call it with the same arguments.
package final class Trainer {
  let configuration: RunConfiguration
  let dealer: Dealer
  let pass: Pass
  package let adapter: Adapter
  package let moments: Moments
  let schedule: LearningRateSchedule
  let loss: DPO
  private let gradient: Storage
  /// The arena's integer sums, then the step's results.
  private let sums: UnsafeMutableBufferPointer<Int64>
  /// The most micro-batches of any step: bounds each one's gradient so that their sum fits.
  private let mostMicroBatches: Int

  /// Adam's running means, in the adapter's layout.
  package struct Moments: Sendable {
    package let first, second: Storage

    package init(count: Int) { (first, second) = (Storage(count: count), Storage(count: count)) }
  }

  init(
    configuration: RunConfiguration, dealer: Dealer, pass: Pass, adapter: Adapter, totalSteps: Int,
    mostMicroBatches: Int
  ) {
    self.configuration = configuration
    self.dealer = dealer
    self.pass = pass
    self.adapter = adapter
    self.mostMicroBatches = mostMicroBatches
    schedule = LearningRateSchedule(configuration, totalSteps: totalSteps)
    loss = DPO(beta: configuration.beta, labelSmoothing: configuration.labelSmoothing)
    moments = Moments(count: adapter.layout.count)
    gradient = Storage(count: adapter.layout.count)
    sums = .allocate(capacity: adapter.layout.count + Self.resultCount * configuration.batchSize + 1)
  }

  deinit { sums.deallocate() }

  /// Integers per example in a step's results: policy sums, reference sums, trouble.
  private static let resultCount = 2 * Dealer.completions + 1

  /// One example of a step on rank 0.
  package struct StepExample: Sendable {
    package var tree: ExampleTree
    /// Reference sums, when they are known before the step.
    package var reference: [Double]?

    package init(tree: ExampleTree, reference: [Double]?) { (self.tree, self.reference) = (tree, reference) }
  }

  /// What a step yields on every rank.
  package struct StepOutcome: Sendable {
    /// Policy and reference sums of every example, in the step's order.
    package var policy, reference: [DPO.Pair]
    package var gradientNorm: Double
    package var learningRate: Double
    package var isStopping: Bool
  }

  /// One optimizer step.
  /// - Parameter inspect: sees the gradient before it is clipped.
  package func step(
    number: Int, examples: [StepExample]?, count: Int, inspect: ((Storage) throws -> Void)? = nil
  ) throws -> StepOutcome {
    let outcome = try accumulate(number: number, examples: examples, count: count)
    try inspect?(gradient)
    let (norm, rate) = update(number: number)
    return StepOutcome(
      policy: outcome.policy, reference: outcome.reference, gradientNorm: norm, learningRate: rate,
      isStopping: outcome.isStopping)
  }

  /// Deals the step's micro-batches and leaves the exact sum of their gradients in the arena of `gradient`.
  ///
  /// - Parameters:
  ///   - number: the step's number, from 1.
  ///   - examples: on rank 0.
  ///   - count: how many they are: the loss is their mean, whoever computes them.
  /// - Throws: `TrainingError.notFinite`, `.outOfRange`, on every rank alike.
  private func accumulate(
    number: Int, examples: [StepExample]?, count: Int
  ) throws -> (policy: [DPO.Pair], reference: [DPO.Pair], isStopping: Bool) {
    let arena = adapter.layout.count
    let results = UnsafeMutableBufferPointer(rebasing: sums[arena...])
    let clock = pass.workers.clock
    clock.enter(.reduction)
    sums.update(repeating: 0)
    let dropout = DropoutDraw(
      probability: Float(configuration.loraDropout), seed: UInt64(bitPattern: Int64(configuration.seed)),
      step: UInt64(number))
    try dealer.phase(examples.map(items), clock) { item in
      let batch = TreeBatch(item.trees)
      let reference =
        item.references.isEmpty
        ? try pass.logProbabilities(batch, adapted: false) : item.references.flatMap { $0 }
      guard reference.count == batch.completionTokens.count, item.slots.allSatisfy({ $0 < count }) else {
        throw DamagedMessage()
      }
      let policy = try pass.gradient(batch, dropout: dropout, into: gradient) { policy in
        coefficients(policy: policy, reference: reference, count: count)
      }
      let trouble = FixedPoint.add(
        gradient.base, to: sums.baseAddress!, count: arena, terms: mostMicroBatches, pass.workers)
      for (i, slot) in item.slots.enumerated() {
        for completion in 0..<Dealer.completions {
          let place = batch.completionOffsets[i] + completion
          results[Self.resultCount * slot + completion] = Int64(bitPattern: policy[place].bitPattern)
          results[Self.resultCount * slot + Dealer.completions + completion] = Int64(
            bitPattern: reference[place].bitPattern)
        }
        results[Self.resultCount * (slot + 1) - 1] = Int64(trouble.rawValue)
      }
    }
    results[Self.resultCount * count] = dealer.isAskedToStop ? 1 : 0
    try dealer.sum(UnsafeMutableBufferPointer(rebasing: sums[..<(arena + Self.resultCount * count + 1)]), clock)
    try refuseTrouble(results, number: number, examples: examples, count: count)
    FixedPoint.toFloat(UnsafePointer(sums.baseAddress!), gradient.base, count: arena, pass.workers)
    func pairs(from offset: Int) -> [DPO.Pair] {
      (0..<count).map { slot in
        let start = Self.resultCount * slot + offset
        return DPO.Pair(
          chosen: Double(bitPattern: UInt64(bitPattern: results[start])),
          rejected: Double(bitPattern: UInt64(bitPattern: results[start + 1])))
      }
    }
    return (pairs(from: 0), pairs(from: Dealer.completions), results[Self.resultCount * count] > 0)
  }

  /// The step's micro-batches, by token counts alone.
  private func items(_ examples: [StepExample]) -> [WorkItem] {
    MicroBatchPlan(tokenCounts: examples.map(\.tree.tokenCount)).microBatches.map { positions in
      WorkItem(
        trees: positions.map { examples[$0].tree }, slots: positions,
        references: positions.compactMap { examples[$0].reference })
    }
  }

  /// d (mean loss of the step) / d (sum of each completion).
  private func coefficients(policy: [Double], reference: [Double], count: Int) -> [Double] {
    stride(from: 0, to: policy.count, by: Dealer.completions).flatMap { i in
      let outcome = loss(
        policy: DPO.Pair(chosen: policy[i], rejected: policy[i + 1]),
        reference: DPO.Pair(chosen: reference[i], rejected: reference[i + 1]))
      return [outcome.chosenSlope / Double(count), outcome.rejectedSlope / Double(count)]
    }
  }

  private func refuseTrouble(
    _ results: UnsafeMutableBufferPointer<Int64>, number: Int, examples: [StepExample]?, count: Int
  ) throws {
    func indices(_ kind: FixedPoint.Trouble) -> [Int] {
      (0..<count).filter { slot in
        let bits = UInt64(bitPattern: results[Self.resultCount * (slot + 1) - 1])
        return FixedPoint.Trouble(rawValue: bits).contains(kind)
      }.map { examples?[$0].tree.index ?? $0 }
    }
    let (notFinite, outOfRange) = (indices(.nonFinite), indices(.outOfRange))
    guard notFinite.isEmpty else { throw TrainingError.notFinite(step: number, examples: notFinite) }
    guard outOfRange.isEmpty else { throw TrainingError.outOfRange(step: number, examples: outOfRange) }
  }

  /// Clips the gradient and takes the optimizer's step; returns the norm before clipping and the learning rate.
  private func update(number: Int) -> (norm: Double, learningRate: Double) {
    let norm = Optimizer.norm(gradient.base, count: gradient.count, pass.workers)
    let limit = configuration.maximumGradientNorm
    // torch.nn.utils.clip_grad_norm_.
    let scale = limit > 0 ? min(1, limit / (norm + 1e-6)) : 1
    let rate = configuration.learningRate * schedule.multiplier(after: number - 1)
    Optimizer.adamW(
      weights: adapter.weights.base, first: moments.first.base, second: moments.second.base, gradient: gradient.base,
      count: gradient.count,
      AdamWStep(
        number: number, learningRate: rate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
        epsilon: configuration.adamEpsilon, weightDecay: configuration.weightDecay, gradientScale: Float(scale)),
      pass.workers)
    pass.workers.clock.enter(.input)
    return (norm, rate)
  }

  /// The metrics of pairs under the run's loss.
  package func metrics(policy: [DPO.Pair], reference: [DPO.Pair], trees: [ExampleTree]) -> PreferenceMetrics {
    var metrics = PreferenceMetrics()
    for (i, tree) in trees.enumerated() {
      metrics.add(
        loss(policy: policy[i], reference: reference[i]), policy: policy[i], chosenTokens: tree.completions[0].count,
        rejectedTokens: tree.completions[1].count)
    }
    return metrics
  }
}

/// A run that cannot go on.
package enum TrainingError: Error, CustomStringConvertible {
  case notFinite(step: Int, examples: [Int])
  case outOfRange(step: Int, examples: [Int])

  package var description: String {
    switch self {
    case .notFinite(let step, let examples):
      "step \(step): the gradient of a micro-batch is not finite; its examples are the records \(Self.list(examples)) "
        + "(counted from 0); look at them with --debug, or lower learning_rate"
    case .outOfRange(let step, let examples):
      "step \(step): an entry of a micro-batch's gradient exceeds the range of exact sums; its examples are the "
        + "records \(Self.list(examples)) (counted from 0); lower learning_rate or rl_beta"
    }
  }

  private static func list(_ examples: [Int]) -> String { examples.map(String.init).joined(separator: ", ") }
}
