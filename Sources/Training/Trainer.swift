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
  /// The adapter whose model is the reference; nil where that is the frozen model alone.
  package let referenceAdapter: Adapter?
  package let moments: Moments
  let schedule: LearningRateSchedule
  let objective: Objective
  private let groups: [ParameterGroup]
  /// The step's gradient, before it is clipped.
  let gradient: Storage
  /// The arena's integer sums, then the step's words.
  private let sums: UnsafeMutableBufferPointer<Int64>
  /// The most micro-batches of any step: bounds each one's gradient so that their sum fits.
  private let mostMicroBatches: Int

  /// AdamW's running means, or Lion's momentum alone, in the adapter's layout.
  package struct Moments: Sendable {
    package let first: Storage
    /// Of squares.
    package let second: Storage?

    package init(count: Int, _ optimizer: OptimizerName) {
      first = Storage(count: count)
      second = optimizer == .adamW ? Storage(count: count) : nil
    }

    package var all: [Storage] { [first] + (second.map { [$0] } ?? []) }
  }

  init(
    configuration: RunConfiguration, dealer: Dealer, pass: Pass, adapter: Adapter, referenceAdapter: Adapter? = nil,
    totalSteps: Int, mostMicroBatches: Int
  ) {
    self.configuration = configuration
    self.dealer = dealer
    self.pass = pass
    self.adapter = adapter
    self.referenceAdapter = referenceAdapter
    self.mostMicroBatches = mostMicroBatches
    schedule = LearningRateSchedule(configuration, totalSteps: totalSteps)
    objective = configuration.objective
    groups = ParameterGroup.all(adapter.layout, configuration)
    moments = Moments(count: adapter.layout.count, configuration.optimizer)
    gradient = Storage(count: adapter.layout.count)
    sums = .allocate(
      capacity: adapter.layout.count + StepWords.count(examples: configuration.batchSize, configuration.objective))
  }

  deinit { sums.deallocate() }

  /// One example of a step on rank 0.
  package struct StepExample: Sendable {
    package var tree: ExampleTree
    /// Reference sums, when they are known before the step.
    package var reference: [Double]?

    package init(tree: ExampleTree, reference: [Double]?) { (self.tree, self.reference) = (tree, reference) }
  }

  /// What a step yields on every rank.
  package struct StepOutcome: Sendable {
    /// In the step's order.
    package var examples: [ExampleSums]
    package var gradientNorm: Double
    package var learningRate: Double
    package var isStopping: Bool
  }

  /// One optimizer step.
  /// - Parameters:
  ///   - number: the step's number, from 1.
  ///   - examples: on rank 0.
  ///   - count: how many they are.
  ///   - inspect: sees the gradient before it is clipped.
  /// - Throws: `TrainingError.notFinite`, `.outOfRange`, on every rank alike.
  package func step(
    number: Int, examples: [StepExample]?, count: Int, inspect: ((Storage) throws -> Void)? = nil
  ) throws -> StepOutcome {
    pass.workers.clock.enter(.reduction)
    sums.update(repeating: 0)
    let words = StepWords(
      UnsafeMutableBufferPointer(rebasing: sums[adapter.layout.count...]), examples: count, objective)
    let dropout = DropoutDraw(
      probability: Float(configuration.loraDropout), seed: UInt64(bitPattern: Int64(configuration.seed)),
      step: UInt64(number))
    let outcomes =
      objective.couplesStep
      ? try accumulateCoupled(examples, words, dropout) : try accumulate(examples, words, dropout)
    try refuseTrouble(words, number: number, examples: examples)
    FixedPoint.toFloat(
      UnsafePointer(sums.baseAddress!), gradient.base, count: adapter.layout.count, pass.workers)
    try inspect?(gradient)
    let (norm, rate) = update(number: number)
    return StepOutcome(examples: outcomes, gradientNorm: norm, learningRate: rate, isStopping: words.stops > 0)
  }

  /// Deals the step's micro-batches and leaves the exact sum of their gradients in `sums`.
  private func accumulate(
    _ examples: [StepExample]?, _ words: StepWords, _ dropout: DropoutDraw
  ) throws -> [ExampleSums] {
    try dealer.phase(examples.map(items), pass.workers.clock) { item in
      let batch = try batch(item, words, spans: objective.spans.count)
      let reference = try reference(item, batch)
      let totals = StepTotals(examples: words.examples, likelihoodTokens: item.likelihoodTokens)
      _ = try pass.gradient(batch, adapter: adapter, dropout: dropout, into: gradient) { policy in
        let examples = Self.examples(item.trees, batch, policy: policy, reference: reference)
        for (slot, example) in zip(item.slots, examples) { words[slot] = example }
        return objective(examples, totals: totals).flatMap(\.slopes)
      }
      addGradient(of: item, words)
    }
    try addUp(from: 0, words)
    return words.all
  }

  /// The same where an example's slope depends on the others: first all sums, then, with the slopes known, the gradient.
  private func accumulateCoupled(
    _ examples: [StepExample]?, _ words: StepWords, _ dropout: DropoutDraw
  ) throws -> [ExampleSums] {
    let clock = pass.workers.clock
    try dealer.phase(examples.map(items), clock) { item in
      let batch = try batch(item, words, spans: objective.spans.count)
      let policy = try pass.logProbabilities(batch, adapter: adapter, dropout: dropout)
      let examples = Self.examples(item.trees, batch, policy: policy, reference: try reference(item, batch))
      for (slot, example) in zip(item.slots, examples) { words[slot] = example }
    }
    try addUp(from: adapter.layout.count, words)
    let examplesSums = words.all
    let slopes = objective(examplesSums, totals: StepTotals(examplesSums, objective)).map(\.slopes)
    // A trouble or a stop that is added up once more would count for each rank.
    words.words.update(repeating: 0)
    let learnt = examples?.map { StepExample(tree: objective.learntTree($0.tree), reference: nil) }
    let spans = objective.learntSpans
    try dealer.phase(learnt.map(items), clock) { item in
      let batch = try batch(item, words, spans: spans)
      _ = try pass.gradient(batch, adapter: adapter, dropout: dropout, into: gradient) { _ in
        item.slots.flatMap { slopes[$0].prefix(spans) }
      }
      addGradient(of: item, words)
    }
    try addUp(from: 0, words)
    return examplesSums
  }

  /// The step's micro-batches, by token counts alone.
  private func items(_ examples: [StepExample]) -> [WorkItem] {
    let likelihoodTokens = examples.reduce(0) { $0 + objective.likelihoodTokens($1.tree.sumTokens) }
    return MicroBatchPlan(tokenCounts: examples.map(\.tree.tokenCount)).microBatches.map { positions in
      WorkItem(
        trees: positions.map { examples[$0].tree }, slots: positions,
        references: positions.compactMap { examples[$0].reference }, likelihoodTokens: likelihoodTokens)
    }
  }

  private func batch(_ item: WorkItem, _ words: StepWords, spans: Int) throws -> TreeBatch {
    guard item.trees.allSatisfy({ $0.sumTokens.count == spans }), item.slots.allSatisfy({ $0 < words.examples })
    else { throw DamagedMessage() }
    return TreeBatch(item.trees)
  }

  /// Reference sums of a micro-batch: those it came with, or computed now; empty where the objective has none.
  private func reference(_ item: WorkItem, _ batch: TreeBatch) throws -> [Double] {
    guard objective.usesReference else { return [] }
    let known = item.references.flatMap { $0 }
    guard known.isEmpty || known.count == batch.sumTokens.count else { throw DamagedMessage() }
    return known.isEmpty ? try pass.logProbabilities(batch, adapter: referenceAdapter) : known
  }

  private static func examples(
    _ trees: [ExampleTree], _ batch: TreeBatch, policy: [Double], reference: [Double]
  ) -> [ExampleSums] {
    zip(trees, zip(batch.sumOffsets, batch.sumOffsets.dropFirst())).map { tree, bounds in
      let own = bounds.0..<bounds.1
      return ExampleSums(tree, policy: Array(policy[own]), reference: reference.isEmpty ? [] : Array(reference[own]))
    }
  }

  /// Rounds a micro-batch's gradient and adds it to the integer sums.
  private func addGradient(of item: WorkItem, _ words: StepWords) {
    let trouble = FixedPoint.add(
      gradient.base, to: sums.baseAddress!, count: adapter.layout.count, terms: mostMicroBatches, pass.workers)
    for slot in item.slots { words[troubleOf: slot] = trouble }
  }

  /// Adds up over the world what lies from `start` to the end of the step's words.
  private func addUp(from start: Int, _ words: StepWords) throws {
    words.stops = dealer.isAskedToStop ? 1 : 0
    let end = adapter.layout.count + words.words.count
    try dealer.sum(UnsafeMutableBufferPointer(rebasing: sums[start..<end]), pass.workers.clock)
  }

  private func refuseTrouble(_ words: StepWords, number: Int, examples: [StepExample]?) throws {
    func indices(_ kind: FixedPoint.Trouble) -> [Int] {
      (0..<words.examples).filter { words[troubleOf: $0].contains(kind) }.map { examples?[$0].tree.index ?? $0 }
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
    let scale = Float(limit > 0 ? min(1, limit / (norm + 1e-6)) : 1)
    let multiplier = schedule.multiplier(after: number - 1)
    for group in groups {
      let rate = configuration.learningRate * group.learningRateRatio * multiplier
      for range in group.ranges { update(range, group, number: number, learningRate: rate, gradientScale: scale) }
    }
    pass.workers.clock.enter(.input)
    return (norm, configuration.learningRate * multiplier)
  }

  private func update(
    _ range: Range<Int>, _ group: ParameterGroup, number: Int, learningRate: Double, gradientScale: Float
  ) {
    let (weights, first) = (adapter.weights.base + range.lowerBound, moments.first.base + range.lowerBound)
    let gradient = gradient.base + range.lowerBound
    if let second = moments.second {
      Optimizer.adamW(
        weights: weights, first: first, second: second.base + range.lowerBound, gradient: gradient, count: range.count,
        AdamWStep(
          number: number, learningRate: learningRate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
          epsilon: configuration.adamEpsilon, weightDecay: group.weightDecay, gradientScale: gradientScale),
        pass.workers)
    } else {
      Optimizer.lion(
        weights: weights, momentum: first, gradient: gradient, count: range.count,
        LionStep(
          learningRate: learningRate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
          weightDecay: group.weightDecay, gradientScale: gradientScale), pass.workers)
    }
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
