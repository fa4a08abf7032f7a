// What happens after which step: known before the run starts.

package import Corpus

/// Steps of a run with what follows each. A pure function of the configuration and the data.
package struct StepSchedule: Sendable {
  package let plan: StepPlan
  private let evaluations: RunConfiguration.Interval
  private let saves: RunConfiguration.Interval

  package init(_ configuration: RunConfiguration, examples: Int) {
    let order = DataOrder(
      count: examples, seed: UInt64(bitPattern: Int64(configuration.seed)),
      shuffles: configuration.shufflesMergedDatasets && !configuration.usesCurriculumSampling)
    plan = StepPlan(
      order: order, batchSize: configuration.batchSize, epochs: configuration.epochs,
      maximumSteps: configuration.maximumSteps)
    evaluations = configuration.evaluations
    saves = configuration.saves
  }

  package var totalSteps: Int { plan.totalSteps }

  /// Whether an evaluation follows `step`; one always follows the last.
  package func evaluates(after step: Int) -> Bool { step == totalSteps || isDue(evaluations, step) }

  /// Whether a checkpoint follows `step`.
  package func saves(after step: Int) -> Bool { isDue(saves, step) }

  private func isDue(_ interval: RunConfiguration.Interval, _ step: Int) -> Bool {
    switch interval {
    case .never: return false
    case .steps(let every): return step % every == 0
    case .perEpoch(let times):
      // The k-th of an epoch's n is due after step ⌈k · steps / n⌉: where ⌊place · n / steps⌋ grows.
      let (steps, place) = (plan.stepsPerEpoch, (step - 1) % plan.stepsPerEpoch + 1)
      return times >= steps || place * times / steps > (place - 1) * times / steps
    }
  }
}
