// Tasks, a model that answers requests, results.

import Checkpoints
import Model
package import Runtime

/// The evaluation of tasks. All requests of a kind go to the model in one call, so that it finds what they share.
package struct Evaluation {
  package let runs: [TaskRun]
  /// What the model is asked.
  package private(set) var likelihoods: [LikelihoodRequest] = []
  package private(set) var answers: [GenerationRequest] = []
  /// Requests of each task that lost the beginning of their prompt, because the model has no more positions.
  package private(set) var cut: [String: Int] = [:]
  /// By task, document and request of it.
  private var places: [[[Place]]] = []
  private let tokens: RequestTokens
  /// Tokens that end answers.
  private let stopIDs: Set<Int32>
  private let seed: Int
  private let bootstraps: Int

  /// Makes the requests.
  /// - Parameters:
  ///   - tokens: how texts become ids.
  ///   - stopIDs: tokens that end answers: the model's own.
  /// - Throws: `EvaluationError` for a document whose requests do not fit the model.
  package init(
    _ runs: [TaskRun], _ tokens: RequestTokens, stopIDs: Set<Int32>, _ settings: EvaluationSettings
  ) throws(EvaluationError) {
    (self.runs, self.tokens, self.stopIDs) = (runs, tokens, stopIDs)
    (seed, bootstraps) = (settings.seed, settings.bootstraps)
    for run in runs {
      var own: [[Place]] = []
      for item in run.items { own.append(try append(item, run)) }
      places.append(own)
    }
  }

  /// Where the responses to a request are among all of its kind.
  private enum Place {
    case likelihoods(Range<Int>)
    case answers(Range<Int>)
  }

  /// Asks the model and computes the metrics.
  /// - Throws: what the model and the metrics throw.
  package func outcomes(_ inference: any Inference) throws -> [TaskOutcome] {
    let scores = likelihoods.isEmpty ? [] : try inference.logLikelihoods(likelihoods)
    let texts = answers.isEmpty ? [] : try inference.generate(answers)
    precondition(
      scores.count == likelihoods.count && texts.count == answers.count,
      "\(scores.count) and \(texts.count) responses to \(likelihoods.count) and \(answers.count)")
    return try zip(runs, places).map { run, places in
      let responses = places.map { places in places.map { response($0, run, scores, texts) } }
      return try TaskOutcome(run, responses, bootstraps: bootstraps)
    }
  }

  private mutating func append(_ item: TaskItem, _ run: TaskRun) throws(EvaluationError) -> [Place] {
    var places: [Place] = []
    do throws(DocumentProblem) {
      for request in item.requests {
        let (first, firstAnswer) = (likelihoods.count, answers.count)
        switch request {
        case .likelihood(let context, let continuation):
          append(try tokens.likelihood(context: context, continuation: continuation), run)
        case .tokens(let context, let continuation, _):
          append(try tokens.likelihood(context: context, continuation: continuation), run)
        case .rolling(let text): likelihoods += tokens.windows(of: text)
        case .answer(let prompt): answers += try generation(prompt, run)
        }
        places.append(
          run.answers == nil ? .likelihoods(first..<likelihoods.count) : .answers(firstAnswer..<answers.count))
      }
    } catch {
      throw EvaluationError(run.name, item.document.location, error.reason)
    }
    return places
  }

  private mutating func append(_ found: (request: LikelihoodRequest, isCut: Bool), _ run: TaskRun) {
    likelihoods.append(found.request)
    if found.isCut { cut[run.name, default: 0] += 1 }
  }

  /// The requests of a prompt, one for each repetition.
  private mutating func generation(_ prompt: String, _ run: TaskRun) throws(DocumentProblem) -> [GenerationRequest] {
    guard let settings = run.answers else { return [] }
    var options = GenerationOptions(maximumNewTokens: settings.maximumTokens)
    options.stopIDs = stopIDs
    options.seed = UInt64(bitPattern: Int64(seed))
    if settings.draws {
      options.rules.draws = true
      options.rules.temperature = settings.temperature
      if let topP = settings.topP { options.rules.topP = topP }
      if let topK = settings.topK { options.rules.topK = topK }
    }
    let (ids, isCut) = try tokens.prompt(prompt, answerLength: settings.maximumTokens)
    if isCut { cut[run.name, default: 0] += 1 }
    return (0..<settings.repeats).map { repetition in
      options.stream = UInt64(repetition)
      return GenerationRequest(prompt: ids, options, stopTexts: settings.stopTexts)
    }
  }

  private func response(_ place: Place, _ run: TaskRun, _ scores: [Likelihood], _ texts: [Answer]) -> TaskResponse {
    switch place {
    case .likelihoods(let range):
      let parts = scores[range]
      return .likelihood(
        TextLikelihood(
          sum: parts.reduce(0) { $0 + $1.sum }, isGreedy: parts.allSatisfy(\.isGreedy),
          tokenCount: parts.reduce(0) { $0 + $1.tokens.count }))
    case .answers(let range):
      let ends = (run.answers?.stopTexts ?? []) + (tokens.endText.map { [$0] } ?? [])
      return .answers(texts[range].map { tokens.answer($0.ids, stopTexts: ends) })
    }
  }
}
