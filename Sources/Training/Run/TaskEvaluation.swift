// The tasks of `eval_tasks`, which the policy answers at every evaluation.

import Checkpoints
import Corpus
import Evaluation
import Model
import Runtime
import Tensors
import TextMetrics

/// One rank's part in the tasks.
struct TaskEvaluation {
  private let session: InferenceSession
  /// On rank 0.
  private let requests: TaskRequests?

  /// - Parameter pool: with scratch for attention.
  init(
    _ requests: TaskRequests?, _ policy: Policy, _ tokenizer: Tokenizer, _ dispatcher: Dispatcher, _ pool: ThreadPool
  ) {
    self.requests = requests
    session = InferenceSession(policy, tokenizer, dispatcher, pool)
  }

  /// What the policy's answers come to: on rank 0, elsewhere nothing; nil when it was stopped. Collective.
  /// - Parameter onNotFinite: told on rank 0 when logits are not finite, and there are no metrics for that.
  func metrics(onNotFinite: () -> Void) throws -> ObjectiveMetrics? {
    guard let requests else { return try session.serve() == 0 ? ObjectiveMetrics() : nil }
    var metrics: ObjectiveMetrics?
    do {
      metrics = try requests.metrics(session)
    } catch is InferenceStopped {
    } catch is InferenceNotFinite {
      // As for held-out examples: it is told, and does not end the run.
      onNotFinite()
      metrics = ObjectiveMetrics()
    }
    try session.end(code: metrics == nil ? 1 : 0)
    return metrics
  }

  /// Seconds of one evaluation: on rank 0, elsewhere 0. Collective.
  func seconds() throws -> Double {
    guard let requests else {
      _ = try session.serve()
      return 0
    }
    let (likelihoods, answers) = (requests.evaluation.likelihoods, requests.evaluation.answers)
    let seconds = try session.forecast(likelihoods, answers).seconds
    try session.end()
    return seconds
  }
}

/// What the tasks ask for. On rank 0.
struct TaskRequests {
  let evaluation: Evaluation

  /// Reads the tasks' documents and makes their requests; nil if there are no tasks.
  /// - Throws: `EvaluationError`, `CorpusError`, `ParquetError`, `ContentError`.
  init?(_ configuration: RunConfiguration, _ data: TrainingData, _ model: ModelConfiguration) throws {
    guard !configuration.evaluationTasks.isEmpty else { return nil }
    let template = try data.promptTemplate ?? TrainingData.template(configuration, tokenizer: data.tokenizer)
    let prompting = TaskPrompting(data.tokenizer, template)
    var settings = EvaluationSettings()
    // Where a standard error has no formula: evaluations are many.
    settings.bootstraps = 100
    var tasks = TaskSet()
    for choice in configuration.evaluationTasks {
      try tasks.add(choice, for: prompting, settings) { _ in
        (RougeTask(RougeScorer(usesStemmer: false)), maximumTokens: 512)
      }
    }
    let defaults = try GenerationDefaults(directory: configuration.baseDirectory, model)
    evaluation = try Evaluation(
      tasks.runs, RequestTokens(data.tokenizer, maximumLength: model.maximumPositions),
      stopIDs: defaults.stopIDs.union(data.endIDs), settings)
  }

  /// Identifies all that is asked.
  var hash: String {
    let hash = SHA256()
    for digest in evaluation.likelihoods.map(\.digest) + evaluation.answers.map(\.digest) {
      hash.append(Array(digest.utf8))
    }
    return hash.text
  }

  /// Memory of a rank for the answers, besides the model's weights.
  func byteCount(_ adapter: AdapterConfiguration?, _ model: ModelConfiguration, ranks: Int) -> Int {
    InferenceSession.byteCount(
      evaluation.likelihoods, evaluation.answers, ranks: ranks, model,
      adapter.map { PolicyLayout($0, model: model) }?.adapter)
  }

  /// The metrics by name, with whether more is better; without `eval_`.
  var directions: [String: Bool] {
    var directions: [String: Bool] = [:]
    for run in evaluation.runs {
      for metric in run.higherIsBetter {
        for filter in run.filters {
          directions[Self.name(run.name, metric.name, filter.name)] = metric.value.bool ?? true
        }
      }
    }
    return directions
  }

  fileprivate func metrics(_ inference: any Inference) throws -> ObjectiveMetrics {
    var metrics = ObjectiveMetrics()
    for outcome in try evaluation.outcomes(inference) {
      for metric in outcome.metrics {
        let name = Self.name(outcome.name, metric.name, metric.filter)
        metrics.add(name, metric.value)
        metrics.add(name, standardError: metric.standardError)
      }
    }
    return metrics
  }

  /// `arc_easy_acc`, `gsm8k_exact_match_strict-match`.
  private static func name(_ task: String, _ metric: String, _ filter: String) -> String {
    "\(task)_\(metric)" + (filter == "none" ? "" : "_\(filter)")
  }
}
