// The model of the fixture: every response is a hash of ids (Tests/Fixtures/lm_eval_tasks.py).

import Checkpoints
import Corpus
import Evaluation
import Model
import Runtime
import TestSupport

/// Answers by hashes of ids, and remembers what it was asked.
final class HashedModel: Inference {
  private let tokenizer: Tokenizer
  private let answers: [String]
  /// As the fixture writes them: ids of context and continuation, or ids of a prompt and the length of the answer.
  private(set) var requests: [[JSONValue]] = []

  init(_ tokenizer: Tokenizer, answers: [String]) { (self.tokenizer, self.answers) = (tokenizer, answers) }

  private static func json(_ ids: some Sequence<Int32>) -> JSONValue { .array(ids.map { .integer(Int64($0)) }) }

  /// A number in [0, 1) of some ids.
  private static func unit(_ parts: JSONValue...) -> Double {
    let hash = SHA256()
    hash.append(Array(JSONValue.array(parts).serialized().utf8))
    return Double(hash.digest.prefix(6).reduce(0) { $0 << 8 | UInt64($1) }) / 0x1p48
  }

  func logLikelihoods(_ requests: [LikelihoodRequest]) throws -> [Likelihood] {
    requests.map { request in
      let (context, continuation) = (Self.json(request.context), Self.json(request.continuation))
      self.requests.append([context, continuation])
      return Likelihood(
        tokens: request.continuation.indices.map {
          -10 * Self.unit(context, Self.json(request.continuation[...$0]))
        }, isGreedy: Self.unit(continuation, context) < 0.5)
    }
  }

  func generate(_ requests: [GenerationRequest]) throws -> [Answer] {
    requests.map { request in
      let ids = Self.json(request.prompt)
      self.requests.append([ids, .integer(Int64(request.options.maximumNewTokens))])
      let answer = answers[Int(Self.unit(ids) * Double(answers.count))]
      return Answer(ids: tokenizer.encode(answer, allowSpecial: true), finishReason: .stop)
    }
  }
}

/// The programs of the fixture: a hash decides which pass.
struct HashedRunner: ProgramRunner {
  func run(_ programs: [String]) -> [ProgramOutcome] { programs.map(run) }

  private func run(_ program: String) -> ProgramOutcome {
    let digits = SHA256.text(of: Array(program.utf8)).prefix(2)
    return (Int(digits, radix: 16) ?? 255) < 128 ? .passed : .failed("by its hash")
  }
}
