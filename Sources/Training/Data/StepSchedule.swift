// Decides which steps are followed by an evaluation or a checkpoint, before the run starts.

package import Corpus

/// Steps of a run and the actions after each. It depends only on the configuration and the data.
package struct StepSchedule: Sendable {
  package let plan: StepPlan
  private let evaluations: RunConfiguration.Interval
  private let saves: RunConfiguration.Interval
  private let logs: RunConfiguration.Interval
  private let savesFirstStep: Bool
  private let savesLastStep: Bool

  /// - Parameters:
  ///   - lengths: tokens of each example, where samples are packed.
  ///   - startsAfter: steps of a trunk with other examples.
  package init(_ configuration: RunConfiguration, examples: Int, lengths: [Int] = [], startsAfter: Int = 0) {
    let order = DataOrder(
      count: examples, seed: UInt64(bitPattern: Int64(configuration.seed)),
      shuffles: configuration.shufflesMergedDatasets && !configuration.usesCurriculumSampling)
    if configuration.packs {
      let packer = RowPacker(
        configuration.packing, sequenceLength: configuration.sequenceLength,
        microBatchSize: configuration.microBatchSize, lengths: lengths)
      plan = StepPlan(
        order: order, packer: packer, batchesPerStep: configuration.batchSize / configuration.microBatchSize,
        epochs: configuration.epochs, maximumSteps: configuration.maximumSteps, startsAfter: startsAfter)
    } else {
      plan = StepPlan(
        order: order, batchSize: configuration.batchSize, epochs: configuration.epochs,
        maximumSteps: configuration.maximumSteps, startsAfter: startsAfter)
    }
    evaluations = configuration.evaluations
    saves = configuration.saves
    logs = configuration.logs
    savesFirstStep = configuration.savesFirstStep
    savesLastStep = configuration.endsWithBest
  }

  package var totalSteps: Int { plan.totalSteps }

  /// Whether an evaluation follows `step`. The last step is always followed by one.
  package func evaluates(after step: Int) -> Bool { step == totalSteps || isDue(evaluations, step) }

  /// Whether a checkpoint follows `step`, whatever an evaluation finds. A run that ends with its best state saves the last.
  package func saves(after step: Int) -> Bool {
    isDue(saves, step) || (savesFirstStep && step == 1) || (savesLastStep && step == totalSteps)
  }

  /// The first step whose state an evaluation judges and nothing keeps. The final adapter keeps the last step's.
  var firstEvaluationWithoutCheckpoint: Int? {
    (plan.startsAfter + 1..<max(plan.startsAfter + 1, totalSteps)).first { evaluates(after: $0) && !saves(after: $0) }
  }

  /// Whether a line of `metrics.jsonl` is about `step`. The last step always has one.
  package func logs(after step: Int) -> Bool { step == totalSteps || isDue(logs, step) }

  private func isDue(_ interval: RunConfiguration.Interval, _ step: Int) -> Bool {
    switch interval {
    case .never: return false
    case .steps(let every): return step % every == 0
    // transformers' rounding.
    case .share(let share): return step % max(1, Int((Double(totalSteps) * share).rounded(.up))) == 0
    case .perEpoch(let times):
      // The k-th of n per epoch is due after step ⌈k · steps / n⌉, that is where ⌊place · n / steps⌋ increases.
      guard step > plan.startsAfter else { return false }
      let (steps, place) = (plan.stepsPerEpoch, (step - plan.startsAfter - 1) % plan.stepsPerEpoch + 1)
      return times >= steps || place * times / steps > (place - 1) * times / steps
    }
  }
}
