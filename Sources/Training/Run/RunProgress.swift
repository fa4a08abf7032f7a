// Events that a run reports. Only the command line turns them into text.

package import Model
package import Tensors

/// One event of a run.
package enum RunProgress: Sendable {
  /// One line for the user: unusual but valid input, or a setting without effect.
  case notice(String)
  /// Layers of the base that were just quantised, if that was not done before.
  case quantized(WeightStorage, layers: Int, of: Int)
  /// Reference log-probs: how many of the examples that the cache lacked are done.
  case reference(done: Int, total: Int)
  /// The forecast, before the run starts.
  case planned(secondsPerStep: Double, seconds: Double, privateBytesPerRank: Int)
  /// The time of every rank by phase, after the last step.
  case timed([PhaseSeconds])
  case evaluated(step: Int, examples: Int, ObjectiveMetrics)
  /// The metrics of tasks.
  case judged(step: Int, ObjectiveMetrics)
  case stepped(StepReport)
  /// The model's answer to the first of the sampled documents.
  case sampled(step: Int, answer: String)
  case saved(path: String)
  /// After the last step, if evaluations came between steps.
  case best(BestOfRun)
}

/// One optimizer step.
package struct StepReport: Sendable {
  package var step: Int
  package var totalSteps: Int
  package var epoch: Double
  package var examples: Int
  package var metrics: ObjectiveMetrics
  /// Only at logging steps.
  package var norms: AdapterNorms?
  package var gradientNorm: Double
  package var learningRate: Double
  /// The reason if the step was skipped.
  package var skip: SkippedStep?
  /// Rows computed since the start of the run. A shared prompt counts once.
  package var tokens: Int
  package var stepTokens: Int
  package var seconds: Double
  /// Seconds until the end: the forecast, corrected by the speed so far.
  package var remainingSeconds: Double
}
