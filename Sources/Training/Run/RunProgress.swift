// What a run tells while it goes on; only the command line turns it into text.

package import Tensors

/// Something that happened in a run.
package enum RunProgress: Sendable {
  /// One line worth reading: odd but legal input, a setting without effect.
  case notice(String)
  /// Layers of the base in 4 bits, where that was not done before.
  case quantized(layers: Int, of: Int)
  /// Reference log-probabilities: examples done of those that the cache did not have.
  case reference(done: Int, total: Int)
  /// What the run will take, before it starts.
  case planned(secondsPerStep: Double, seconds: Double, privateBytesPerRank: Int)
  /// Where every rank's time went, after the last step.
  case timed([PhaseSeconds])
  case evaluated(step: Int, examples: Int, ObjectiveMetrics)
  case stepped(StepReport)
  /// What the model answers to the first of the sampled documents.
  case sampled(step: Int, answer: String)
  case saved(path: String)
}

/// One optimizer step.
package struct StepReport: Sendable {
  package var step: Int
  package var totalSteps: Int
  package var epoch: Double
  package var examples: Int
  package var metrics: ObjectiveMetrics
  /// At logging steps.
  package var norms: AdapterNorms?
  package var gradientNorm: Double
  package var learningRate: Double
  /// Why the step changed nothing, if so.
  package var skip: SkippedStep?
  /// Rows computed since the start of the run, a shared prompt once.
  package var tokens: Int
  package var stepTokens: Int
  package var seconds: Double
  /// Seconds until the end: the forecast's, corrected by the speed so far.
  package var remainingSeconds: Double
}
