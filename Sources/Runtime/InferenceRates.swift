// How fast a rank answers requests, measured on a part of its model.

import Collectives
import Model
import Tensors

/// Seconds per operation.
package struct InferenceRates: Codable {
  /// Of products of many rows.
  let full: Double
  /// Of steps with a row for each of several answers.
  let answering: Double

  package init(full: Double, answering: Double) { (self.full, self.answering) = (full, answering) }

  /// The rates of all ranks, on every rank. Collective.
  /// - Parameter slots: answers at once; 0: none.
  static func ofAllRanks(
    _ model: LanguageModel, slots: Int, _ pool: ThreadPool, in world: any Communicator
  ) throws -> [InferenceRates] {
    let policy = Policy(model.part(layers: 2, vocabulary: 3 * 4096))
    try world.barrier()
    let full = try full(policy, pool)
    try world.barrier()
    let hasRoom = policy.model.configuration.maximumPositions >= 16
    let answering = slots > 0 && hasRoom ? try answering(policy, slots: slots, pool) : full
    return try world.gather(message: InferenceRates(full: full, answering: answering))
  }

  private static func ids(_ count: Int, from start: Int, _ c: ModelConfiguration) -> [Int32] {
    (start..<start + count).map { Int32($0 * 7 % c.vocabularySize) }
  }

  private static func full(_ policy: Policy, _ pool: ThreadPool) throws -> Double {
    let c = policy.model.configuration
    let rows = max(1, min(512, c.maximumPositions - 1))
    let scorer = try LikelihoodScorer(policy, longest: rows + 1, pool: pool)
    func seconds(from start: Int) throws -> Double {
      let request = LikelihoodRequest(context: ids(rows, from: start, c), continuation: [0])
      return try ContinuousClock().measure { _ = try scorer.score([request]) } / .seconds(1)
    }
    // The first use maps pages; a disturbance only makes it slower.
    let times = try [1, 2, 3].map { try seconds(from: $0) }
    let work = FlopCount.inference(rows: rows, attended: rows * (rows + 1) / 2, scored: 1, c, nil)
    return (times.min() ?? 0) / work.total
  }

  private static func answering(_ policy: Policy, slots: Int, _ pool: ThreadPool) throws -> Double {
    let c = policy.model.configuration
    let (few, many) = (3, 11)
    let generator = try Generator(policy, capacity: 2 + many, slots: slots, cached: slots * (2 + many), pool: pool)
    func seconds(_ tokens: Int) throws -> Double {
      let client = MeasuringClient(slots: slots, tokens: tokens, c)
      return try ContinuousClock().measure { try generator.generate(for: client) } / .seconds(1)
    }
    _ = try seconds(few)
    let step = max(1e-9, try seconds(many) - seconds(few)) / Double(many - few)
    let work = FlopCount.inference(rows: slots, attended: slots * (2 + many), scored: slots, c, nil)
    return step / work.total
  }
}

/// Asks for answers of a fixed length.
private final class MeasuringClient: GenerationClient {
  private let tokens: Int
  private let vocabulary: Int
  private var left: Int

  init(slots: Int, tokens: Int, _ c: ModelConfiguration) {
    (left, self.tokens, vocabulary) = (slots, tokens, c.vocabularySize)
  }

  var isStopped: Bool { false }

  func nextJob() -> GenerationJob? {
    guard left > 0 else { return nil }
    left -= 1
    return GenerationJob(
      id: left, prompt: [Int32(left % vocabulary), 0], GenerationOptions(maximumNewTokens: tokens))
  }

  func receive(_ token: Int32, of job: Int) -> Bool { false }
  func receive(_ answer: Generation, of job: Int) {}
}
