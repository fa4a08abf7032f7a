// The forward pass for tokens that follow cached tokens: a prompt in pieces, or one token at a time.
//
// It runs the layers of `Pass` and keeps nothing for a gradient. Several rows use the packed products. A single row
// uses products that read each weight once from memory.

package import Tensors

/// Runs tokens through a policy and stores their keys and values in a cache.
package final class CachedPass {
  private let policy: Policy
  let pool: ThreadPool
  private let cache: KeyValueCache
  /// The logits of the last token whose logits were requested [1, V].
  package let logits: Matrix
  private let buffers: Buffers<Matrix>
  private let ropeTable: Matrix
  private var configuration: ModelConfiguration { policy.model.configuration }

  /// Rows for one piece of a prompt [N, …]. All layers use the same.
  private struct Buffers<Buffer> {
    let stream: Buffer
    let attention: SelfAttention.Activations<Buffer>
    let feedForward: FeedForward.Activations<Buffer>
    let scratch: LayerScratch<Buffer>
    /// [1, D].
    let final, finalNormed: Buffer

    init(_ c: ModelConfiguration, _ layout: AdapterLayout?, rows n: Int, _ take: (Int, Int) -> Buffer) {
      stream = take(n, c.hiddenSize)
      attention = SelfAttention.Activations(rows: n, queryRows: n, holdsKeys: false, c, layout, take)
      feedForward = FeedForward.Activations(rows: n, c, layout, take)
      scratch = LayerScratch(c, rows: n, continuing: 1, take)
      final = take(1, c.hiddenSize)
      finalNormed = take(1, c.hiddenSize)
    }
  }

  private let queryParts: Matrix

  /// - Parameters:
  ///   - capacity: the maximum number of tokens in the cache.
  ///   - rows: the maximum number of tokens of one call.
  ///   - pool: with scratch for attention.
  package init(_ policy: Policy, capacity: Int, rows: Int, pool: ThreadPool) {
    let c = policy.model.configuration
    precondition(policy.adapter.map { $0.layout.configuration == c } ?? true, "an adapter of another model")
    (self.policy, self.pool) = (policy, pool)
    cache = KeyValueCache(c, capacity: capacity)
    buffers = Buffers(c, policy.adapter?.layout, rows: rows, Matrix.init(rows:columns:))
    queryParts = Attention.queryParts(keys: capacity, heads: c.headCount, headWidth: c.headWidth)
    logits = Matrix(rows: 1, columns: c.vocabularySize)
    ropeTable = rotaryTable(positions: capacity, c)
  }

  /// Bytes that cache and buffers occupy when they are full.
  static func byteCount(_ c: ModelConfiguration, capacity: Int, rows: Int) -> Int {
    var bytes = KeyValueCache.byteCount(c, capacity: capacity) + 4 * (capacity * c.headWidth + c.vocabularySize)
    _ = Buffers(c, nil, rows: rows) { rows, columns in bytes += MatrixSize(rows: rows, columns: columns).bytes }
    return bytes
  }

  /// Removes all tokens from the cache.
  package func reset() { cache.reset() }

  /// Runs tokens that follow those in the cache.
  ///
  /// - Parameters:
  ///   - wantsLogits: whether to set `logits` to those after the last token.
  ///   - isStopped: called before every layer.
  /// - Returns: false when it was stopped; the cache is then unchanged.
  package func run(_ tokens: ArraySlice<Int32>, wantsLogits: Bool, isStopped: () -> Bool) throws -> Bool {
    let n = tokens.count
    policy.refresh(pool)
    let context = PassContext(policy: policy, pool: pool, ropeTable: ropeTable, usesRowProducts: true)
    let positions = (cache.count..<cache.count + n).map(Int32.init)
    let stream = buffers.stream.prefix(n)
    try EmbeddingLayer.forward(stream, Array(tokens), context)
    for layer in 0..<configuration.layerCount {
      if isStopped() { return false }
      // The last layer computes keys and values of all rows. Only the last row continues, and only if logits are wanted.
      let isLast = layer == configuration.layerCount - 1
      let continuing = wantsLogits ? [Int32(n - 1)] : []
      let rows = LayerRows(positions: positions, continuing: isLast && continuing.count < n ? continuing : nil)
      try run(layer, stream, into: isLast ? buffers.final : stream, rows, context)
    }
    if wantsLogits {
      NormLayer.final(policy.model).forward(buffers.finalNormed, inverse: nil, buffers.final, context)
      context.compute([(logits, .zero, [.forward(buffers.finalNormed, policy.model.head)])], phase: .head)
    }
    cache.append(n)
    return true
  }

  /// Runs one layer. Its results go to the first rows of `output`, which may be `stream`.
  private func run(
    _ layer: Int, _ stream: Matrix, into output: Matrix, _ rows: LayerRows, _ context: PassContext
  ) throws {
    let queries = rows.queryCount
    var attention = buffers.attention
    (attention.k, attention.v) = cache.next(rows.count, layer: layer)
    try SelfAttention(layer: layer).forward(
      stream, into: buffers.feedForward.middle.prefix(queries), rows, attention, buffers.scratch, context
    ) { q, result, logsum in attend(result, logsum, q, layer, rows: rows.count) }
    guard queries > 0 else { return }
    let feedForward = FeedForward(layer: layer, isContinuing: rows.continuing != nil)
    try feedForward.forward(rows: queries, buffers.feedForward, buffers.scratch, context)
    try feedForward.finish(into: output.prefix(queries), buffers.feedForward, buffers.scratch, context)
  }

  /// Attention of the last `q.rows` of `rows` new tokens over all keys.
  private func attend(_ out: Matrix, _ logsum: Matrix, _ q: Matrix, _ layer: Int, rows: Int) {
    let (k, v) = cache.through(rows, layer: layer)
    if q.rows == 1 {
      Attention.forward(query: q, out, k: k, v: v, headWidth: configuration.headWidth, parts: queryParts, pool)
      return
    }
    // Split, so that every thread has work. The split does not change a query's bits.
    let block = 192
    let segments = stride(from: 0, to: q.rows, by: block).map { start in
      AttentionSegment(
        queryRow: start, queryCount: min(block, q.rows - start), prefixRow: 0, prefixCount: 0, ownRow: 0,
        ownOffset: cache.count + rows - q.rows + start)
    }
    Attention.forward(
      out, logsum: logsum, q: q, k: k, v: v, segments: segments, headWidth: configuration.headWidth, pool)
  }
}
