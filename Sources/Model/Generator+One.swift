// One answer of a generator.

extension Generator {
  /// Answers a prompt.
  ///
  /// - Parameters:
  ///   - isStopped: called every few milliseconds; true ends the answer.
  ///   - onToken: called with each token as soon as it is chosen.
  /// - Throws: `GenerationError`; errors of `onToken`.
  /// - Precondition: all ids are rows of the embedding.
  package func generate(
    prompt: [Int32], _ options: GenerationOptions, isStopped: @escaping () -> Bool = { false },
    onToken: @escaping (Int32) throws -> Void = { _ in }
  ) throws -> Generation {
    let client = OneAnswer(GenerationJob(id: 0, prompt: prompt, options), isStopped, onToken)
    try generate(for: client)
    guard let answer = client.answer else { throw GenerationError.emptyPrompt }
    if answer.finishReason == .notFinite { throw GenerationError.notFinite(after: prompt.count + answer.ids.count) }
    return answer
  }
}

/// The client that wants one answer.
private final class OneAnswer: GenerationClient {
  private var job: GenerationJob?
  private let stop: () -> Bool
  private let onToken: (Int32) throws -> Void
  private(set) var answer: Generation?

  init(_ job: GenerationJob, _ stop: @escaping () -> Bool, _ onToken: @escaping (Int32) throws -> Void) {
    (self.job, self.stop, self.onToken) = (job, stop, onToken)
  }

  var isStopped: Bool { stop() }
  func nextJob() -> GenerationJob? { job.take() }
  func receive(_ token: Int32, of job: Int) throws -> Bool {
    try onToken(token)
    return false
  }
  func receive(_ answer: Generation, of job: Int) { self.answer = answer }
}
