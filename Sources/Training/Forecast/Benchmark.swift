// `shoal bench`: times real training steps on synthetic pairs and, in the same minute, the machine's own sgemm.

import Checkpoints
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
  package var arithmetic: Arithmetic

  /// Of the frozen linear layers. In int8, steps in fp32 are measured in turn.
  package enum Arithmetic: String, Sendable, CaseIterable { case fp32, int8 }

  package init(
    prompt: Int, chosen: Int, rejected: Int, pairs: Int, rounds: Int, loraRank: Int?, threads: Int,
    arithmetic: Arithmetic = .fp32
  ) {
    (self.prompt, self.chosen, self.rejected) = (prompt, chosen, rejected)
    (self.pairs, self.rounds, self.loraRank, self.threads) = (pairs, rounds, loraRank, threads)
    self.arithmetic = arithmetic
  }
}

/// The results of a measurement.
package struct BenchmarkReport: Sendable {
  package struct Round: Sendable {
    package var limits: Limits
    package var step: Step
    /// The same step in fp32, just before, if `step` is in int8.
    package var floatStep: Step?
  }

  /// Operations per second, all ranks together.
  package struct Limits: Sendable {
    /// Of OpenBLAS's sgemm on the layers' shapes.
    package var sgemm: Double
    /// Of int8 products on those shapes, and of their instruction alone.
    package var int8: (products: Double, peak: Double)?
  }

  package struct Step: Sendable {
    /// Seconds of one optimizer step, and of the reference pass over its pairs.
    package var seconds, referenceSeconds: Double
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

  /// The share of a step's seconds that its operations need at the limits, by round: of sgemm, and in int8 of the int8
  /// instruction for the linear layers.
  package var utilisations: [Double] {
    rounds.map { Self.leastSeconds(step, $0.limits) / $0.step.seconds }
  }
  package var referenceUtilisations: [Double] {
    rounds.map { Self.leastSeconds(reference, $0.limits) / $0.step.referenceSeconds }
  }

  private static func leastSeconds(_ work: FlopCount, _ limits: Limits) -> Double {
    guard let int8 = limits.int8 else { return work.total / limits.sgemm }
    return work.linears / int8.peak + (work.total - work.linears) / limits.sgemm
  }

  /// How many times faster a step in int8 is than in fp32, and how many times it could be if the linears' share of the
  /// fp32 step went at the rate of int8 products and all else stayed; by round.
  package var gains: [(measured: Double, possible: Double)] {
    rounds.compactMap { round in
      guard let float = round.floatStep, let int8 = round.limits.int8 else { return nil }
      let share =
        float.phases.reduce(0) { $0 + $1[.linears] / max($1.total, 1e-9) } / Double(max(1, float.phases.count))
      let possible = 1 / (1 - share + share * round.limits.sgemm / int8.products)
      return (float.seconds / round.step.seconds, possible)
    }
  }
}

extension BenchmarkReport.Limits {
  fileprivate static func mean(_ a: Self, _ b: Self) -> Self {
    var mean = Self(sgemm: (a.sgemm + b.sgemm) / 2)
    if let a = a.int8, let b = b.int8 {
      mean.int8 = (products: (a.products + b.products) / 2, peak: (a.peak + b.peak) / 2)
    }
    return mean
  }
}

/// One rank's part. Every method is collective.
package final class Benchmark {
  private let request: BenchmarkRequest
  private let dispatcher: Dispatcher
  private let trainer: Trainer
  /// In fp32, beside one in int8.
  private let floatTrainer: Trainer?
  private let trees: [ExampleTree]
  private let baseline: SgemmBaseline
  private let int8Baseline: Int8Baseline?
  private var report: BenchmarkReport

  /// - Parameter stored: with its weights in floats.
  /// - Throws: `ContentError` if int8 is asked for and a weight is not finite.
  package init(_ stored: LanguageModel, _ request: BenchmarkRequest, world: any Communicator) throws {
    self.request = request
    let c = stored.configuration
    let model = try request.arithmetic == .int8 ? Self.inInt8(stored, threads: request.threads) : stored
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
    let dispatcher = dispatcher
    func trainer(_ model: LanguageModel) throws -> Trainer {
      let arenas = try TrainerArenas(layout, in: world) { layout.fill($0, from: model, pass.pool) }
      let trainer = Trainer(
        configuration: configuration, dispatcher: dispatcher, pass: pass, model: model, layout: layout,
        arenas: arenas, totalSteps: request.rounds + 1, mostExamples: request.pairs, mostMicroBatches: batches.count)
      trainer.policy.adapter?.initializeUniform(seed: 1)
      return trainer
    }
    self.trainer = try trainer(model)
    floatTrainer = try request.arithmetic == .int8 ? trainer(stored) : nil
    baseline = try SgemmBaseline(c, rows: batches.map { $0.reduce(0) { $0 + trees[$1].tokenCount } }.max() ?? 1)
    int8Baseline = request.arithmetic == .int8 ? Int8Baseline(model.layers[0], rows: baseline.rows) : nil
    report = BenchmarkReport(
      request: request, ranks: world.size, rows: baseline.rows, microBatches: batches.count,
      step: trees.reduce(.zero) { $0 + .training($1, layout) }, reference: trees.reduce(.zero) { $0 + .scoring($1, c) },
      predictedStepSeconds: Forecast.stepSeconds(trees, costModels, layout, recomputedLayers: 0))
  }

  /// Measures. Returns the same report on every rank.
  /// - Parameter progress: called with the number of every finished round.
  package func run(progress: (Int) -> Void) throws -> BenchmarkReport {
    let world = dispatcher.world
    var limits = [try self.limits()]
    for round in 0...request.rounds {
      let floatStep = try floatTrainer.map { try self.step($0, round) }
      let step = try self.step(trainer, round)
      limits.append(try self.limits())
      // The first round is a warm-up.
      guard round > 0 else { continue }
      report.rounds.append(
        BenchmarkReport.Round(limits: .mean(limits[round], limits[round + 1]), step: step, floatStep: floatStep))
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

  /// A step after its reference pass.
  private func step(_ trainer: Trainer, _ round: Int) throws -> BenchmarkReport.Step {
    let (world, clock, phases) = (dispatcher.world, ContinuousClock(), trainer.pass.pool.clock)
    let mine = world.rank == 0 ? trees : nil
    let scoringBegan = clock.now
    let references = try dispatcher.scoreAll(mine, count: trees.count, policy: trainer.reference, on: trainer.pass)
    let referenceSeconds = (clock.now - scoringBegan).seconds
    let examples = world.rank == 0 ? zip(trees, references).map(Trainer.StepExample.init) : nil
    let (before, faults, began) = (phases.seconds, ProcessMemory.minorFaults, clock.now)
    _ = try trainer.step(number: round + 1, examples: examples, count: trees.count)
    let seconds = (clock.now - began).seconds
    let (spent, faulted) = (phases.seconds - before, ProcessMemory.minorFaults - faults)
    var total = [Int64(faulted)]
    try world.sum(&total)
    return BenchmarkReport.Step(
      seconds: seconds, referenceSeconds: referenceSeconds, phases: try world.gather(message: spent),
      pageFaults: Int(total[0]))
  }

  /// On all ranks at the same time.
  private func limits() throws -> BenchmarkReport.Limits {
    let pool = trainer.pass.pool
    try dispatcher.world.barrier()
    var rates = [Int64(baseline.measure(threads: request.threads))]
    if let int8Baseline { rates += [Int64(int8Baseline.measure(pool)), Int64(Int8Baseline.peak(pool))] }
    try dispatcher.world.sum(&rates)
    return BenchmarkReport.Limits(
      sgemm: Double(rates[0]), int8: rates.count == 1 ? nil : (products: Double(rates[1]), peak: Double(rates[2])))
  }

  private static func inInt8(_ model: LanguageModel, threads: Int) throws -> LanguageModel {
    guard let quantized = model.inInt8(ThreadPool(threads: threads)) else {
      throw ContentError("the model", "weights", "hold an entry that is not finite", expected: "finite numbers")
    }
    return quantized
  }
}
