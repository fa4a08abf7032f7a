// Generates text: runs a prompt through the model in pieces, then produces token after token.

package import Tensors

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

/// An answer.
package struct Generation: Sendable, Equatable {
  package enum FinishReason: String, Sendable, CaseIterable {
    /// A stop token was produced.
    case stop
    /// The answer has the requested number of tokens.
    case length
    /// `isStopped` returned true.
    case interrupted
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

/// Generates with a model and an optional adapter, one answer at a time. Its memory is allocated once and becomes
/// resident as it is used. Answers do not depend on the number of threads.
package final class Generator {
  package let capacity: Int
  private let pass: CachedPass

  /// Two full tiles of the products.
  package static let defaultPromptRows = 1536
  /// The maximum number of prompt tokens in one pass.
  private let promptRows: Int

  /// - Parameters:
  ///   - capacity: the maximum number of tokens of a prompt and its answer; at most the model's context.
  ///   - policy: read again for every answer, so it may be in training.
  ///   - promptRows: the maximum number of prompt tokens in one pass.
  ///   - pool: with scratch for attention; idle whenever `generate` runs.
  /// - Throws: `GenerationError` when there is not enough memory.
  package init(
    _ policy: Policy, capacity: Int, promptRows: Int = defaultPromptRows, pool: ThreadPool
  ) throws(GenerationError) {
    let c = policy.model.configuration
    let capacity = max(1, min(capacity, c.maximumPositions))
    let rows = min(capacity, promptRows)
    let needed = CachedPass.byteCount(c, capacity: capacity, rows: rows)
    if let available = ProcessMemory.availableBytes, needed > available {
      throw .memoryShortage(tokens: capacity, needed: needed, available: available)
    }
    (self.capacity, self.promptRows) = (capacity, rows)
    pass = CachedPass(policy, capacity: capacity, rows: rows, pool: pool)
  }

  /// Bytes that a generator occupies when it is full.
  package static func byteCount(_ c: ModelConfiguration, capacity: Int) -> Int {
    CachedPass.byteCount(c, capacity: capacity, rows: min(capacity, defaultPromptRows))
  }

  package convenience init(
    _ policy: Policy, capacity: Int, promptRows: Int = defaultPromptRows, threads: Int
  ) throws(GenerationError) {
    let scratch = Attention.scratchCount(headWidth: policy.model.configuration.headWidth)
    try self.init(
      policy, capacity: capacity, promptRows: promptRows,
      pool: ThreadPool(threads: threads, scratchCount: scratch))
  }

  /// Answers a prompt.
  ///
  /// - Parameters:
  ///   - isStopped: called every few milliseconds; true ends the answer.
  ///   - onToken: called with each token as soon as it is chosen.
  /// - Throws: `GenerationError`; errors of `onToken`.
  /// - Precondition: all ids are rows of the embedding.
  package func generate(
    prompt: [Int32], _ options: GenerationOptions, isStopped: () -> Bool = { false },
    onToken: (Int32) throws -> Void = { _ in }
  ) throws -> Generation {
    guard !prompt.isEmpty else { throw GenerationError.emptyPrompt }
    guard prompt.count + options.maximumNewTokens <= capacity else {
      throw GenerationError.contextExceeded(prompt: prompt.count, new: options.maximumNewTokens, limit: capacity)
    }
    let clock = ContinuousClock()
    let start = clock.now
    var sampler = Sampler(options.rules, seed: options.seed, stream: options.stream, prompt: prompt)
    pass.reset()
    defer { pass.pool.clock.enter(.input) }
    let isRead = try read(prompt, isStopped)
    let answering = clock.now
    var ids: [Int32] = []
    var reason = Generation.FinishReason.interrupted
    if isRead {
      reason = try pass.pool.withSpinningThreads {
        try decode(&ids, &sampler, prompt.count, options, isStopped, onToken)
      }
    }
    return Generation(
      ids: ids, finishReason: reason, promptTokens: prompt.count, promptSeconds: (answering - start) / .seconds(1),
      decodingSeconds: (clock.now - answering) / .seconds(1))
  }

  /// Appends token after token. The first token comes from the logits of the prompt pass.
  private func decode(
    _ ids: inout [Int32], _ sampler: inout Sampler, _ promptCount: Int, _ options: GenerationOptions,
    _ isStopped: () -> Bool, _ onToken: (Int32) throws -> Void
  ) throws -> Generation.FinishReason {
    while ids.count < options.maximumNewTokens {
      if let last = ids.last {
        guard try pass.run([last], wantsLogits: true, isStopped: isStopped) else { return .interrupted }
      }
      let scores = Array(UnsafeBufferPointer(start: pass.logits.base, count: pass.logits.columns))
      guard let id = sampler.next(scores) else { throw GenerationError.notFinite(after: promptCount + ids.count) }
      ids.append(id)
      try onToken(id)
      if options.stopIDs.contains(id) { return .stop }
    }
    return .length
  }

  /// Runs a prompt in pieces of equal size. The split does not change any bit of the result.
  private func read(_ prompt: [Int32], _ isStopped: () -> Bool) throws -> Bool {
    let pieces = (prompt.count + promptRows - 1) / promptRows
    let rows = (prompt.count + pieces - 1) / pieces
    for start in stride(from: 0, to: prompt.count, by: rows) {
      let end = min(start + rows, prompt.count)
      guard try pass.run(prompt[start..<end], wantsLogits: end == prompt.count, isStopped: isStopped) else {
        return false
      }
    }
    return true
  }
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
