// Forecasts a run: the ranks' cost models give the time of every step, if the first free rank takes the next item.

package import Checkpoints
import Corpus
import Model
import Runtime

/// Predicted seconds of a run's parts. On rank 0, which knows the data.
package struct Forecast: Sendable {
  /// Seconds of every step, starting with the first; 0 for steps of a trunk with other data.
  package let steps: [Double]
  /// The mean of those that are not a trunk's.
  package let perStep: Double
  /// Seconds of one evaluation: of the held-out examples and of tasks.
  package let evaluation: Double
  /// Seconds for the reference log-probs that the cache lacks.
  package let references: Double
  /// Seconds of the longest work item on the slowest rank.
  let longestItem: Double
  /// Seconds left after each step, from 0, evaluations included.
  private let left: [Double]

  /// Seconds from after `step` to the end, at the predicted speed.
  package func remaining(after step: Int) -> Double { left[step] }

  /// Seconds of a run that starts after `step`.
  package func total(startingAfter step: Int) -> Double {
    references + (step == 0 ? evaluation : 0) + remaining(after: step)
  }

  package func json(startingAfter step: Int) -> JSONValue {
    .object([
      .init("per_step", .number(perStep)),
      .init("reference_pass", .number(references)), .init("evaluation", .number(evaluation)),
      .init("total", .number(total(startingAfter: step))),
    ])
  }

  /// Predicts a run.
  /// - Parameters:
  ///   - costModels: of all ranks.
  ///   - references: outlines of the trees whose reference sums must be computed first.
  ///   - tasks: seconds of an evaluation's tasks.
  init(
    _ costModels: [CostModel], _ layout: PolicyLayout, _ data: TrainingData, references: some Collection<ExampleTree>,
    schedule: StepSchedule, _ configuration: RunConfiguration, recomputedLayers: Int, tasks: Double
  ) {
    let objective = configuration.objective
    var longestItem = 0.0
    func scoring(_ trees: some Collection<ExampleTree>) -> Double {
      var ranks = BusyRanks(count: costModels.count)
      var first = trees.startIndex
      for run in MicroBatchPlan.runs(tokenCounts: trees.lazy.map(\.tokenCount)) {
        let end = trees.index(first, offsetBy: run.count)
        let own = Array(trees[first..<end])
        let costs = costModels.map { $0.seconds(scoring: own, layout.configuration) }
        longestItem = costs.reduce(longestItem, max)
        ranks.take(costs)
        first = end
      }
      return ranks.seconds
    }
    var steps = [Double](repeating: 0, count: schedule.plan.startsAfter)
    schedule.plan.forEachStep { _, positions in
      let trees = data.stepOutlines(positions)
      let costs = Self.itemSeconds(
        trees.map(objective.trainedTree), costModels, layout, recomputedLayers: recomputedLayers)
      longestItem = costs.joined().reduce(longestItem, max)
      let training = Self.stepSeconds(costs, costModels, layout)
      // Scoring passes run in the training phase or in a phase of their own. Both cost the same here.
      steps.append(training + Double(configuration.scoringPassesPerStep) * scoring(trees))
    }
    self.steps = steps
    perStep = steps.reduce(0, +) / Double(max(1, steps.count - schedule.plan.startsAfter))
    evaluation = scoring(data.heldOut) + tasks
    self.references = scoring(references)
    self.longestItem = longestItem
    var left = [Double](repeating: 0, count: steps.count + 1)
    for step in stride(from: steps.count, to: 0, by: -1) {
      left[step - 1] = left[step] + steps[step - 1] + (schedule.evaluates(after: step) ? evaluation : 0)
    }
    self.left = left
  }

  /// Seconds of one step on ranks with the given cost models.
  static func stepSeconds(
    _ trees: [ExampleTree], _ costModels: [CostModel], _ layout: PolicyLayout, recomputedLayers: Int
  ) -> Double {
    stepSeconds(itemSeconds(trees, costModels, layout, recomputedLayers: recomputedLayers), costModels, layout)
  }

  /// Seconds of each micro-batch of a step, by rank.
  private static func itemSeconds(
    _ trees: [ExampleTree], _ costModels: [CostModel], _ layout: PolicyLayout, recomputedLayers: Int
  ) -> [[Double]] {
    MicroBatchPlan(tokenCounts: trees.map(\.tokenCount)).microBatches.map { batch in
      costModels.map { $0.seconds(training: batch.map { trees[$0] }, layout, recomputedLayers: recomputedLayers) }
    }
  }

  private static func stepSeconds(_ costs: [[Double]], _ costModels: [CostModel], _ layout: PolicyLayout) -> Double {
    (costModels.map(\.update).max() ?? 0) * Double(layout.count) + span(costs, ranks: costModels.count)
  }

  /// Seconds until all `items` are done. The first free rank takes the next item.
  /// - Parameter items: seconds of each item, by rank.
  package static func span(_ items: [[Double]], ranks: Int) -> Double {
    var busy = BusyRanks(count: ranks)
    for seconds in items { busy.take(seconds) }
    return busy.seconds
  }
}

/// Seconds of work that each rank has so far.
private struct BusyRanks {
  private var busy: [Double]

  init(count: Int) { busy = [Double](repeating: 0, count: count) }

  /// Seconds until all are free.
  var seconds: Double { busy.max() ?? 0 }

  /// Gives the next item to the first free rank.
  /// - Parameter item: its seconds, by rank.
  mutating func take(_ item: [Double]) {
    guard let rank = busy.indices.min(by: { busy[$0] < busy[$1] }) else { return }
    busy[rank] += item[rank]
  }
}
