// The optimizer step, the same on every rank: compute, all-reduce, check, clip, update.

import Collectives
package import Corpus
package import Model
import Runtime
package import Tensors

/// One rank's trainer. Every method is collective: all ranks call it with the same arguments.
package final class Trainer {
  let configuration: RunConfiguration
  let dispatcher: Dispatcher
  let pass: Pass
  package let policy: Policy
  /// Of the objectives that have one.
  let reference: Policy
  /// Of the reference's own copy of the parameters; nil: it is the frozen model.
  let referenceValues: Storage?
  package let layout: PolicyLayout
  /// The parameters' values.
  package let values: Storage
  let shard: ParameterShard
  /// Of the shard.
  package let moments: OptimizerMoments
  /// Whether every rank of the world has the same copy of the values.
  private let sharesValues: Bool
  let schedule: LearningRateSchedule
  let objective: Objective
  private let groups: [ParameterGroup]
  let sums: StepSums
  package private(set) var skipped: SkippedSteps

  /// - Parameters:
  ///   - model: the frozen model.
  ///   - referenceValues: the parameters of the reference; nil: it is the frozen model.
  init(
    configuration: RunConfiguration, dispatcher: Dispatcher, pass: Pass, model: LanguageModel, layout: PolicyLayout,
    arenas: TrainerArenas, referenceValues: Storage? = nil, totalSteps: Int, mostExamples: Int, mostMicroBatches: Int,
    skipped: SkippedSteps = SkippedSteps()
  ) {
    (self.skipped, self.configuration, self.dispatcher, self.pass) = (skipped, configuration, dispatcher, pass)
    (self.layout, values, sharesValues, shard) = (layout, arenas.values, arenas.sharesValues, arenas.shard)
    policy = Policy(model, layout, values: values)
    self.referenceValues = referenceValues
    reference = referenceValues.map { Policy(model, layout, values: $0) } ?? Policy(model)
    schedule = LearningRateSchedule(configuration, totalSteps: totalSteps)
    objective = configuration.objective
    groups = ParameterGroup.all(layout.parameters, configuration)
    moments = OptimizerMoments(count: shard.range.count, configuration.optimizer)
    sums = StepSums(
      objective, parameterCount: layout.count, shard: shard, shared: arenas.sums, mostExamples: mostExamples,
      mostMicroBatches: mostMicroBatches, uses: pass.usesOfParameter, in: dispatcher.world)
  }

  /// What is saved.
  package var state: PolicyState {
    PolicyState(policy: policy, layout: layout, values: values, moments: momentReader, pool: pass.pool)
  }

  var momentReader: ShardReader { ShardReader(world: dispatcher.world, shard: shard, arenas: moments.all) }

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
    /// The same of the roles that were asked for.
    var gradientNorms: [Parameter.Role: Double] = [:]
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
  ///   - roles: kinds of parameters whose gradients' norms are wanted.
  ///   - inspect: called when the gradient before clipping is known.
  package func step(
    number: Int, examples: [StepExample]?, count: Int, normsOf roles: [Parameter.Role] = [],
    inspect: (() throws -> Void)? = nil
  ) throws -> StepEnd {
    pass.pool.clock.enter(.reduction)
    try sums.begin(number, examples: count, in: dispatcher.world, pass.pool)
    let draw = RandomDraw(
      probability: Float(configuration.loraDropout), embeddingNoise: Float(configuration.embeddingNoise),
      seed: UInt64(bitPattern: Int64(configuration.seed)),
      step: UInt64(number))
    guard try computeAndReduce(examples, draw) else {
      // Ranks agree on the progress of the step before all ranks except 0 clear it.
      let end = StepEnd.cut(examplesDone: sums.passes, isStopping: sums.isStopping)
      try sums.leaveToRankZero(gradient: true, in: dispatcher.world, pass.pool)
      return end
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
    try inspect?()
    outcome.gradientNorm = try sums.norm(in: dispatcher.world, pass.pool)
    for role in roles {
      outcome.gradientNorms[role] = try sums.norm(
        of: layout.parameters.ranges(of: role), in: dispatcher.world, pass.pool)
    }
    update(step: number, gradientScale: clipping(norm: outcome.gradientNorm))
    try shareValues()
    policy.parametersChanged()
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
  private func computeAndReduce(_ examples: [StepExample]?, _ draw: RandomDraw) throws -> Bool {
    let (clock, rank) = (pass.pool.clock, dispatcher.world.rank)
    guard objective.needsWholeStep else {
      try dispatcher.phase(try left(examples.map(items), passes: 1), of: .training, clock) { item in
        try differentiate(item, draw, into: sums) { sums.take($0, of: item, rank: rank) }
        sums.noteFault(of: item, rank: rank)
      }
      try sums.reduce(gradient: 1, by: dispatcher, clock)
      return sums.areThrough(passes: 1)
    }
    // An example's loss depends on all others: first all log-probs, then the loss's gradients, then the parameters'.
    try dispatcher.phase(try left(examples.map(items), passes: 1), of: .training, clock) { item in
      sums.take(try measure(item, draw), of: item, rank: rank)
    }
    try sums.reduce(gradient: nil, by: dispatcher, clock)
    guard sums.areThrough(passes: 1) else { return false }
    let all = sums.examples
    // A sum that is not finite has no gradient. The later check finds it.
    guard all.allSatisfy(\.isFinite) else { return true }
    let gradients = lossGradients(all)
    try sums.leaveToRankZero(gradient: false, in: dispatcher.world, pass.pool)
    try dispatcher.phase(try left(examples.map(trainedItems), passes: 2), of: .training, clock) { item in
      try differentiate(item, draw, into: sums, lossGradients: gradients)
      sums.advance(item)
      sums.noteFault(of: item, rank: rank)
    }
    try sums.reduce(gradient: 2, by: dispatcher, clock)
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
      let update = update(
        group, number: number, learningRate: learningRate(step: step, ratio: group.learningRateRatio), gradientScale)
      for range in group.ranges.map({ $0.clamped(to: shard.range) }) {
        sums.forEachBlock(of: range, taking: true, pass.pool) { update($0, gradient: $1) }
      }
    }
    sums.noteTaken()
    pass.pool.clock.enter(.input)
  }

  /// Gives all ranks the values that each has updated, where the parameters are divided.
  func shareValues() throws {
    guard shard.isDivided else { return }
    let world = dispatcher.world
    pass.pool.clock.enter(.reduction)
    defer { pass.pool.clock.enter(.input) }
    if sharesValues { return try world.barrier() }
    for (owner, range) in shard.ranges.enumerated() where !range.isEmpty {
      try world.broadcast(
        UnsafeMutableRawBufferPointer(start: values.base + range.lowerBound, count: 4 * range.count), from: owner)
    }
  }

  private func update(
    _ group: ParameterGroup, number: Int, learningRate: Double, _ gradientScale: Float
  ) -> ParameterUpdate {
    let rule: ParameterUpdate.Rule =
      if let second = moments.second {
        .adamW(
          AdamWStep(
            number: number, learningRate: learningRate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
            epsilon: configuration.adamEpsilon, weightDecay: group.weightDecay, gradientScale: gradientScale),
          second: second)
      } else {
        .lion(
          LionStep(
            learningRate: learningRate, beta1: configuration.adamBeta1, beta2: configuration.adamBeta2,
            weightDecay: group.weightDecay, gradientScale: gradientScale))
      }
    return ParameterUpdate(rule: rule, values: values, first: moments.first, start: shard.range.lowerBound)
  }
}
