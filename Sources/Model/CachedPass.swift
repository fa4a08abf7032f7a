// The forward pass for tokens that follow cached tokens: prompts, single tokens, and texts whose likelihood is asked.
//
// It runs the layers of `Pass` for many sequences at once and keeps nothing for a gradient. The results of a sequence
// depend on its own tokens alone, to the last bit. Prompts and scored texts use the packed products. Rows whose logits
// choose a token use products that read each weight once from memory, however many such rows there are.

package import Tensors

/// Runs tokens of many sequences through a policy and stores their keys and values in a cache.
package final class CachedPass {
  /// The largest work to come.
  package struct Size: Sendable, Equatable {
    /// Tokens in the cache, of one run, and of one sequence.
    package var cached, rows, positions: Int
    /// Rows of a run whose logits choose a token, and rows whose log-probs are asked.
    package var choosing, scored: Int

    package init(cached: Int, rows: Int, positions: Int, choosing: Int = 0, scored: Int = 0) {
      (self.cached, self.rows, self.positions) = (cached, rows, positions)
      (self.choosing, self.scored) = (choosing, scored)
    }
  }

  /// The log-prob of a target, and whether it is the most probable token (the first of equals).
  package struct TargetScore: Sendable, Equatable {
    package var logProbability: Double
    package var isBest: Bool
  }

  private let policy: Policy
  let pool: ThreadPool
  private let cache: KeyValueCache
  private let buffers: Buffers<Matrix>
  private let head: HeadLayer
  private let ropeTable: Matrix
  private var configuration: ModelConfiguration { policy.model.configuration }

  /// Memory of a run. All layers use the same.
  private struct Buffers<Buffer> {
    /// [N, D].
    let stream: Buffer
    let attention: SelfAttention.Activations<Buffer>
    let feedForward: FeedForward.Activations<Buffer>
    let scratch: LayerScratch<Buffer>
    let head: HeadLayer.Buffers<Buffer>
    let queryParts: Buffer
    /// For rows in int8.
    let int8Rows: Buffer
    /// Logits that choose a token [choosing, V].
    let logits: Buffer

    init(_ c: ModelConfiguration, _ layout: AdapterLayout?, _ size: Size, _ take: (Int, Int) -> Buffer) {
      let continuing = max(size.choosing, size.scored)
      stream = take(size.rows, c.hiddenSize)
      attention = SelfAttention.Activations(rows: size.rows, queryRows: size.rows, c, layout, take)
      feedForward = FeedForward.Activations(rows: size.rows, c, layout, take)
      scratch = LayerScratch(c, rows: size.rows, continuing: continuing, take)
      head = HeadLayer.Buffers(c, for: .scores, scored: continuing, targets: 0, take)
      let parts = Attention.queryParts(
        queries: size.choosing, keys: size.positions, heads: c.headCount, headWidth: c.headWidth)
      queryParts = take(parts.rows, parts.columns)
      int8Rows = take(size.rows, c.int8Width)
      logits = take(size.choosing, c.vocabularySize)
    }
  }

  /// - Parameter pool: with scratch for attention.
  package init(_ policy: Policy, _ size: Size, pool: ThreadPool) {
    let c = policy.model.configuration
    precondition(policy.adapter.map { $0.layout.configuration == c } ?? true, "an adapter of another model")
    (self.policy, self.pool) = (policy, pool)
    cache = KeyValueCache(c, rows: size.cached)
    buffers = Buffers(c, policy.adapter?.layout, size, Matrix.init(rows:columns:))
    head = HeadLayer(
      buffers: buffers.head, softmax: HeadSoftmax(capacity: max(size.choosing, size.scored)))
    ropeTable = rotaryTable(positions: size.positions, c)
  }

  /// Bytes that cache and buffers occupy when they are full.
  package static func byteCount(_ c: ModelConfiguration, _ layout: AdapterLayout?, _ size: Size) -> Int {
    var bytes = KeyValueCache.byteCount(c, rows: size.cached) + 4 * size.positions * c.headWidth
    _ = Buffers(c, layout, size) { rows, columns in bytes += MatrixSize(rows: rows, columns: columns).bytes }
    return bytes
  }

  // MARK: Runs

  /// Reads parts of prompts. A span may follow another one of the same call.
  ///
  /// - Parameters:
  ///   - wanted: the spans after whose last tokens a token is chosen, ascending.
  ///   - isStopped: called before every layer.
  /// - Returns: logits [wanted.count, V], or nil when it was stopped. The next call overwrites them.
  package func read(_ spans: [CachedSpan], wanted: [Int], isStopped: () -> Bool = { false }) throws -> Matrix? {
    let batch = Batch(spans)
    let continuing = wanted.map { Int32(batch.starts[$0 + 1] - 1) }
    let plan = Attention.QueryPlan(wanted.map { batch.paths[$0].keys })
    let run = Run(batch: batch, continuing: continuing, attention: .paths, last: .queries(plan))
    guard try forward(run, rowProducts: .ofContinuing, isStopped) else { return nil }
    return logits(rows: wanted.count)
  }

  /// Runs the next token of many sequences: spans of one token each.
  /// - Returns: logits [spans.count, V], or nil when it was stopped. The next call overwrites them.
  package func decode(_ spans: [CachedSpan], isStopped: () -> Bool = { false }) throws -> Matrix? {
    precondition(spans.allSatisfy { $0.tokens.count == 1 }, "several tokens of one sequence are decoded at once")
    let batch = Batch(spans)
    let plan = Attention.QueryPlan(batch.paths.map(\.keys))
    let run = Run(batch: batch, continuing: nil, attention: .queries(plan), last: .queries(plan))
    guard try forward(run, rowProducts: .always, isStopped) else { return nil }
    return logits(rows: spans.count)
  }

  /// The log-probs of tokens after rows of the spans. A span may follow another one of the same call.
  /// - Parameters:
  ///   - rows: rows of all spans, end to end, ascending.
  ///   - targets: tokens, and the index in `rows` of the row that predicts each.
  package func score(
    _ spans: [CachedSpan], rows: [Int], targets: [(row: Int, token: Int32)]
  ) throws -> [TargetScore] {
    let batch = Batch(spans)
    let run = Run(
      batch: batch, continuing: rows.map(Int32.init), attention: .paths, last: .scored(batch.paths(of: rows)))
    _ = try forward(run, rowProducts: .never) { false }
    guard !targets.isEmpty else { return [] }
    let asked = targets.map { TreeBatch.Target(scored: $0.row, token: $0.token, sum: 0) }
    let context = PassContext(
      policy: policy, pool: pool, ropeTable: ropeTable, int8Rows: Int8Rows(buffers.int8Rows))
    let found = try head.logProbabilities(asked, rows: rows.count, context)
    pool.clock.enter(.input)
    return zip(asked, found).map {
      TargetScore(logProbability: $1, isBest: head.softmax.best(row: $0.scored) == $0.token)
    }
  }

  private func logits(rows: Int) -> Matrix {
    let logits = buffers.logits.prefix(rows)
    if rows > 0 {
      let weight = policy.model.head
      Products.computeRows(
        [Product(logits, [.forward(buffers.head.normed.prefix(rows), weight)])],
        int8Rows: Int8Rows(buffers.int8Rows), phase: .head, pool)
    }
    return logits
  }

  // MARK: Layers

  /// The rows of all spans, end to end.
  private struct Batch {
    let spans: [CachedSpan]
    var tokens: [Int32] = []
    var positions: [Int32] = []
    var paths: [Attention.PathQueries] = []
    /// The first row of each span; the last entry is the total.
    var starts = [0]

    init(_ spans: [CachedSpan]) {
      self.spans = spans
      for span in spans {
        let start = tokens.count
        tokens += span.tokens
        positions += (span.before.count..<span.before.count + span.tokens.count).map(Int32.init)
        paths.append(Attention.PathQueries(rows: start..<tokens.count, keys: span.before.appending(span.places)))
        starts.append(tokens.count)
      }
    }

    /// The queries of some rows, when only those have queries.
    func paths(of rows: [Int]) -> [Attention.PathQueries] {
      var found: [Attention.PathQueries] = []
      var span = 0
      var place = 0
      while place < rows.count {
        while rows[place] >= starts[span + 1] { span += 1 }
        var end = place + 1
        while end < rows.count, rows[end] == rows[end - 1] + 1, rows[end] < starts[span + 1] { end += 1 }
        let seen = spans[span].before.count + rows[end - 1] - starts[span] + 1
        found.append(Attention.PathQueries(rows: place..<end, keys: paths[span].keys.prefix(seen)))
        place = end
      }
      return found
    }
  }

  /// What a run computes.
  private struct Run {
    enum Queries {
      case paths
      case scored([Attention.PathQueries])
      case queries(Attention.QueryPlan)
    }

    let batch: Batch
    /// The rows that continue past the last layer's keys and values; nil: all.
    let continuing: [Int32]?
    let attention, last: Queries
  }

  /// Fills the head's normed rows.
  private func forward(
    _ run: Run, rowProducts: PassContext.RowProducts, _ isStopped: () -> Bool
  ) throws -> Bool {
    policy.refresh(pool)
    defer { pool.clock.enter(.input) }
    let context = PassContext(
      policy: policy, pool: pool, ropeTable: ropeTable, int8Rows: Int8Rows(buffers.int8Rows), rowProducts: rowProducts)
    let stream = buffers.stream.prefix(run.batch.tokens.count)
    try EmbeddingLayer.forward(stream, run.batch.tokens, context)
    for layer in 0..<configuration.layerCount {
      if isStopped() { return false }
      let isLast = layer == configuration.layerCount - 1
      let rows = LayerRows(positions: run.batch.positions, continuing: isLast ? run.continuing : nil)
      try self.run(
        layer, stream, into: isLast ? buffers.head.final : stream, rows, run.batch, isLast ? run.last : run.attention,
        context)
    }
    let continuing = run.continuing?.count ?? run.batch.tokens.count
    if continuing > 0 { try head.norm(rows: continuing, context) }
    return true
  }

  /// Runs one layer. Its results go to the first rows of `output`, which may be `stream`.
  private func run(
    _ layer: Int, _ stream: Matrix, into output: Matrix, _ rows: LayerRows, _ batch: Batch, _ queries: Run.Queries,
    _ context: PassContext
  ) throws {
    let count = rows.queryCount
    let attention = buffers.attention
    // Without rows that continue, attention is not asked for.
    func store() {
      for (place, span) in batch.spans.enumerated() {
        let own = batch.starts[place]..<batch.starts[place + 1]
        cache.store(attention.k.rows(own), attention.v.rows(own), layer: layer, at: span.places)
      }
    }
    try SelfAttention(layer: layer).forward(
      stream, into: buffers.feedForward.middle.prefix(count), rows, attention, buffers.scratch, context
    ) { q, result, _ in
      store()
      attend(queries, q, result, batch, layer)
    }
    guard count > 0 else { return store() }
    let feedForward = FeedForward(layer: layer, isContinuing: rows.continuing != nil)
    try feedForward.forward(rows: count, buffers.feedForward, buffers.scratch, context)
    try feedForward.finish(into: output.prefix(count), buffers.feedForward, buffers.scratch, context)
  }

  private func attend(_ queries: Run.Queries, _ q: Matrix, _ result: Matrix, _ batch: Batch, _ layer: Int) {
    let (k, v, width) = (cache.keys[layer], cache.values[layer], configuration.headWidth)
    switch queries {
    case .paths: Attention.forward(result, q: q, k: k, v: v, paths: batch.paths, headWidth: width, pool)
    case .scored(let paths): Attention.forward(result, q: q, k: k, v: v, paths: paths, headWidth: width, pool)
    case .queries(let plan):
      Attention.forward(result, q: q, k: k, v: v, plan: plan, headWidth: width, parts: buffers.queryParts, pool)
    }
  }
}
