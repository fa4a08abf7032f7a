// One pass of a micro-batch of trees through a policy: forward, head, backward.

package import Tensors

/// Runs trees through a policy.
///
/// One instance serves one rank and allocates its memory once. Results do not depend on the number of threads. The
/// results of a tree do not depend on the other trees in the batch.
package final class Pass {
  package let pool: ThreadPool
  package weak var observer: (any PassObserver)?
  private let configuration: ModelConfiguration
  private let layout: PolicyLayout?
  private let workspace: Workspace<Matrix>
  private let head: HeadLayer
  private let ropeTable: Matrix

  /// - Parameters:
  ///   - layout: of the policies that will be trained; their adapters have its shape. Nil: frozen models alone.
  ///   - capacity: the largest micro-batch to come.
  ///   - positions: the longest prompt + completion to come.
  ///   - dropout: whether any pass will use dropout.
  package init(
    _ c: ModelConfiguration, layout: PolicyLayout?, capacity: Capacity, positions: Int, retention: Retention,
    dropout: Bool = false, threads: Int
  ) {
    (configuration, self.layout) = (c, layout)
    pool = ThreadPool(threads: threads, scratchCount: Attention.scratchCount(headWidth: c.headWidth))
    workspace = Workspace(
      c, layout, capacity: capacity, retention: retention, dropout: dropout, make: Matrix.init(rows:columns:))
    head = HeadLayer(buffers: workspace.head, softmax: HeadSoftmax(capacity: capacity.scoredRows))
    ropeTable = rotaryTable(positions: positions, c)
  }

  /// Bytes of memory that a pass with these settings takes.
  package static func byteCount(
    _ c: ModelConfiguration, _ layout: PolicyLayout?, capacity: Capacity, positions: Int, retention: Retention,
    dropout: Bool, threads: Int
  ) -> Int {
    let workspace = Workspace(
      c, layout, capacity: capacity, retention: retention, dropout: dropout, make: MatrixSize.init)
    let scratch = ThreadPool.byteCount(threads: threads, scratchCount: Attention.scratchCount(headWidth: c.headWidth))
    let ropeTable = MatrixSize(rows: positions, columns: c.headWidth)
    return (workspace.buffers + [ropeTable]).reduce(scratch) { $0 + $1.bytes }
  }

  /// Bytes of memory that this pass has taken.
  package var byteCount: Int { (workspace.buffers + [ropeTable]).reduce(pool.byteCount) { $0 + 4 * $1.storage.count } }

  /// Makes all memory resident now, so that no step has page faults or runs out of memory.
  /// - Throws: `MemoryShortage`.
  package func populate() throws { try pool.populate(workspace.buffers.map(\.storage)) }

  // MARK: Results

  /// Log-prob sums (nats) of the batch, in order of `batch.sumTokens`.
  package func logProbabilities(
    _ batch: TreeBatch, _ policy: Policy, dropout: RandomDraw? = nil
  ) throws -> [Double] {
    Self.sums(try tokenLogProbabilities(batch, policy, dropout: dropout), batch)
  }

  /// Log-prob of every target token (nats) of the batch, in order of `batch.targets`.
  package func tokenLogProbabilities(
    _ batch: TreeBatch, _ policy: Policy, dropout: RandomDraw? = nil
  ) throws -> [Double] {
    defer { pool.clock.enter(.input) }
    let context = context(batch, policy, dropout)
    try forward(batch, context, keeping: false)
    return try head.logProbabilities(batch.targets, rows: batch.scoredRows.count, context)
  }

  /// Returns log-prob sums of the batch. Computes the gradient of Σ coefficient · sum by every parameter.
  /// - Parameters:
  ///   - policy: has the layout of this pass.
  ///   - sink: takes the gradients.
  ///   - coefficients: computes d loss / d sum for each of the sums.
  package func gradient(
    _ batch: TreeBatch, _ policy: Policy, dropout: RandomDraw?, into sink: any GradientSink,
    coefficients: ([Double]) throws -> [Double]
  ) throws -> [Double] {
    try gradient(batch, policy, dropout, sink, known: nil, coefficients)
  }

  /// The same where the coefficients do not depend on the sums, which saves work.
  package func gradient(
    _ batch: TreeBatch, _ policy: Policy, dropout: RandomDraw?, into sink: any GradientSink, coefficients: [Double]
  ) throws -> [Double] {
    try gradient(batch, policy, dropout, sink, known: coefficients) { _ in coefficients }
  }

  private func gradient(
    _ batch: TreeBatch, _ policy: Policy, _ dropout: RandomDraw?, _ sink: any GradientSink, known: [Double]?,
    _ coefficients: ([Double]) throws -> [Double]
  ) throws -> [Double] {
    guard let scratch = workspace.gradient, let layout, policy.layout == layout else {
      preconditionFailure("this pass has no memory for the way back of such a policy")
    }
    defer { pool.clock.enter(.input) }
    func require(_ found: [Double]) {
      let count = batch.sumTokens.count
      precondition(found.count == count, "\(found.count) coefficients for \(count) sums")
    }
    if let known { require(known) }
    let context = context(batch, policy, dropout)
    try forward(batch, context, keeping: true)
    let gradients = ParameterGradients(layout: layout, sink: sink, buffer: scratch.parameter, pool: pool)
    // The last layer's gradient has its own rows, because the gradient of its input uses the stream's rows.
    let scored = batch.scoredRows.count
    let stream = scratch.scored.prefix(scored)
    let tokens = try head.gradient(
      known: known, scratch.gathered.prefix(scored), stream, batch, context, gradients
    ) { tokens in
      let found = try coefficients(Self.sums(tokens, batch))
      require(found)
      return found
    }
    try backward(stream, batch, context, scratch, gradients)
    return Self.sums(tokens, batch)
  }

  /// How often a batch of this capacity adds to one entry at most.
  package var usesOfParameter: Int {
    guard let layout, layout.headRange != nil else { return 1 }
    return HeadLayer.uses(scoredRows: workspace.capacity.scoredRows) + (layout.sharesHead ? 1 : 0)
  }

  /// Sums of log-probs over the tokens of each completion (and of each scored prompt), in fp64.
  private static func sums(_ tokens: [Double], _ batch: TreeBatch) -> [Double] {
    var sums = [Double](repeating: 0, count: batch.sumTokens.count)
    for (target, logp) in zip(batch.targets, tokens) { sums[target.sum] += logp }
    return sums
  }

  private func context(_ batch: TreeBatch, _ policy: Policy, _ draw: RandomDraw?) -> PassContext {
    policy.refresh(pool)
    let need = Capacity(batch)
    precondition(need.union(workspace.capacity) == workspace.capacity, "\(need) exceeds \(workspace.capacity)")
    precondition(
      policy.adapter == nil || policy.adapter?.layout == layout?.adapter, "an adapter of another layout")
    let rows = DropoutRows(draw, batch)
    precondition(rows == nil || workspace.dropped != nil, "this pass has no memory for dropout")
    return PassContext(
      policy: policy, pool: pool, ropeTable: ropeTable, dropout: rows,
      noise: EmbeddingNoise(draw, batch, width: configuration.hiddenSize), droppedInput: workspace.dropped,
      observer: observer, int8Rows: Int8Rows(workspace.int8Rows))
  }

  // MARK: Layers

  /// The rows of a layer: in the last one only scored rows continue.
  private func rows(_ batch: TreeBatch, _ layer: Int) -> LayerRows {
    LayerRows(
      positions: batch.positions, continuing: layer == configuration.layerCount - 1 ? batch.scoredRows : nil)
  }

  private func trees(_ batch: TreeBatch, _ rows: LayerRows) -> [Attention.Tree] {
    rows.continuing == nil ? batch.trees : batch.scoredTrees
  }

  private func forward(_ batch: TreeBatch, _ context: PassContext, keeping: Bool) throws {
    workspace.isKeeping = keeping
    try EmbeddingLayer.forward(workspace.hidden(layer: 0).prefix(batch.rows), batch.tokens, context)
    let (layers, scored) = (configuration.layerCount, batch.scoredRows.count)
    for layer in 0..<layers {
      try forward(layer, batch, context)
      try FeedForward(layer: layer, isContinuing: layer == layers - 1).finish(
        into: layer == layers - 1
          ? workspace.head.final.prefix(scored) : workspace.hidden(layer: layer + 1).prefix(batch.rows),
        workspace.feedForward(layer: layer), workspace.scratch, context)
    }
    try head.norm(rows: scored, context)
  }

  /// Runs a layer up to the down projection and fills its activations.
  private func forward(_ layer: Int, _ batch: TreeBatch, _ context: PassContext) throws {
    let rows = rows(batch, layer)
    let (attention, feedForward) = (workspace.attention(layer: layer), workspace.feedForward(layer: layer))
    try SelfAttention(layer: layer).forward(
      workspace.hidden(layer: layer).prefix(rows.count), into: feedForward.middle.prefix(rows.queryCount), rows,
      attention, workspace.scratch, context
    ) { q, result, logsum in
      Attention.forward(
        result, logsum: logsum, q: q, k: attention.k.prefix(rows.count), v: attention.v.prefix(rows.count),
        segments: trees(batch, rows).flatMap(\.segments), headWidth: configuration.headWidth, pool)
    }
    try FeedForward(layer: layer, isContinuing: rows.continuing != nil).forward(
      rows: rows.queryCount, feedForward, workspace.scratch, context)
  }

  /// Runs the backward pass from below the head down to the lowest parameter.
  private func backward(
    _ stream: Matrix, _ batch: TreeBatch, _ context: PassContext, _ scratch: GradientScratch<Matrix>,
    _ gradients: ParameterGradients
  ) throws {
    var stream = stream
    let layers = configuration.layerCount
    let recomputed = workspace.retention.recomputedLayers(of: layers)
    for layer in stride(from: layers - 1, through: 0, by: -1) {
      guard gradients.layout.needsInputGradient(layer + 1) else { return }
      if layer < recomputed { try forward(layer, batch, context) }
      let rows = rows(batch, layer)
      try FeedForward(layer: layer, isContinuing: rows.continuing != nil).backward(
        stream, workspace.feedForward(layer: layer), workspace.scratch, scratch, context, gradients)
      let below = try SelfAttention(layer: layer).backward(
        stream, x: workspace.hidden(layer: layer).prefix(rows.count), rows, trees: trees(batch, rows),
        workspace.attention(layer: layer), workspace.scratch, scratch, context, gradients)
      guard let below else { return }
      stream = below
    }
    try EmbeddingLayer.backward(stream, batch.tokens, context, gradients)
  }
}
