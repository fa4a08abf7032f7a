// Generates text: runs prompts through the model in pieces, then produces token after token, of many answers at once.

package import Tensors

/// Generates with a policy, many answers at once: each step reads the weights once for all of them. Its memory is
/// allocated once and becomes resident as it is used. An answer does not depend on the others, nor on the number of
/// threads.
package final class Generator {
  /// The most tokens of a prompt and its answer.
  package let capacity: Int
  /// The most answers at once.
  package let slots: Int
  private let pass: CachedPass
  private var tree: PrefixTree
  private let size: CachedPass.Size

  /// Two full tiles of the products.
  package static let defaultPromptRows = 1536

  /// An answer in the making.
  private struct Sequence {
    let job: GenerationJob
    let lease: PrefixTree.Lease
    /// Rows of the prompt's last token and of the answer.
    let own: KeyRuns
    /// The keys so far.
    var keys: KeyRuns
    /// What is to be read of the prompt.
    var unread: [CachedSpan]
    var sampler: Sampler
    var ids: [Int32] = []
    let start: ContinuousClock.Instant
    var answering: ContinuousClock.Instant
  }

  /// - Parameters:
  ///   - capacity: the maximum number of tokens of a prompt and its answer; at most the model's context.
  ///   - slots: the maximum number of answers at once.
  ///   - cached: tokens that the cache holds, where that is more than one answer's; what prompts share counts once.
  ///   - policy: read again for every answer, so it may be in training.
  ///   - promptRows: the maximum number of prompt tokens in one pass.
  ///   - pool: with scratch for attention; idle whenever answers are made.
  /// - Throws: `GenerationError` when there is not enough memory.
  package init(
    _ policy: Policy, capacity: Int, slots: Int = 1, cached: Int = 0, promptRows: Int = defaultPromptRows,
    pool: ThreadPool
  ) throws(GenerationError) {
    let c = policy.model.configuration
    let size = Self.size(c, capacity: capacity, slots: slots, cached: cached, promptRows: promptRows)
    let needed = CachedPass.byteCount(c, policy.adapter?.layout, size)
    if let available = ProcessMemory.availableBytes, needed > available {
      throw .memoryShortage(tokens: size.cached, needed: needed, available: available)
    }
    (self.capacity, self.slots) = (size.positions, slots)
    self.size = size
    pass = CachedPass(policy, size, pool: pool)
    tree = PrefixTree(rows: size.cached)
  }

  package convenience init(
    _ policy: Policy, capacity: Int, promptRows: Int = defaultPromptRows, threads: Int
  ) throws(GenerationError) {
    let scratch = Attention.scratchCount(headWidth: policy.model.configuration.headWidth)
    try self.init(
      policy, capacity: capacity, promptRows: promptRows,
      pool: ThreadPool(threads: threads, scratchCount: scratch))
  }

  private static func size(
    _ c: ModelConfiguration, capacity: Int, slots: Int, cached: Int, promptRows: Int
  ) -> CachedPass.Size {
    let capacity = max(1, min(capacity, c.maximumPositions))
    let cached = max(cached, capacity)
    return CachedPass.Size(
      cached: cached, rows: max(min(cached, promptRows), slots), positions: capacity, choosing: slots)
  }

  /// Bytes that a generator occupies when it is full.
  package static func byteCount(_ c: ModelConfiguration, capacity: Int, slots: Int = 1, cached: Int = 0) -> Int {
    CachedPass.byteCount(
      c, nil, size(c, capacity: capacity, slots: slots, cached: cached, promptRows: defaultPromptRows))
  }

  // MARK: Many answers

  /// Answers the client's prompts as they come, until it has no more.
  /// - Throws: `GenerationError`; errors of the client.
  /// - Precondition: all ids are rows of the embedding.
  package func generate(for client: any GenerationClient) throws {
    defer { pass.pool.clock.enter(.input) }
    // The policy may have changed, and a call that was stopped leaves rows that were not computed.
    tree = PrefixTree(rows: size.cached)
    var active: [Sequence] = []
    var waiting: GenerationJob?
    var isEnd = false
    while true {
      while active.count < slots, !isEnd {
        if waiting == nil { waiting = try client.nextJob() }
        guard let job = waiting else {
          isEnd = true
          break
        }
        guard let sequence = try admit(job) else { break }
        active.append(sequence)
        waiting = nil
      }
      if active.isEmpty {
        guard let job = waiting else { return }
        throw GenerationError.contextExceeded(
          prompt: job.prompt.count, new: job.options.maximumNewTokens, limit: size.cached)
      }
      guard try read(&active, client), try decode(&active, untilOneEnds: !isEnd, client) else {
        for sequence in active { try client.receive(answer(sequence, .interrupted), of: sequence.job.id) }
        // Every job is answered, and the client is told that there is room until it has no more.
        while let job = try waiting ?? (isEnd ? nil : client.nextJob()) {
          waiting = nil
          let unread = Generation(
            ids: [], finishReason: .interrupted, promptTokens: job.prompt.count, promptSeconds: 0, decodingSeconds: 0)
          try client.receive(unread, of: job.id)
        }
        return
      }
    }
  }

  /// Makes room for an answer; nil when others have to end first.
  private func admit(_ job: GenerationJob) throws -> Sequence? {
    let (prompt, options) = (job.prompt, job.options)
    guard let last = prompt.last else { throw GenerationError.emptyPrompt }
    guard prompt.count + options.maximumNewTokens <= capacity else {
      throw GenerationError.contextExceeded(prompt: prompt.count, new: options.maximumNewTokens, limit: capacity)
    }
    guard let (lease, spans) = tree.lease(prompt.dropLast(), stale: prompt.count) else { return nil }
    guard let ranges = tree.take(max(options.maximumNewTokens, 1)) else {
      tree.release(lease)
      return nil
    }
    let own = ranges.reduce(KeyRuns()) { $0.appending($1) }
    let place = own[0]..<own[0] + 1
    let now = ContinuousClock.now
    return Sequence(
      job: job, lease: lease, own: own, keys: lease.keys.appending(place),
      unread: spans + [CachedSpan(tokens: [last], before: lease.keys, places: place)],
      sampler: Sampler(options.rules, seed: options.seed, stream: options.stream, prompt: prompt), start: now,
      answering: now)
  }

  private func free(_ sequence: Sequence) {
    tree.release(sequence.lease)
    tree.give(sequence.own.runs)
  }

  /// Reads what is unread of the prompts and chooses the first tokens; returns false when it was stopped.
  private func read(_ active: inout [Sequence], _ client: any GenerationClient) throws -> Bool {
    // Each span with its sequence, and whether a token is chosen after it.
    var parts: [(sequence: Int, span: CachedSpan, isLast: Bool)] = []
    for place in active.indices {
      let spans = active[place].unread
      parts += spans.enumerated().map { (place, $1, $0 == spans.count - 1) }
      active[place].unread = []
    }
    var ended: Set<Int> = []
    defer { remove(ended, from: &active) }
    for run in CachedSpan.runs(parts.map(\.span), rows: size.rows) {
      let wanted = run.indices.filter {
        let part = parts[run[$0].index]
        return part.isLast && run[$0].span.places.upperBound == part.span.places.upperBound
      }
      guard let logits = try pass.read(run.map(\.span), wanted: wanted, isStopped: { client.isStopped })
      else { return false }
      let chosen = wanted.map { parts[run[$0].index].sequence }
      for place in chosen { active[place].answering = .now }
      ended.formUnion(try choose(&active, chosen, logits, client))
    }
    return true
  }

  /// Adds token after token to all answers; returns false when it was stopped.
  /// - Parameter untilOneEnds: whether to return as soon as there is room for another answer.
  private func decode(
    _ active: inout [Sequence], untilOneEnds: Bool, _ client: any GenerationClient
  ) throws -> Bool {
    try pass.pool.withSpinningThreads {
      while !active.isEmpty {
        guard let logits = try pass.decode(active.map(Self.lastToken), isStopped: { client.isStopped }) else {
          return false
        }
        let ended = try choose(&active, Array(active.indices), logits, client)
        remove(ended, from: &active)
        if untilOneEnds, !ended.isEmpty { break }
      }
      return true
    }
  }

  /// The last token of an answer, whose keys are not known yet.
  private static func lastToken(_ sequence: Sequence) -> CachedSpan {
    let count = sequence.keys.count - 1
    let row = sequence.keys[count]
    return CachedSpan(tokens: sequence.ids.suffix(1), before: sequence.keys.prefix(count), places: row..<row + 1)
  }

  /// Chooses the next tokens of some answers; returns those that ended.
  private func choose(
    _ active: inout [Sequence], _ places: [Int], _ logits: Matrix, _ client: any GenerationClient
  ) throws -> [Int] {
    var samplers = places.map { active[$0].sampler }
    let tokens = choose(&samplers, logits)
    var ended: [Int] = []
    for (number, place) in places.enumerated() {
      active[place].sampler = samplers[number]
      guard let id = tokens[number] else {
        try client.receive(answer(active[place], .notFinite), of: active[place].job.id)
        ended.append(place)
        continue
      }
      active[place].ids.append(id)
      let options = active[place].job.options
      let isEnd = try client.receive(id, of: active[place].job.id) || options.stopIDs.contains(id)
      if isEnd || active[place].ids.count >= options.maximumNewTokens {
        try client.receive(answer(active[place], isEnd ? .stop : .length), of: active[place].job.id)
        ended.append(place)
      } else {
        let row = active[place].own[active[place].ids.count]
        active[place].keys.append(row..<row + 1)
      }
    }
    return ended
  }

  /// Every sampler's next token after its row of logits.
  private func choose(_ samplers: inout [Sampler], _ logits: Matrix) -> [Int32?] {
    pass.pool.clock.enter(.head)
    var tokens = [Int32?](repeating: nil, count: samplers.count)
    samplers.withUnsafeMutableBufferPointer { samplers in
      tokens.withUnsafeMutableBufferPointer { tokens in
        nonisolated(unsafe) let (samplers, tokens) = (samplers, tokens)
        pass.pool.run(samplers.count) { number, _ in
          let scores = Array(UnsafeBufferPointer(start: logits.pointer(row: number), count: logits.columns))
          tokens[number] = samplers[number].next(scores)
        }
      }
    }
    return tokens
  }

  private func remove(_ ended: some Collection<Int>, from active: inout [Sequence]) {
    for place in ended.sorted(by: >) { free(active.remove(at: place)) }
  }

  private func answer(_ sequence: Sequence, _ reason: Generation.FinishReason) -> Generation {
    Generation(
      ids: sequence.ids, finishReason: reason, promptTokens: sequence.job.prompt.count,
      promptSeconds: (sequence.answering - sequence.start) / .seconds(1),
      decodingSeconds: (ContinuousClock.now - sequence.answering) / .seconds(1))
  }
}
