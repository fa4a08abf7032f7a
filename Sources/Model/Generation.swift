// What is asked of a generator, and what it answers.

import Tensors

/// Settings for one answer.
package struct GenerationOptions: Sendable, Equatable {
  package var rules: SamplingRules
  package var seed: UInt64 = 42
  /// Selects one of several answers under the same seed.
  package var stream: UInt64 = 0
  package var maximumNewTokens: Int
  /// Tokens that end the answer. The answer includes the token that ended it.
  package var stopIDs: Set<Int32> = []

  package init(rules: SamplingRules = .greedy, maximumNewTokens: Int) {
    (self.rules, self.maximumNewTokens) = (rules, maximumNewTokens)
  }
}

/// A prompt to answer.
package struct GenerationJob: Sendable, Equatable {
  /// Chosen by the caller.
  package var id: Int
  package var prompt: [Int32]
  package var options: GenerationOptions

  package init(id: Int, prompt: [Int32], _ options: GenerationOptions) {
    (self.id, self.prompt, self.options) = (id, prompt, options)
  }
}

/// An answer.
package struct Generation: Sendable, Equatable {
  package enum FinishReason: String, Sendable, CaseIterable {
    /// A stop token was produced.
    case stop
    /// The answer has the requested number of tokens.
    case length
    /// `isStopped` returned true.
    case interrupted
    /// The logits after the last token are not finite. One answer's are no reason to end the others.
    case notFinite
  }

  package var ids: [Int32]
  package var finishReason: FinishReason
  package var promptTokens: Int
  /// Seconds for the prompt, and seconds for all tokens after it.
  package var promptSeconds, decodingSeconds: Double

  package var promptTokensPerSecond: Double { Double(promptTokens) / promptSeconds }

  /// Decoding speed. The first token comes from the prompt pass, so an answer of one token has the prompt's speed.
  package var tokensPerSecond: Double {
    ids.count > 1
      ? Double(ids.count - 1) / decodingSeconds : Double(ids.count) / (promptSeconds + decodingSeconds)
  }
}

/// Who wants answers: gives prompts, and gets tokens and answers.
package protocol GenerationClient: AnyObject {
  /// Asked every few milliseconds; true ends all answers.
  var isStopped: Bool { get }
  /// The next job, as soon as there is room for it; nil when there are no more.
  func nextJob() throws -> GenerationJob?
  /// Called with each token as soon as it is chosen; returns whether the answer ends there.
  func receive(_ token: Int32, of job: Int) throws -> Bool
  /// Called with each answer, in the order in which they end.
  func receive(_ answer: Generation, of job: Int) throws
}

/// The reasons why generation fails.
package enum GenerationError: UserError, Equatable {
  case emptyPrompt
  case contextExceeded(prompt: Int, new: Int, limit: Int)
  case memoryShortage(tokens: Int, needed: Int, available: Int)
  case notFinite(after: Int)

  package var description: String {
    switch self {
    case .emptyPrompt: "the prompt is empty"
    case .contextExceeded(let prompt, let new, let limit):
      "the prompt has \(prompt) tokens and \(new) new ones are asked for, together \(prompt + new), expected at most "
        + "\(limit), the context of the model: shorten the prompt or ask for fewer new tokens"
    case .memoryShortage(let tokens, let needed, let available):
      "\(ByteCount.text(needed)) of memory are needed for \(tokens) tokens, \(ByteCount.text(available)) are free: "
        + "shorten the prompt or ask for fewer new tokens"
    case .notFinite(let count):
      "the logits after \(count) tokens are not finite: the weights are damaged, or not this model's"
    }
  }
}
