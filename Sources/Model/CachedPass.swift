// The forward pass for tokens that follow cached tokens: a prompt in pieces, or one token at a time.
//
// It runs the layers of `Pass` and keeps nothing for a gradient. Several rows use the packed products. A single row
// uses products that read each weight once from memory.

package import Tensors

/// Runs tokens through model and adapter and stores their keys and values in a cache.
package final class CachedPass {
  private let model: Qwen2
  private let adapter: Adapter?
  let pool: ThreadPool
  private let cache: KeyValueCache
  /// The logits of the last token whose logits were requested [1, V].
  package let logits: Matrix
  private let buffers: Buffers
  private let ropeTable: Matrix
  private var configuration: ModelConfiguration { model.configuration }

  /// Rows for one piece of a prompt [N, …].
  private struct Buffers {
    let stream, normed, q, attention, logsum, gate, up, wide, reduced: Matrix
    /// [1, D].
    let finalNormed: Matrix
    let queryParts: Matrix

    init(_ c: ModelConfiguration, _ layout: AdapterLayout?, rows n: Int, capacity: Int) {
      stream = Matrix(rows: n, columns: c.hiddenSize)
      normed = Matrix(rows: n, columns: c.hiddenSize)
      q = Matrix(rows: n, columns: c.queryWidth)
      attention = Matrix(rows: n, columns: c.queryWidth)
      logsum = Matrix(rows: n, columns: c.headCount)
      gate = Matrix(rows: n, columns: c.feedForwardSize)
      up = Matrix(rows: n, columns: c.feedForwardSize)
      wide = Matrix(rows: n, columns: c.feedForwardSize)
      reduced = Matrix(rows: n, columns: InputGroup.allCases.map { layout?.reducedWidth(of: $0) ?? 0 }.max() ?? 0)
      finalNormed = Matrix(rows: 1, columns: c.hiddenSize)
      queryParts = Attention.queryParts(keys: capacity, heads: c.headCount, headWidth: c.headWidth)
    }

    static func byteCount(_ c: ModelConfiguration, rows: Int) -> Int {
      4 * rows * (2 * c.hiddenSize + 2 * c.queryWidth + c.headCount + 3 * c.feedForwardSize)
    }
  }

  /// - Parameters:
  ///   - capacity: the maximum number of tokens in the cache.
  ///   - rows: the maximum number of tokens of one call.
  ///   - pool: with scratch for attention.
  package init(model: Qwen2, adapter: Adapter?, capacity: Int, rows: Int, pool: ThreadPool) {
    precondition(adapter.map { $0.layout.configuration == model.configuration } ?? true, "an adapter of another model")
    let c = model.configuration
    (self.model, self.adapter, self.pool) = (model, adapter, pool)
    cache = KeyValueCache(c, capacity: capacity)
    buffers = Buffers(c, adapter?.layout, rows: rows, capacity: capacity)
    logits = Matrix(rows: 1, columns: c.vocabularySize)
    ropeTable = rotaryTable(positions: capacity, width: c.headWidth, theta: c.ropeTheta)
  }

  /// Bytes that cache and buffers occupy when they are full.
  static func byteCount(_ c: ModelConfiguration, capacity: Int, rows: Int) -> Int {
    KeyValueCache.byteCount(c, capacity: capacity) + Buffers.byteCount(c, rows: rows)
      + 4 * (capacity * c.headWidth + c.vocabularySize)
  }

  /// Removes all tokens from the cache.
  package func reset() { cache.reset() }

  /// Runs tokens that follow those in the cache.
  ///
  /// - Parameters:
  ///   - wantsLogits: whether to set `logits` to those after the last token.
  ///   - isStopped: called before every layer.
  /// - Returns: false when it was stopped; the cache is then unchanged.
  package func run(_ tokens: ArraySlice<Int32>, wantsLogits: Bool, isStopped: () -> Bool) -> Bool {
    let n = tokens.count
    let stream = buffers.stream.prefix(n)
    Kernels.embed(stream, ids: Array(tokens), table: model.embedding, pool)
    let last = configuration.layerCount - 1
    for layer in 0..<last {
      if isStopped() { return false }
      runLayer(layer, stream, from: 0)
    }
    if isStopped() { return false }
    // The last layer computes keys and values of all rows. Only the last row continues, and only if logits are wanted.
    runLayer(last, stream, from: wantsLogits ? n - 1 : n)
    if wantsLogits {
      Kernels.rmsNormForward(
        buffers.finalNormed, inverse: nil, stream.rows(n - 1..<n), weight: model.finalNorm,
        epsilon: configuration.normEpsilon, pool)
      Products.computeRows([RowProduct(logits, [.forward(buffers.finalNormed, model.head)])], phase: .head, pool)
    }
    cache.append(n)
    return true
  }

  /// Runs one layer. Its results replace the rows of `stream` from `first` on.
  private func runLayer(_ layer: Int, _ stream: Matrix, from first: Int) {
    let weights = model.layers[layer]
    let n = stream.rows
    let positions = (cache.count..<cache.count + n).map(Int32.init)

    // Attention.
    let normed = buffers.normed.prefix(n)
    norm(normed, stream, weights.inputNorm)
    let (k, v) = cache.next(n, layer: layer)
    let q = buffers.q.prefix(n - first)
    let keyValue = [(LinearModule.key, k), (.value, v)]
    if first == 0 {
      linear(layer, .attention, [(.query, q)] + keyValue, normed)
    } else {
      linear(layer, .attention, keyValue, normed)
      if first < n { linear(layer, .attention, [(.query, q)], normed.rows(first..<n)) }
    }
    Kernels.rope(k, positions: positions, table: ropeTable, .forward, pool)
    guard first < n else { return }
    Kernels.rope(q, positions: Array(positions[first...]), table: ropeTable, .forward, pool)
    let attention = buffers.attention.prefix(n - first)
    attend(attention, q, layer, rows: n)
    let residual = stream.rows(first..<n)
    linear(layer, .output, [(.output, residual)], attention, adding: true)

    // Feed-forward.
    let middleNormed = normed.prefix(n - first)
    norm(middleNormed, residual, weights.postAttentionNorm)
    let (gate, up, h) = (buffers.gate.prefix(n - first), buffers.up.prefix(n - first), buffers.wide.prefix(n - first))
    linear(layer, .feedForward, [(.gate, gate), (.up, up)], middleNormed)
    Kernels.swiGLUForward(h, gate: gate, up: up, pool)
    linear(layer, .down, [(.down, residual)], h, adding: true)
  }

  private func norm(_ y: Matrix, _ x: Matrix, _ weight: Matrix) {
    Kernels.rmsNormForward(y, inverse: nil, x, weight: weight, epsilon: configuration.normEpsilon, pool)
  }

  /// Attention of the last `q.rows` of `rows` new tokens over all keys.
  private func attend(_ out: Matrix, _ q: Matrix, _ layer: Int, rows: Int) {
    let (k, v) = cache.through(rows, layer: layer)
    if q.rows == 1 {
      Attention.forward(query: q, out, k: k, v: v, headWidth: configuration.headWidth, parts: buffers.queryParts, pool)
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
      out, logsum: buffers.logsum.prefix(q.rows), q: q, k: k, v: v, segments: segments,
      headWidth: configuration.headWidth, pool)
  }

  /// y (+)= W x + bias + s · B A x for linear layers that share their input. Only adapted layers have the LoRA term.
  private func linear(
    _ layer: Int, _ group: InputGroup, _ results: [(module: LinearModule, y: Matrix)], _ x: Matrix,
    adding: Bool = false
  ) {
    let adapted = reduce(layer, group, results.map(\.module), x)
    let products = results.map { module, y in
      var terms: [Term] = [.forward(x, model.layers[layer].weight(module))]
      if let adapter, let reduced = adapted[module],
        let b = adapter.layout.b(module, layer: layer, in: adapter.weights)
      {
        terms.append(.timesTransposed(reduced, b))
      }
      let bias = model.layers[layer].biases[module]
      let start = adding ? Products.Start.matrix(y) : bias.map(Products.Start.bias) ?? .zero
      return (y: y, start: start, terms: terms)
    }
    if x.rows == 1 {
      Products.computeRows(products.map { RowProduct($0.y, from: $0.start, $0.terms) }, pool)
    } else {
      for product in products { Products.compute(product.y, from: product.start, product.terms, pool) }
    }
  }

  /// s · x Aᵀ for the adapted layers of `modules`. They are adjacent in their group.
  private func reduce(
    _ layer: Int, _ group: InputGroup, _ modules: [LinearModule], _ x: Matrix
  ) -> [LinearModule: Matrix] {
    guard let adapter else { return [:] }
    let layout = adapter.layout
    let adapted = modules.filter { layout.shape($0, layer: layer) != nil }
    guard let a = layout.stackedA(adapted, layer: layer, in: adapter.weights) else { return [:] }
    let reduced = buffers.reduced.prefix(x.rows).columns(0..<a.rows)
    if x.rows == 1 {
      Products.computeRows([RowProduct(reduced, [.timesTransposed(x, a)])], phase: .lora, pool)
    } else {
      Products.compute(reduced, [.timesTransposed(x, a)], phase: .lora, pool)
    }
    layout.scale(reduced, adapted, layer: layer, pool)
    // The columns in the group begin with those of the first of these modules.
    let start = layout.columns(of: adapted, in: group, layer: layer).lowerBound
    return Dictionary(
      uniqueKeysWithValues: adapted.map { module in
        let columns = layout.columns(of: [module], in: group, layer: layer)
        return (module, reduced.columns(columns.lowerBound - start..<columns.upperBound - start))
      })
  }
}
