// Generates for a phase: jobs come from rank 0, answers go there.

package import Corpus
package import Model

/// Gives a generator the items of a phase as it has room.
package final class PhaseClient: GenerationClient {
  private let phase: ResultPhase
  private let tokenizer: Tokenizer?
  private var stops: [Int: StopTexts] = [:]

  /// - Parameter tokenizer: for requests with texts that end an answer.
  package init(_ phase: ResultPhase, _ tokenizer: Tokenizer? = nil) {
    (self.phase, self.tokenizer) = (phase, tokenizer)
  }

  package var isStopped: Bool { phase.isAskedToStop }

  package func nextJob() throws -> GenerationJob? {
    guard let bytes = try phase.next() else { return nil }
    let item = try GenerationItem(bytes: bytes)
    if let tokenizer { stops[item.number] = StopTexts(item.request.stopTexts, tokenizer) }
    return GenerationJob(id: item.number, prompt: item.request.prompt, item.request.options)
  }

  package func receive(_ token: Int32, of job: Int) -> Bool { stops[job]?.isEnd(after: token) ?? false }

  package func receive(_ answer: Generation, of job: Int) throws {
    stops[job] = nil
    try phase.submit(
      GenerationItem.resultBytes(job, Answer(ids: answer.ids, finishReason: answer.finishReason)))
  }
}
