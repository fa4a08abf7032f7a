// A world of ranks that answers requests: rank 0 asks, all ranks compute.

import Checkpoints
package import Collectives
package import Corpus
package import Model
package import Tensors

/// How far a session is with a call.
package enum InferenceProgress: Sendable, Equatable {
  /// Requests of the call whose results are known.
  case scored(Int, of: Int)
  case answered(Int, of: Int)
}

/// A stop was asked for. Results so far are in the journal.
package struct InferenceStopped: Error, CustomStringConvertible {
  package var description: String { "stopped on request" }
}

/// What a model computes is not finite.
package struct InferenceNotFinite: UserError {
  package init() {}

  package var description: String {
    "log-probs of the model are not finite: its weights are damaged, or not this model's"
  }
}

/// Answers requests with a model on all ranks. Results do not depend on ranks, threads or the other requests of a call,
/// to the last bit.
///
///     let session = try InferenceSession(model, world: world)
///     if world.rank == 0 { … session.logLikelihoods(requests) …; try session.end() } else { _ = try session.serve() }
package final class InferenceSession: Inference {
  private let policy: Policy
  private let tokenizer: Tokenizer
  private let world: any Communicator
  private let dispatcher: Dispatcher
  /// Whether the session's end closes the dispatcher.
  private let ownsDispatcher: Bool
  private let pool: ThreadPool
  private let journal: ResultJournal?
  private let progress: (InferenceProgress) -> Void

  /// The most answers at once on a rank. More would take memory and gain nothing: the products run at full speed.
  package static let slots = 32

  /// What rank 0 tells the others.
  private enum Command: Codable {
    case score(longest: Int)
    case generate(capacity: Int, slots: Int, cached: Int)
    case measure(slots: Int)
    case end(code: Int32)
  }

  /// Collective.
  /// - Parameters:
  ///   - stop: ends the current call between items.
  ///   - journal: on rank 0, where results are kept and found again.
  package convenience init(
    _ model: LoadedModel, world: any Communicator, stop: StopRequest = StopRequest(), journal: ResultJournal? = nil,
    progress: @escaping (InferenceProgress) -> Void = { _ in }
  ) throws {
    let width = model.policy.model.configuration.headWidth
    let pool = ThreadPool(threads: model.threads, scratchCount: Attention.scratchCount(headWidth: width))
    try self.init(
      model.policy, model.opened.prompting.tokenizer, Dispatcher(world: world, stop: stop), ownsDispatcher: true, pool,
      journal: journal, progress: progress)
  }

  /// A session inside of other work.
  /// - Parameters:
  ///   - dispatcher: of the other work.
  ///   - pool: with scratch for attention.
  package init(
    _ policy: Policy, _ tokenizer: Tokenizer, _ dispatcher: Dispatcher, ownsDispatcher: Bool = false,
    _ pool: ThreadPool, journal: ResultJournal? = nil, progress: @escaping (InferenceProgress) -> Void = { _ in }
  ) {
    (self.policy, self.tokenizer, self.dispatcher, self.pool) = (policy, tokenizer, dispatcher, pool)
    (world, self.ownsDispatcher, self.journal, self.progress) = (dispatcher.world, ownsDispatcher, journal, progress)
  }

  /// Computes what rank 0 asks for, until it ends the session. On all other ranks.
  /// - Returns: the code that rank 0 ends with.
  package func serve() throws -> Int32 {
    while true {
      switch try world.share(nil as Command?) {
      case .score(let longest): try score(nil, longest: longest) { _ in }
      case .generate(let capacity, let slots, let cached):
        try generate(nil, capacity: capacity, slots: slots, cached: cached) { _ in }
      case .measure(let slots): _ = try rates(slots: slots)
      case .end(let code):
        if ownsDispatcher { try dispatcher.close() }
        return code
      }
    }
  }

  /// Ends the session on all ranks. On rank 0.
  /// - Parameter code: for the other ranks.
  package func end(code: Int32 = 0) throws {
    _ = try world.share(Command.end(code: code))
    if ownsDispatcher { try dispatcher.close() }
  }

  // MARK: Likelihoods

  package func logLikelihoods(_ requests: [LikelihoodRequest]) throws -> [Likelihood] {
    // Equal requests are computed once.
    var numbers: [LikelihoodRequest: Int] = [:]
    var distinct: [LikelihoodRequest] = []
    let places = requests.map { request in
      if let number = numbers[request] { return number }
      numbers[request] = distinct.count
      distinct.append(request)
      return distinct.count - 1
    }
    var found = distinct.map { request in journal.flatMap { Likelihood($0[request.digest]) } }
    let missing = distinct.indices.filter { found[$0] == nil }
    var done = distinct.count - missing.count
    progress(.scored(done, of: distinct.count))
    if !missing.isEmpty {
      let sorted = missing.map { (number: $0, request: distinct[$0]) }.sorted {
        $0.request.precedes($1.request)
      }
      let longest = sorted.reduce(0) { max($0, $1.request.context.count + $1.request.continuation.count) }
      let pieces = LikelihoodItem.divide(sorted, rows: itemRows(sorted.map(\.request))).map {
        WorkPiece(bytes: $0.item.bytes, cost: $0.cost + 1)
      }
      _ = try world.share(Command.score(longest: longest))
      var isFinite = true
      try score(pieces, longest: longest) { [journal, progress] bytes in
        let results = try LikelihoodItem.results(bytes)
        for (number, likelihood) in results {
          guard likelihood.tokens.allSatisfy(\.isFinite) else {
            // Told when all ranks have ended the phase.
            isFinite = false
            continue
          }
          found[number] = likelihood
          try journal?.add(likelihood.json, for: distinct[number].digest)
        }
        done += results.count
        progress(.scored(done, of: distinct.count))
      }
      guard isFinite else { throw InferenceNotFinite() }
    }
    let all = found.compactMap(\.self)
    guard all.count == distinct.count else { throw InferenceStopped() }
    return places.map { all[$0] }
  }

  /// Tokens of an item: a full run, or less so that every rank gets several items.
  private func itemRows(_ requests: [LikelihoodRequest]) -> Int {
    let total = requests.reduce(0) { $0 + $1.context.count + $1.continuation.count }
    return world.size == 1
      ? LikelihoodScorer.runRows : min(LikelihoodScorer.runRows, max(total / (4 * world.size), 256))
  }

  private func score(_ pieces: [WorkPiece]?, longest: Int, onResult: @escaping ([UInt8]) throws -> Void) throws {
    let scorer = try world.agree { try LikelihoodScorer(policy, longest: longest, pool: pool) }
    try dispatcher.collect(pieces, inTurn: false, pool.clock, onResult: onResult) { phase in
      while let bytes = try phase.next() {
        let item = try LikelihoodItem(bytes: bytes)
        let likelihoods = try scorer.score(item.requests.map(\.request))
        try phase.submit(LikelihoodItem.resultBytes(Array(zip(item.requests.map(\.number), likelihoods))))
      }
    }
  }

  // MARK: Answers

  package func generate(_ requests: [GenerationRequest]) throws -> [Answer] {
    // Equal requests are computed once.
    let digests = requests.map(\.digest)
    var found: [String: Answer] = [:]
    var missing: [Int] = []
    var seen: Set<String> = []
    for (number, digest) in digests.enumerated() where seen.insert(digest).inserted {
      if let answer = journal.flatMap({ Answer($0[digest]) }) { found[digest] = answer } else { missing.append(number) }
    }
    progress(.answered(found.count, of: seen.count))
    if !missing.isEmpty {
      // Neighbours in this order share most.
      missing.sort { requests[$0].precedes(requests[$1]) }
      let size = demand(missing.map { requests[$0] })
        .fitting(policy.model.configuration, ranksOnNode: world.ranksOnNode)
      let pieces = missing.map { WorkPiece(bytes: GenerationItem(number: $0, requests[$0]).bytes) }
      _ = try world.share(Command.generate(capacity: size.capacity, slots: size.slots, cached: size.cached))
      var isFinite = true
      try generate(pieces, capacity: size.capacity, slots: size.slots, cached: size.cached) {
        [journal, progress] bytes in
        let (number, answer) = try GenerationItem.result(bytes)
        if answer.finishReason == .notFinite { isFinite = false }
        guard ![.interrupted, .notFinite].contains(answer.finishReason) else { return }
        found[digests[number]] = answer
        try journal?.add(answer.json, for: digests[number])
        progress(.answered(found.count, of: seen.count))
      }
      guard isFinite else { throw InferenceNotFinite() }
    }
    let all = digests.compactMap { found[$0] }
    guard all.count == digests.count else { throw InferenceStopped() }
    return all
  }

  /// - Parameter requests: in the order of their prompts.
  private func demand(_ requests: [GenerationRequest]) -> GenerationDemand {
    GenerationDemand(requests, ranks: world.size, most: Self.slots)
  }

  private func generate(
    _ pieces: [WorkPiece]?, capacity: Int, slots: Int, cached: Int, onResult: @escaping ([UInt8]) throws -> Void
  ) throws {
    let generator = try world.agree {
      try Generator(policy, capacity: capacity, slots: slots, cached: cached, pool: pool)
    }
    try dispatcher.collect(pieces, inTurn: true, pool.clock, onResult: onResult) { phase in
      try generator.generate(for: PhaseClient(phase, tokenizer))
    }
  }

  // MARK: Forecast

  /// What requests will take, after measuring all ranks. On rank 0.
  package func forecast(_ likelihoods: [LikelihoodRequest], _ answers: [GenerationRequest]) throws -> InferenceForecast
  {
    let work = InferenceWork(likelihoods, answers, ranks: world.size, slots: Self.slots)
      .fitting(policy.model.configuration, ranksOnNode: world.ranksOnNode)
    let slots = work.demand?.slots ?? 0
    _ = try world.share(Command.measure(slots: slots))
    return InferenceForecast(work, try rates(slots: slots), policy)
  }

  private func rates(slots: Int) throws -> [InferenceRates] {
    try InferenceRates.ofAllRanks(policy.model, slots: slots, pool, in: world)
  }

  /// Memory of a rank for requests, besides the model's weights.
  package static func byteCount(
    _ likelihoods: [LikelihoodRequest], _ answers: [GenerationRequest], ranks: Int, _ c: ModelConfiguration,
    _ adapter: AdapterLayout?
  ) -> Int {
    // Of ranks on other nodes each has no less.
    InferenceWork(likelihoods, answers, ranks: ranks, slots: slots).fitting(c, ranksOnNode: ranks)
      .byteCount(c, adapter)
  }
}
