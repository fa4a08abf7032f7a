// The optimizer step, the same on every rank: dispatch, compute, add up exactly, clip, update.

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
  /// The step that was left between micro-batches, and whose sums rank 0 holds.
  private var unfinished: Int?
  /// The most micro-batches of any step: bounds each one's gradient so that their sum fits.
  let mostMicroBatches: Int
  package private(set) var skipped: SkippedSteps

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
    configuration: RunConfiguration, dispatcher: Dispatcher, pass: Pass, adapter: Adapter,
    referenceAdapter: Adapter? = nil,
    totalSteps: Int, mostMicroBatches: Int, skipped: SkippedSteps = SkippedSteps()
  ) {
    self.skipped = skipped
    self.configuration = configuration
    self.dispatcher = dispatcher
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
    /// Before clipping; no number for a step that is skipped.
    package var gradientNorm: Double
    package var learningRate: Double
    package var isStopping: Bool
    package var isSaveDue: Bool
    /// Why weights and moments are as they were, if they are.
    package var skip: Skip?
  }

  /// How a call of `step` ended.
  package enum StepEnd: Sendable {
    case done(StepOutcome)
    /// Between micro-batches, to save or to stop: another call with the same arguments goes on.
    case cut(examplesDone: Int, isStopping: Bool)
  }

  /// One optimizer step, or what is left of it.
  /// - Parameters:
  ///   - number: the step's number, from 1.
  ///   - examples: on rank 0.
  ///   - count: how many they are.
  ///   - inspect: sees the gradient before it is clipped.
  ///
  /// A gradient that is not finite, or too large for exact sums, leaves weights and moments untouched on every rank
  /// alike; the data order and the learning rate's schedule move on.
  package func step(
    number: Int, examples: [StepExample]?, count: Int, inspect: ((Storage) throws -> Void)? = nil
  ) throws -> StepEnd {
    pass.pool.clock.enter(.reduction)
    if unfinished != number { sums.update(repeating: 0) }
    unfinished = number
    let words = words(examples: count)
    let dropout = DropoutDraw(
      probability: Float(configuration.loraDropout), seed: UInt64(bitPattern: Int64(configuration.seed)),
      step: UInt64(number))
    let complete =
      objective.needsWholeStep
      ? try accumulateInTwoPhases(examples, words, dropout) : try accumulate(examples, words, dropout)
    guard let outcomes = complete else {
      let (done, isStopping) = (words.progress, words.stops > 0)
      leaveToRankZero()
      return .cut(examplesDone: done, isStopping: isStopping)
    }
    unfinished = nil
    let rate = configuration.learningRate * schedule.multiplier(after: number - 1)
    if let fault = NonFiniteStep(words, outcomes) {
      skipped.take(number)
      return .done(
        StepOutcome(
          examples: outcomes, gradientNorm: .nan, learningRate: rate, isStopping: words.stops > 0,
          isSaveDue: words.isSaveDue, skip: try skip(fault, examples, outcomes, dropout)))
    }
    FixedPoint.toFloat(
      UnsafePointer(sums.baseAddress!), gradient.base, count: adapter.layout.count, pass.pool)
    try inspect?(gradient)
    let norm = update(number: number)
    return .done(
      StepOutcome(
        examples: outcomes, gradientNorm: norm, learningRate: rate, isStopping: words.stops > 0,
        isSaveDue: words.isSaveDue))
  }

  /// Leaves out a step that has no examples.
  func skip(number: Int, _ skip: Skip) -> StepOutcome {
    skipped.take(number)
    return StepOutcome(
      examples: [], gradientNorm: .nan,
      learningRate: configuration.learningRate * schedule.multiplier(after: number - 1), isStopping: false,
      isSaveDue: false, skip: skip)
  }

  /// Sums and words of a step that was cut, on rank 0.
  func unfinishedSums(examples: Int) -> UnsafeBufferPointer<Int64> {
    UnsafeBufferPointer(rebasing: sums[..<(adapter.layout.count + words(examples: examples).words.count)])
  }

  /// Takes up a step that was cut in another process.
  /// - Parameter read: fills rank 0's sums; nil on other ranks.
  func resume(step: Int, examples: Int, read: ((UnsafeMutableBufferPointer<Int64>) throws -> Void)?) rethrows {
    sums.update(repeating: 0)
    let count = adapter.layout.count + words(examples: examples).words.count
    try read?(UnsafeMutableBufferPointer(rebasing: sums[..<count]))
    unfinished = step
  }

  private func words(examples: Int) -> StepWords {
    StepWords(UnsafeMutableBufferPointer(rebasing: sums[adapter.layout.count...]), examples: examples, objective)
  }

  /// What has been added up stays on rank 0 alone, so that it counts once when more is added.
  private func leaveToRankZero() {
    if dispatcher.world.rank != 0 { sums.update(repeating: 0) }
  }

  /// Deals the step's micro-batches and leaves the exact sum of their gradients in `sums`; nil when it was cut.
  private func accumulate(
    _ examples: [StepExample]?, _ words: StepWords, _ dropout: DropoutDraw
  ) throws -> [ExampleSums]? {
    try dispatcher.phase(try left(examples.map(items), words, through: 1), of: .training, pass.pool.clock) { item in
      try differentiate(item, examples: words.examples, dropout) { note($0, of: item, in: words) }
      addGradient(of: item, words)
    }
    try addUp(from: 0, words)
    return words.areThrough(1) ? words.all : nil
  }

  /// The same where an example's gradient depends on the others: first all sums, then, with the loss's gradients known, the gradient.
  private func accumulateInTwoPhases(
    _ examples: [StepExample]?, _ words: StepWords, _ dropout: DropoutDraw
  ) throws -> [ExampleSums]? {
    let clock = pass.pool.clock
    try dispatcher.phase(try left(examples.map(items), words, through: 1), of: .training, clock) { item in
      note(try measure(item, examples: words.examples, dropout), of: item, in: words)
    }
    try addUp(from: adapter.layout.count, words)
    guard words.areThrough(1) else { return nil }
    let examplesSums = words.all
    // No gradient can be had from a sum that is no number.
    guard examplesSums.allSatisfy(\.isFinite) else { return examplesSums }
    let gradients = lossGradients(examplesSums)
    leaveToRankZero()
    try dispatcher.phase(try left(examples.map(trainedItems), words, through: 2), of: .training, clock) { item in
      try differentiate(item, examples: words.examples, dropout, lossGradients: gradients)
      item.slots.forEach(words.advance)
      addGradient(of: item, words)
    }
    try addUp(from: 0, words)
    return words.areThrough(2) ? examplesSums : nil
  }

  /// The micro-batches that have not been through the model so many times.
  /// - Throws: `DamagedMessage` for a step that was cut elsewhere.
  private func left(_ items: [WorkItem]?, _ words: StepWords, through times: Int) throws -> [WorkItem]? {
    try items?.filter { item in
      let isThrough = words.progress(of: item.slots[0]) >= times
      guard item.slots.allSatisfy({ (words.progress(of: $0) >= times) == isThrough }) else { throw DamagedMessage() }
      return !isThrough
    }
  }

  // MARK: One micro-batch

  /// Leaves the gradient of a micro-batch in `gradient`, where examples do not depend on each other.
  func differentiate(
    _ item: WorkItem, examples count: Int, _ dropout: DropoutDraw, note: ([ExampleSums]) -> Void
  ) throws {
    let batch = try batch(item, examples: count, spans: objective.spans.count)
    let reference = try reference(item, batch)
    let totals = StepTotals(examples: count, likelihoodTokens: item.likelihoodTokens)
    _ = try pass.gradient(batch, adapter: adapter, dropout: dropout, into: gradient) { policy in
      let examples = Self.examples(item.trees, batch, policy: policy, reference: reference)
      note(examples)
      return objective(examples, totals: totals).flatMap(\.gradients)
    }
  }

  /// The sums of a micro-batch.
  func measure(_ item: WorkItem, examples count: Int, _ dropout: DropoutDraw) throws -> [ExampleSums] {
    let batch = try batch(item, examples: count, spans: objective.spans.count)
    let policy = try pass.logProbabilities(batch, adapter: adapter, dropout: dropout)
    return Self.examples(item.trees, batch, policy: policy, reference: try reference(item, batch))
  }

  /// Leaves the gradient of a micro-batch in `gradient`, with the loss's gradients known.
  func differentiate(_ item: WorkItem, examples count: Int, _ dropout: DropoutDraw, lossGradients: [[Double]]) throws {
    let spans = objective.trainedSpans
    let batch = try batch(item, examples: count, spans: spans)
    _ = try pass.gradient(batch, adapter: adapter, dropout: dropout, into: gradient) { _ in
      item.slots.flatMap { lossGradients[$0].prefix(spans) }
    }
  }

  func lossGradients(_ step: [ExampleSums]) -> [[Double]] {
    objective(step, totals: StepTotals(step, objective)).map(\.gradients)
  }

  /// The micro-batches of what has a gradient.
  func trainedItems(_ examples: [StepExample]) -> [WorkItem] {
    items(examples.map { StepExample(tree: objective.trainedTree($0.tree), reference: nil) })
  }

  /// The step's micro-batches, by token counts alone.
  func items(_ examples: [StepExample]) -> [WorkItem] {
    let likelihoodTokens = examples.reduce(0) { $0 + objective.likelihoodTokens($1.tree.sumTokens) }
    return MicroBatchPlan(tokenCounts: examples.map(\.tree.tokenCount)).microBatches.map { positions in
      WorkItem(
        trees: positions.map { examples[$0].tree }, slots: positions,
        references: positions.compactMap { examples[$0].reference }, likelihoodTokens: likelihoodTokens)
    }
  }

  private func batch(_ item: WorkItem, examples count: Int, spans: Int) throws -> TreeBatch {
    guard item.trees.allSatisfy({ $0.sumTokens.count == spans }), item.slots.allSatisfy({ $0 < count })
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

  private func note(_ examples: [ExampleSums], of item: WorkItem, in words: StepWords) {
    for (slot, example) in zip(item.slots, examples) {
      words[slot] = example
      words.advance(slot)
      if !example.isFinite { words.note(.nonFinite, rank: dispatcher.world.rank, for: slot) }
    }
  }

  /// Rounds a micro-batch's gradient and adds it to the integer sums.
  private func addGradient(of item: WorkItem, _ words: StepWords) {
    let fault = FixedPoint.add(
      gradient.base, to: sums.baseAddress!, count: adapter.layout.count, terms: mostMicroBatches, pass.pool)
    guard !fault.isEmpty else { return }
    for slot in item.slots { words.note(fault, rank: dispatcher.world.rank, for: slot) }
  }

  /// Adds up over the world what lies from `start` to the end of the step's words.
  private func addUp(from start: Int, _ words: StepWords) throws {
    words.stops = dispatcher.isAskedToStop ? 1 : 0
    words.isSaveDue = dispatcher.isSaveDue()
    let end = adapter.layout.count + words.words.count
    try dispatcher.sum(UnsafeMutableBufferPointer(rebasing: sums[start..<end]), pass.pool.clock)
  }

  /// Clips the gradient and takes the optimizer's step; returns the norm before clipping.
  private func update(number: Int) -> Double {
    let norm = Optimizer.norm(gradient.base, count: gradient.count, pass.pool)
    let limit = configuration.maximumGradientNorm
    // torch.nn.utils.clip_grad_norm_.
    let scale = Float(limit > 0 ? min(1, limit / (norm + 1e-6)) : 1)
    let multiplier = schedule.multiplier(after: number - 1)
    for group in groups {
      let rate = configuration.learningRate * group.learningRateRatio * multiplier
      // Moments know of the updates alone.
      let updates = number - skipped.count
      for range in group.ranges { update(range, group, number: updates, learningRate: rate, gradientScale: scale) }
    }
    pass.pool.clock.enter(.input)
    return norm
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
