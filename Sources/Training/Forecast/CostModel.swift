// The cost model: measures in a second or two how fast a rank computes each part of a pass, to forecast a run.

import Collectives
import Corpus
import Model
import Runtime
import Tensors

/// Seconds per unit of each kind of work, on one rank.
package struct CostModel: Sendable, Equatable, Codable {
  /// Seconds per operation of the linear layers (LoRA's products included), of attention and of the head.
  var linears, attention, head: Double
  /// Seconds per row and layer of everything between products.
  var rows: Double
  /// Seconds per parameter: rounding of one micro-batch; sum over ranks and update of one step.
  var rounding, update: Double

  /// Seconds that a rank needs for a micro-batch of training.
  func seconds(training trees: some Sequence<ExampleTree>, _ layout: PolicyLayout, recomputedLayers: Int) -> Double {
    let layers = layout.configuration.layerCount + recomputedLayers / 2
    return trees.reduce(rounding * Double(layout.count)) {
      $0 + seconds(.training($1, layout, recomputedLayers: recomputedLayers), rows: $1.tokenCount * layers)
    }
  }

  /// Seconds that a rank needs to score trees. A forward pass has a third of the work between products.
  func seconds(scoring trees: some Sequence<ExampleTree>, _ c: ModelConfiguration) -> Double {
    trees.reduce(0) { $0 + seconds(.scoring($1, c), rows: $1.tokenCount * c.layerCount / 3) }
  }

  private func seconds(_ work: FlopCount, rows: Int) -> Double {
    linears * (work.linears + work.lora) + attention * work.attention + head * work.head + self.rows * Double(rows)
  }
}

extension CostModel {
  /// Measures this rank while all other ranks measure too. Collective.
  ///
  /// Runs the real kernels on a part of the model's own weights: two layers and a part of the vocabulary.
  /// - Parameter sample: has the size of a typical micro-batch.
  init(model: LanguageModel, layout: PolicyLayout, sample: ExampleTree, threads: Int, dispatcher: Dispatcher) throws {
    let part = model.part(layers: 2, vocabulary: 3 * 4096)
    let c = part.configuration
    let small = layout.part(of: c)
    let values = Storage(count: small.count)
    let policy = Policy(part, small, values: values)
    policy.adapter?.initializeUniform(seed: 0)
    let tree = sample.shape(tokens: 1152, vocabulary: c.vocabularySize)
    let batch = TreeBatch([tree])
    let pass = Pass(
      c, layout: small, capacity: Capacity(batch), positions: tree.tokenCount, retention: .all,
      threads: threads)
    try pass.populate()
    let sink = GradientArena(count: small.count)
    func run(_ tree: ExampleTree) throws -> PhaseSeconds {
      try dispatcher.world.barrier()
      let before = pass.pool.clock.seconds
      _ = try pass.gradient(TreeBatch([tree]), policy, dropout: nil, into: sink) { $0.map { _ in 1 } }
      return pass.pool.clock.seconds - before
    }
    // The first use of a weight maps its pages.
    _ = try run(sample.shape(tokens: 96, vocabulary: c.vocabularySize))
    // Takes the faster of two, because a disturbance can only make it slower.
    let (first, second) = (try run(tree), try run(tree))
    let seconds = first.total < second.total ? first : second
    let work = FlopCount.training(tree, small)
    linears = (seconds[.linears] + seconds[.lora]) / (work.linears + work.lora)
    attention = seconds[.attention] / work.attention
    head = seconds[.head] / work.head
    // The last layer computes scored rows only.
    let rows = tree.tokenCount * (c.layerCount - 1) + batch.scoredRows.count
    self.rows = (seconds[.elementwise] + seconds[.input]) / Double(rows)
    (rounding, update) = try Self.perEntry(layout, pass.pool, dispatcher)
  }

  /// Seconds per parameter: of rounding, and of summing over ranks with an update.
  private static func perEntry(
    _ layout: PolicyLayout, _ pool: ThreadPool, _ dispatcher: Dispatcher
  ) throws -> (Double, Double) {
    let count = min(layout.count, 1 << 22)
    let world = dispatcher.world
    let isDivided = ParameterShard(of: layout, in: world).isDivided
    // The ranks of one node add to one gradient of what is divided.
    let isSummed = !isDivided || world.ranksOnNode < world.size
    let gradient = Matrix(rows: 1, columns: count)
    let (values, first, second) = (Storage(count: count), Storage(count: count), Storage(count: count))
    let sums = StepSums(
      .supervised, parameterCount: count, shard: .whole(count), shared: nil, mostExamples: 0, mostMicroBatches: 1,
      uses: 1, in: world)
    try pool.populate([gradient.storage, values, first, second])
    try sums.begin(1, examples: 0, in: world, pool)
    let clock = pool.clock
    let start = clock.seconds
    sums.add(gradient, at: 0, pool)
    let rounded = clock.seconds
    if isSummed { try sums.reduce(gradient: 1, by: dispatcher, clock) }
    let summed = clock.seconds
    _ = try sums.norm(in: world, pool)
    let rule = ParameterUpdate.Rule.adamW(
      AdamWStep(number: 1, learningRate: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, gradientScale: 1),
      second: second)
    let update = ParameterUpdate(rule: rule, values: values, first: first, start: 0)
    sums.forEachBlock(of: 0..<count, taking: true, pool) { update($0, gradient: $1) }
    let updated = clock.seconds
    let sum = (summed - rounded).total - (summed - rounded)[.idle]
    let updating = (updated - summed).total / Double(isDivided ? world.size : 1)
    return ((rounded - start).total / Double(count), (sum + updating) / Double(count))
  }
}

extension ExampleTree {
  /// A tree of the same proportions with about `tokens` tokens, all of them in a small vocabulary.
  fileprivate func shape(tokens: Int, vocabulary: Int) -> ExampleTree {
    let share = min(1, Double(tokens) / Double(tokenCount))
    func part(_ ids: [Int32]) -> [Int32] {
      (0..<max(1, Int(share * Double(ids.count)))).map { Int32($0 * 7 % vocabulary) }
    }
    return ExampleTree(index: 0, prompt: part(prompt), completions: completions.map(part), scoresPrompt: scoresPrompt)
  }
}

extension CostModel {
  /// The cost models of all ranks, on every rank. Collective.
  /// - Parameter sample: a typical example, on rank 0.
  static func ofAllRanks(
    _ model: LanguageModel, layout: PolicyLayout, sample: ExampleTree?, threads: Int, dispatcher: Dispatcher
  ) throws -> [CostModel] {
    let item = WorkItem(trees: sample.map { [$0] } ?? [], slots: [0])
    let bytes = try dispatcher.world.broadcast(item.bytes, from: 0)
    guard let tree = try WorkItem(bytes: bytes).trees.first else { throw DamagedMessage() }
    let own = try CostModel(model: model, layout: layout, sample: tree, threads: threads, dispatcher: dispatcher)
    return try dispatcher.world.gather(message: own)
  }
}
