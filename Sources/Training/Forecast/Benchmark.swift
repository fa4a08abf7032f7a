// `shoal bench`: times real training steps on synthetic pairs and, in the same minute, the machine's own sgemm.

package import Collectives
import Corpus
package import Model
import Runtime
package import Tensors

/// The settings of a measurement.
package struct BenchmarkRequest: Sendable {
  /// Tokens of every pair.
  package var prompt, chosen, rejected: Int
  /// Pairs of an optimizer step.
  package var pairs: Int
  /// Steps, each between two measurements of sgemm.
  package var rounds: Int
  /// LoRA's rank, on all seven linear layers; nil: all weights are trained.
  package var loraRank: Int?
  package var threads: Int

  package init(prompt: Int, chosen: Int, rejected: Int, pairs: Int, rounds: Int, loraRank: Int?, threads: Int) {
    (self.prompt, self.chosen, self.rejected) = (prompt, chosen, rejected)
    (self.pairs, self.rounds, self.loraRank, self.threads) = (pairs, rounds, loraRank, threads)
  }
}

/// The results of a measurement.
package struct BenchmarkReport: Sendable {
  package struct Round: Sendable {
    /// Operations per second of OpenBLAS's sgemm on the layers' shapes, all ranks together.
    package var limit: Double
    /// Seconds of one optimizer step, and of the reference pass over its pairs.
    package var stepSeconds, referenceSeconds: Double
    /// Phases of the step, by rank.
    package var phases: [PhaseSeconds]
    /// Page faults of the step, over all ranks.
    package var pageFaults: Int
  }

  package var request: BenchmarkRequest
  package var ranks: Int
  /// Rows of the largest micro-batch, and micro-batches of a step.
  package var rows, microBatches: Int
  /// The minimum number of operations for a step and for its reference pass.
  package var step, reference: FlopCount
  package var rounds: [Round] = []
  /// One rank's sgemm operations per second by shape "out x in", for information.
  package var shapes: [(name: String, rate: Double)] = []
  package var predictedStepSeconds: Double
  /// The largest private memory of a rank after the last step.
  package var privateBytes = 0

  /// Operations of the step / (seconds · limit), by round.
  package var utilisations: [Double] { rounds.map { step.total / ($0.stepSeconds * $0.limit) } }
  package var referenceUtilisations: [Double] { rounds.map { reference.total / ($0.referenceSeconds * $0.limit) } }
}

/// One rank's part. Every method is collective.
package final class Benchmark {
  private let request: BenchmarkRequest
  private let dispatcher: Dispatcher
  private let trainer: Trainer
  private let trees: [ExampleTree]
  private let baseline: SgemmBaseline
  private var report: BenchmarkReport

  package init(_ model: LanguageModel, _ request: BenchmarkRequest, world: any Communicator) throws {
    self.request = request
    let c = model.configuration
    let random = CounterRandom(key: 2)
    var drawn: UInt64 = 0
    func tokens(_ count: Int) -> [Int32] {
      (0..<count).map { _ in
        drawn += 1
        return Int32(random.uniform(stream: 1, index: drawn) * Double(c.vocabularySize))
      }
    }
    let trees = (0..<request.pairs).map {
      ExampleTree(
        index: $0, prompt: tokens(request.prompt), completions: [tokens(request.chosen), tokens(request.rejected)])
    }
    self.trees = trees
    var configuration = RunConfiguration()
    configuration.objective = .dpo(DPOFamily([.init(.sigmoid)], beta: 0.1))
    configuration.learningRate = 5e-5
    let layout =
      request.loraRank.map {
        PolicyLayout(AdapterLayout(configuration: c, rank: $0, scale: 2, modules: Set(LinearModule.allCases)))
      } ?? PolicyLayout(c, weights: WeightName.all(c))
    let batches = MicroBatchPlan(tokenCounts: trees.map(\.tokenCount)).microBatches
    var demand = PassDemand()
    for batch in batches { demand.include(batch.map { trees[$0] }) }
    demand.includeScoring { trees.forEach($0) }
    dispatcher = try Dispatcher(world: world, stop: StopRequest())
    let costModels = try CostModel.ofAllRanks(
      model, layout: layout, sample: trees[0], threads: request.threads, dispatcher: dispatcher)
    let pass = Pass(
      c, layout: layout, capacity: demand.capacity, positions: demand.positions, retention: .all,
      threads: request.threads)
    try world.agree { try pass.populate() }
    let arenas = try TrainerArenas(layout, in: world) { layout.fill($0, from: model, pass.pool) }
    trainer = Trainer(
      configuration: configuration, dispatcher: dispatcher, pass: pass, model: model, layout: layout,
      arenas: arenas, totalSteps: request.rounds + 1, mostExamples: request.pairs, mostMicroBatches: batches.count)
    trainer.policy.adapter?.initializeUniform(seed: 1)
    baseline = try SgemmBaseline(c, rows: batches.map { $0.reduce(0) { $0 + trees[$1].tokenCount } }.max() ?? 1)
    report = BenchmarkReport(
      request: request, ranks: world.size, rows: baseline.rows, microBatches: batches.count,
      step: trees.reduce(.zero) { $0 + .training($1, layout) }, reference: trees.reduce(.zero) { $0 + .scoring($1, c) },
      predictedStepSeconds: Forecast.stepSeconds(trees, costModels, layout, recomputedLayers: 0))
  }

  /// Measures. Returns the same report on every rank.
  /// - Parameter progress: called with the number of every finished round.
  package func run(progress: (Int) -> Void) throws -> BenchmarkReport {
    let world = dispatcher.world
    let clock = ContinuousClock()
    let phases = trainer.pass.pool.clock
    let mine = world.rank == 0 ? trees : nil
    var references = try dispatcher.scoreAll(mine, count: trees.count, policy: trainer.reference, on: trainer.pass)
    var limits = [try limit()]
    for round in 0...request.rounds {
      let examples = world.rank == 0 ? zip(trees, references).map(Trainer.StepExample.init) : nil
      let (before, faults, began) = (phases.seconds, ProcessMemory.minorFaults, clock.now)
      _ = try trainer.step(number: round + 1, examples: examples, count: trees.count)
      let stepSeconds = (clock.now - began).seconds
      let (spent, faulted) = (phases.seconds - before, ProcessMemory.minorFaults - faults)
      let scoringBegan = clock.now
      references = try dispatcher.scoreAll(mine, count: trees.count, policy: trainer.reference, on: trainer.pass)
      let referenceSeconds = (clock.now - scoringBegan).seconds
      limits.append(try limit())
      // The first round is a warm-up.
      guard round > 0 else { continue }
      var total = [Int64(faulted)]
      try world.sum(&total)
      report.rounds.append(
        BenchmarkReport.Round(
          limit: (limits[round] + limits[round + 1]) / 2, stepSeconds: stepSeconds, referenceSeconds: referenceSeconds,
          phases: try world.gather(message: spent), pageFaults: Int(total[0])))
      progress(round)
    }
    report.shapes = baseline.shapes
    var bytes = [Int64](repeating: 0, count: world.size)
    bytes[world.rank] = Int64(ProcessMemory.anonymousBytes)
    try world.sum(&bytes)
    report.privateBytes = Int(bytes.max() ?? 0)
    try dispatcher.close()
    return report
  }

  /// sgemm's operations per second, on all ranks at the same time.
  private func limit() throws -> Double {
    try dispatcher.world.barrier()
    var rates = [Int64(baseline.measure(threads: request.threads))]
    try dispatcher.world.sum(&rates)
    return Double(rates[0])
  }
}
