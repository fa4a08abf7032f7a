// What a run will take: the ranks' cost models, and how long every step lasts when work is dispatched to whoever is free.

package import Checkpoints
import Collectives
import Corpus
package import Model
import Tensors

/// Predicted seconds of a run's parts. On rank 0, which knows the data.
package struct Forecast: Sendable {
  /// Of every step from the first.
  package let steps: [Double]
  /// Of one evaluation of the held-out examples.
  package let evaluation: Double
  /// Of the reference log-probs that the cache lacks.
  package let references: Double
  /// Of the longest item of work, on the slowest rank.
  let longestItem: Double
  /// Seconds left after each step, from 0, evaluations included.
  private let left: [Double]

  /// Seconds from after `step` to the end, at the predicted pace.
  package func remaining(after step: Int) -> Double { left[step] }

  /// Seconds of a run that starts after `step`.
  package func total(startingAfter step: Int) -> Double {
    references + (step == 0 ? evaluation : 0) + remaining(after: step)
  }

  package func json(startingAfter step: Int) -> JSONValue {
    .object([
      .init("per_step", .number(steps.reduce(0, +) / Double(max(steps.count, 1)))),
      .init("reference_pass", .number(references)), .init("evaluation", .number(evaluation)),
      .init("total", .number(total(startingAfter: step))),
    ])
  }

  /// Measures all ranks and predicts. Collective; nil on all ranks but 0.
  package static func measured(
    _ run: PreparedRun, layout: AdapterLayout, memory: MemoryPlan, dispatcher: Dispatcher
  ) throws -> Forecast? {
    let sample = run.coordinator?.data.typicalExample
    let words = try run.world.broadcast(WorkItem(trees: sample.map { [$0] } ?? [], slots: [0]).bytes, from: 0)
    guard let tree = try WorkItem(bytes: words).trees.first else { throw DamagedMessage() }
    let costModels = try CostModel.ofAllRanks(
      run.model, layout: layout, sample: tree, threads: run.threads, dispatcher: dispatcher)
    guard let coordinator = run.coordinator else { return nil }
    return Forecast(costModels, run, coordinator, layout, memory)
  }

  private init(
    _ costModels: [CostModel], _ run: PreparedRun, _ coordinator: Coordinator, _ layout: AdapterLayout,
    _ memory: MemoryPlan
  ) {
    let data = coordinator.data
    let c = layout.configuration
    let recomputed = memory.retention.recomputedLayers(of: c.layerCount)
    var longestItem = 0.0
    func scoring(_ trees: [ExampleTree]) -> Double {
      let runs = MicroBatchPlan.runs(tokenCounts: trees.map(\.tokenCount))
      let costs = runs.map { range in costModels.map { $0.seconds(scoring: trees[range], c) } }
      longestItem = costs.joined().reduce(longestItem, max)
      return Self.span(costs, ranks: costModels.count)
    }
    let objective = run.configuration.objective
    let scorings = run.configuration.scoringPassesPerStep
    let schedule = StepSchedule(run.configuration, examples: run.setup.exampleCount)
    var steps: [Double] = []
    schedule.plan.forEachStep { _, positions in
      let trees = data.stepTrees(positions)
      let costs = Self.itemSeconds(trees.map(objective.trainedTree), costModels, layout, recomputedLayers: recomputed)
      longestItem = costs.joined().reduce(longestItem, max)
      let learning = Self.stepSeconds(costs, costModels, layout)
      // The passes that only score are dispatched with the ones that learn, or in a phase of their own: alike here.
      steps.append(learning + Double(scorings) * scoring(trees))
    }
    self.steps = steps
    evaluation = scoring(data.heldOut)
    references = scoring(coordinator.treesWithoutReference())
    self.longestItem = longestItem
    var left = [Double](repeating: 0, count: steps.count + 1)
    for step in stride(from: steps.count, to: 0, by: -1) {
      left[step - 1] = left[step] + steps[step - 1] + (schedule.evaluates(after: step) ? evaluation : 0)
    }
    self.left = left
  }

  /// Seconds of one step on ranks with the given cost models.
  static func stepSeconds(
    _ trees: [ExampleTree], _ costModels: [CostModel], _ layout: AdapterLayout, recomputedLayers: Int
  ) -> Double {
    stepSeconds(itemSeconds(trees, costModels, layout, recomputedLayers: recomputedLayers), costModels, layout)
  }

  /// Seconds of each micro-batch of a step, by rank.
  private static func itemSeconds(
    _ trees: [ExampleTree], _ costModels: [CostModel], _ layout: AdapterLayout, recomputedLayers: Int
  ) -> [[Double]] {
    MicroBatchPlan(tokenCounts: trees.map(\.tokenCount)).microBatches.map { batch in
      costModels.map { $0.seconds(training: batch.map { trees[$0] }, layout, recomputedLayers: recomputedLayers) }
    }
  }

  private static func stepSeconds(_ costs: [[Double]], _ costModels: [CostModel], _ layout: AdapterLayout) -> Double {
    (costModels.map(\.update).max() ?? 0) * Double(layout.count) + span(costs, ranks: costModels.count)
  }

  /// Seconds until the last of `items` is done, each taken in order by the rank that is free first.
  /// - Parameter items: each one's seconds by rank.
  package static func span(_ items: [[Double]], ranks: Int) -> Double {
    var busy = [Double](repeating: 0, count: ranks)
    for seconds in items {
      guard let rank = busy.indices.min(by: { busy[$0] < busy[$1] }) else { break }
      busy[rank] += seconds[rank]
    }
    return busy.max() ?? 0
  }
}

extension TrainingData {
  /// The example of median length, as a measurement's sample.
  fileprivate var typicalExample: ExampleTree? {
    let sorted = training.sorted { ($0.tokenCount, $0.index) < ($1.tokenCount, $1.index) }
    return sorted.isEmpty ? nil : sorted[sorted.count / 2]
  }
}

extension CostModel {
  /// Every rank's pace, on all ranks. Collective.
  static func ofAllRanks(
    _ model: Qwen2, layout: AdapterLayout, sample: ExampleTree, threads: Int, dispatcher: Dispatcher
  ) throws -> [CostModel] {
    let own = try CostModel(model: model, layout: layout, sample: sample, threads: threads, dispatcher: dispatcher)
    return try dispatcher.world.gather(own.bytes).map(CostModel.init(bytes:))
  }

  private static var fields: [WritableKeyPath<CostModel, Double>] {
    [\.linears, \.attention, \.head, \.rows, \.rounding, \.update]
  }

  fileprivate var bytes: [UInt8] {
    var writer = WordWriter()
    for field in Self.fields { writer.append(self[keyPath: field]) }
    return writer.bytes
  }

  fileprivate init(bytes: [UInt8]) throws {
    var reader = WordReader(bytes: bytes)
    self.init(linears: 0, attention: 0, head: 0, rows: 0, rounding: 0, update: 0)
    for field in Self.fields { self[keyPath: field] = try reader.number() }
  }
}

extension PhaseSeconds {
  var bytes: [UInt8] {
    var writer = WordWriter()
    for value in values { writer.append(value) }
    return writer.bytes
  }

  init(bytes: [UInt8]) throws {
    var reader = WordReader(bytes: bytes)
    self.init(values: try Phase.allCases.map { _ in try reader.number() })
  }
}
