// Scores continuations: what requests begin with alike is computed once, and only rows before scored tokens go through
// the head.

package import Model
package import Tensors

/// Likelihoods under a policy, on one rank. The results of a request do not depend on the others.
package final class LikelihoodScorer {
  /// Two full tiles of the products.
  package static let runRows = 1536
  /// Cached tokens beyond the longest request: beginnings that later requests may share.
  private static let spareRows = 8192

  private let pass: CachedPass
  private let rows: Int
  private var tree: PrefixTree
  private let cached: Int

  /// - Parameters:
  ///   - longest: the most tokens of a context and its continuation.
  ///   - pool: with scratch for attention.
  package init(_ policy: Policy, longest: Int, pool: ThreadPool) throws(GenerationError) {
    let c = policy.model.configuration
    let size = Self.size(longest: longest)
    let needed = CachedPass.byteCount(c, policy.adapter?.layout, size)
    if let available = ProcessMemory.availableBytes, needed > available {
      throw .memoryShortage(tokens: size.cached, needed: needed, available: available)
    }
    (cached, rows) = (size.cached, size.rows)
    pass = CachedPass(policy, size, pool: pool)
    tree = PrefixTree(rows: cached)
  }

  private static func size(longest: Int) -> CachedPass.Size {
    CachedPass.Size(cached: longest + spareRows, rows: runRows, positions: longest, scored: runRows)
  }

  /// Bytes that a scorer occupies when it is full.
  package static func byteCount(_ c: ModelConfiguration, _ layout: AdapterLayout?, longest: Int) -> Int {
    CachedPass.byteCount(c, layout, size(longest: longest))
  }

  /// A batch in the making.
  private struct Batch {
    var spans: [CachedSpan] = []
    var leases: [PrefixTree.Lease] = []
    var rowCount = 0
    /// The batch's row whose keys are at a place of the cache.
    var rows: [Int: Int] = [:]
    var targets: [(row: Int, token: Int32, request: Int)] = []
  }

  /// The likelihoods, in the order of the requests. Neighbours in sorted order share most.
  /// - Precondition: contexts and continuations have tokens, all below the vocabulary's size, and fit.
  package func score(_ requests: [LikelihoodRequest]) throws -> [Likelihood] {
    var results = requests.map { _ in Likelihood(tokens: [], isGreedy: true) }
    var batch = Batch()
    tree.startRound()
    for (number, request) in requests.enumerated() {
      if !add(request, number, to: &batch) {
        try compute(&batch, into: &results)
        let isAdded = add(request, number, to: &batch)
        precondition(isAdded, "\(request.context.count) + \(request.continuation.count) tokens in a cache of \(cached)")
      }
      if batch.rowCount >= rows { try compute(&batch, into: &results) }
    }
    try compute(&batch, into: &results)
    return results
  }

  /// Adds a request to the batch; returns false when the cache has no room beside the batch.
  private func add(_ request: LikelihoodRequest, _ number: Int, to batch: inout Batch) -> Bool {
    let tokens = request.context + request.continuation.dropLast()
    // The rows that predict the continuation are computed in this batch, whatever is cached.
    guard let (lease, spans) = tree.lease(tokens[...], stale: request.context.count - 1) else { return false }
    batch.leases.append(lease)
    for span in spans {
      batch.spans.append(span)
      for place in span.places {
        batch.rows[place] = batch.rowCount
        batch.rowCount += 1
      }
    }
    for (place, token) in request.continuation.enumerated() {
      guard let row = batch.rows[lease.keys[request.context.count - 1 + place]] else {
        preconditionFailure("a scored row is not in its batch")
      }
      batch.targets.append((row, token, number))
    }
    return true
  }

  /// Computes the batch in runs and empties it.
  private func compute(_ batch: inout Batch, into results: inout [Likelihood]) throws {
    defer {
      for lease in batch.leases { tree.release(lease) }
      batch = Batch()
      tree.startRound()
    }
    guard batch.rowCount > 0 else { return }
    // Targets by row, so that each run takes its own. A request's tokens stay in order.
    let order = batch.targets.indices.sorted { (batch.targets[$0].row, $0) < (batch.targets[$1].row, $1) }
    var (next, start) = (0, 0)
    for run in CachedSpan.runs(batch.spans, rows: rows) {
      let end = start + run.reduce(0) { $0 + $1.span.tokens.count }
      var (scored, targets, requests): ([Int], [(row: Int, token: Int32)], [Int]) = ([], [], [])
      while next < order.count, batch.targets[order[next]].row < end {
        let target = batch.targets[order[next]]
        if scored.last != target.row - start { scored.append(target.row - start) }
        targets.append((scored.count - 1, target.token))
        requests.append(target.request)
        next += 1
      }
      for (score, request) in zip(try pass.score(run.map(\.span), rows: scored, targets: targets), requests) {
        results[request].tokens.append(score.logProbability)
        if !score.isBest { results[request].isGreedy = false }
      }
      start = end
    }
  }
}
