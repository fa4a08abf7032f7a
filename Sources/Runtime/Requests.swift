// What can be asked of a model: how likely texts are, and texts.

package import Model

/// Asks how likely `continuation` is after `context`.
package struct LikelihoodRequest: Sendable, Hashable {
  /// Token ids; at least one.
  package var context: [Int32]
  /// Token ids; at least one.
  package var continuation: [Int32]

  package init(context: [Int32], continuation: [Int32]) {
    (self.context, self.continuation) = (context, continuation)
  }

  /// All token ids, end to end.
  var tokens: [Int32] { context + continuation }

  /// The order in which neighbours share most.
  func precedes(_ other: LikelihoodRequest) -> Bool {
    [context, continuation].joined().lexicographicallyPrecedes([other.context, other.continuation].joined())
  }
}

/// How likely a continuation is.
package struct Likelihood: Sendable, Equatable {
  /// Log-prob of each token of the continuation, nats.
  package var tokens: [Double]
  /// Whether each token is the most probable one at its place.
  package var isGreedy: Bool

  package init(tokens: [Double], isGreedy: Bool) { (self.tokens, self.isGreedy) = (tokens, isGreedy) }

  package var sum: Double { tokens.reduce(0, +) }
}

/// Asks for an answer.
package struct GenerationRequest: Sendable {
  /// Token ids; at least one.
  package var prompt: [Int32]
  package var options: GenerationOptions
  /// Texts that end the answer. The answer still has the token in which one ended.
  package var stopTexts: [String]

  package init(prompt: [Int32], _ options: GenerationOptions, stopTexts: [String] = []) {
    (self.prompt, self.options, self.stopTexts) = (prompt, options, stopTexts)
  }

  /// The order in which neighbours share most.
  func precedes(_ other: GenerationRequest) -> Bool { prompt.lexicographicallyPrecedes(other.prompt) }
}

/// An answer of a session.
package struct Answer: Sendable, Equatable {
  package var ids: [Int32]
  package var finishReason: Generation.FinishReason

  package init(ids: [Int32], finishReason: Generation.FinishReason) {
    (self.ids, self.finishReason) = (ids, finishReason)
  }
}

/// Answers requests. Results do not depend on the other requests of a call.
package protocol Inference: AnyObject {
  /// The likelihoods, in the order of the requests.
  func logLikelihoods(_ requests: [LikelihoodRequest]) throws -> [Likelihood]
  /// The answers, in the order of the requests.
  func generate(_ requests: [GenerationRequest]) throws -> [Answer]
}
