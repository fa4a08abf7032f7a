// The optimizer step, the same on every rank: compute, all-reduce, check, clip, update.

import Collectives
package import Corpus
package import Model
package import Tensors

/// One rank's trainer. Every method is collective: all ranks call it with the same arguments.
package final class Trainer {
  let configuration: RunConfiguration
  let dispatcher: Dispatcher
  let pass: Pass
  package let adapter: Adapter
  /// The adapter of the reference model; nil when the reference is the frozen model alone.
  package let referenceAdapter: Adapter?
  /// What is trained.
  package var parameters: Parameters { adapter.parameters }
  package let moments: OptimizerMoments
  let schedule: LearningRateSchedule
  let objective: Objective
  private let groups: [ParameterGroup]
  /// The step's gradient before clipping.
  let gradient: Storage
  let sums: StepSums
  package private(set) var skipped: SkippedSteps

  init(
    configuration: RunConfiguration, dispatcher: Dispatcher, pass: Pass, adapter: Adapter,
    referenceAdapter: Adapter? = nil, totalSteps: Int, mostExamples: Int, mostMicroBatches: Int,
    skipped: SkippedSteps = SkippedSteps()
  ) {
    (self.skipped, self.configuration, self.dispatcher, self.pass) = (skipped, configuration, dispatcher, pass)
    (self.adapter, self.referenceAdapter) = (adapter, referenceAdapter)
    schedule = LearningRateSchedule(configuration, totalSteps: totalSteps)
    objective = configuration.objective
    groups = ParameterGroup.all(adapter.parameters.layout, configuration)
    let count = adapter.parameters.layout.count
    moments = OptimizerMoments(count: count, configuration.optimizer)
    gradient = Storage(count: count)
    sums = StepSums(
      objective, parameterCount: count, mostExamples: mostExamples, mostMicroBatches: mostMicroBatches)
  }

  /// One example of a step on rank 0.
  package struct StepExample: Sendable {
    package var tree: ExampleTree
    /// Reference sums, if they are known before the step.
    package var reference: [Double]?

    package init(tree: ExampleTree, reference: [Double]?) { (self.tree, self.reference) = (tree, reference) }
  }

  /// The result of a step on every rank.
  package struct StepOutcome: Sendable {
    /// In the step's order.
    package var examples: [ExampleSums]
    /// Before clipping; NaN for a skipped step.
    package var gradientNorm = Double.nan
    package var learningRate: Double
    package var isStopping = false
    package var isSaveDue = false
    /// The reason if weights and moments did not change.
    package var skip: SkippedStep?
  }

  /// How a call of `step` ended.
  package enum StepEnd: Sendable {
    case done(StepOutcome)
    /// Interrupted between micro-batches, to save or to stop. Another call with the same arguments continues.
    case cut(examplesDone: Int, isStopping: Bool)
  }

  /// Runs one optimizer step, or the rest of it.
  ///
  /// Skips the update if the gradient is not finite or too large for exact sums: weights and moments stay the same on
  /// every rank, but data order and learning rate schedule advance.
  /// - Parameters:
  ///   - number: the step's number, from 1.
  ///   - examples: on rank 0.
  ///   - count: the number of examples.
  ///   - inspect: called with the gradient before clipping.
  package func step(
    number: Int, examples: [StepExample]?, count: Int, inspect: ((Storage) throws -> Void)? = nil
  ) throws -> StepEnd {
    pass.pool.clock.enter(.reduction)
    sums.begin(number, examples: count)
    let draw = DropoutDraw(
      probability: Float(configuration.loraDropout), seed: UInt64(bitPattern: Int64(configuration.seed)),
      step: UInt64(number))
    guard try computeAndReduce(examples, draw) else {
      // Ranks agree on the progress of the step before all ranks except 0 clear it.
      defer { sums.leaveToRankZero(in: dispatcher.world) }
      return .cut(examplesDone: sums.passes, isStopping: sums.isStopping)
    }
    sums.end()
    var outcome = StepOutcome(
      examples: sums.examples, learningRate: learningRate(step: number), isStopping: sums.isStopping,
      isSaveDue: sums.isSaveDue)
    if let fault = NonFiniteStep(sums) {
      skipped.take(number)
      outcome.skip = try explain(fault, examples, draw)
      return .done(outcome)
    }
    sums.write(to: gradient, pass.pool)
    try inspect?(gradient)
    outcome.gradientNorm = Optimizer.norm(gradient.base, count: gradient.count, pass.pool)
    update(step: number, gradientScale: clipping(norm: outcome.gradientNorm))
    return .done(outcome)
  }

  /// Skips a step that has no examples.
  func skip(number: Int, _ skip: SkippedStep) -> StepOutcome {
    skipped.take(number)
    return StepOutcome(examples: [], learningRate: learningRate(step: number), skip: skip)
  }

  /// The learning rate of a step, counted from 1. `ratio` is the parameter group's.
  private func learningRate(step: Int, ratio: Double = 1) -> Double {
    configuration.learningRate * ratio * schedule.multiplier(after: step - 1)
  }

  // MARK: Compute and reduce

  /// Computes the exact sums of the step on every rank; returns false when it was interrupted.
  private func computeAndReduce(_ examples: [StepExample]?, _ draw: DropoutDraw) throws -> Bool {
    let (clock, rank) = (pass.pool.clock, dispatcher.world.rank)
    guard objective.needsWholeStep else {
      try dispatcher.phase(try left(examples.map(items), passes: 1), of: .training, clock) { item in
        try differentiate(item, draw) { sums.take($0, of: item, rank: rank) }
        sums.add(gradient, of: item, rank: rank, pass.pool)
      }
      try sums.reduce(gradient: true, by: dispatcher, clock)
      return sums.areThrough(passes: 1)
    }
    // An example's loss depends on all others: first all log-probs, then the loss's gradients, then the adapter's.
    try dispatcher.phase(try left(examples.map(items), passes: 1), of: .training, clock) { item in
      sums.take(try measure(item, draw), of: item, rank: rank)
    }
    try sums.reduce(gradient: false, by: dispatcher, clock)
    guard sums.areThrough(passes: 1) else { return false }
    let all = sums.examples
    // A sum that is not finite has no gradient. The later check finds it.
    guard all.allSatisfy(\.isFinite) else { return true }
    let gradients = lossGradients(all)
    sums.leaveToRankZero(in: dispatcher.world)
    try dispatcher.phase(try left(examples.map(trainedItems), passes: 2), of: .training, clock) { item in
      try differentiate(item, draw, lossGradients: gradients)
      sums.advance(item)
      sums.add(gradient, of: item, rank: rank, pass.pool)
    }
    try sums.reduce(gradient: true, by: dispatcher, clock)
    return sums.areThrough(passes: 2)
  }

  /// The micro-batches that have completed fewer than `passes` passes.
  /// - Throws: `DamagedMessage` when an interrupted step has other micro-batches.
  private func left(_ items: [WorkItem]?, passes: Int) throws -> [WorkItem]? {
    try items?.filter { item in
      let isThrough = sums.passes(of: item.slots[0]) >= passes
      guard item.slots.allSatisfy({ (sums.passes(of: $0) >= passes) == isThrough }) else { throw DamagedMessage() }
      return !isThrough
    }
  }

  // MARK: Clip and update

  /// The factor on the gradient, as in torch.nn.utils.clip_grad_norm_.
  private func clipping(norm: Double) -> Float {
    let limit = configuration.maximumGradientNorm
    return Float(limit > 0 ? min(1, limit / (norm + 1e-6)) : 1)
  }

  /// The optimizer's update.
  private func update(step: Int, gradientScale: Float) {
    // Bias correction counts only steps that updated the moments.
    let number = step - skipped.count
    for group in groups {
      let rate = learningRate(step: step, ratio: group.learningRateRatio)
      for range in group.ranges { update(range, group, number: number, learningRate: rate, gradientScale) }
    }
    pass.pool.clock.enter(.input)
  }

  private func update(
    _ range: Range<Int>, _ group: ParameterGroup, number: Int, learningRate: Double, _ gradientScale: Float
  ) {
    let (weights, first) = (parameters.values.base + range.lowerBound, moments.first.base + range.lowerBound)
    let gradient = gradient.base + range.lowerBound
    if let second = moments.second {
      Optimizer.adamW(
        weights: weights, first: first, second: second.base + range.lowerBound, gradient: gradient, count: range.count,
        AdamWStep(
          number: number, learningRate: learningRate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
          epsilon: configuration.adamEpsilon, weightDecay: group.weightDecay, gradientScale: gradientScale),
        pass.pool)
    } else {
      Optimizer.lion(
        weights: weights, momentum: first, gradient: gradient, count: range.count,
        LionStep(
          learningRate: learningRate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
          weightDecay: group.weightDecay, gradientScale: gradientScale), pass.pool)
    }
  }
}
