// One pass of a micro-batch through the model, and the protocol of its observers.

package import Tensors

/// Observes every kernel's result: the debug mode's finite checks and norms.
package protocol PassObserver: AnyObject {
  /// - Parameter layer: nil for the embedding, the final norm and the head.
  func observe(_ kernel: String, layer: Int?, _ values: Matrix) throws
}

/// Dropout of LoRA inputs for one step.
package struct DropoutDraw: Sendable, Equatable {
  package var probability: Float
  /// The run's seed.
  package var seed: UInt64
  /// The optimizer step, so that each epoch draws a new dropout mask for an example.
  package var step: UInt64

  package init(probability: Float, seed: UInt64, step: UInt64) {
    // A probability such as 0.99999999 is 1 in fp32. Dropout would then keep nothing and scale by infinity.
    (self.probability, self.seed, self.step) = (min(probability, Float(1).nextDown), seed, step)
  }
}

/// Runs trees through the frozen model and an optional adapter: forward, head, backward.
///
/// One instance serves one rank and allocates its memory once. Results do not depend on the number of threads. The
/// results of a tree do not depend on the other trees in the batch.
package final class Pass {
  package let model: Qwen2
  package let pool: ThreadPool
  let workspace: Workspace<Matrix>
  let softmax: HeadSoftmax
  let ropeTable: Matrix
  package weak var observer: (any PassObserver)?

  // The current micro-batch.
  var batch = TreeBatch([])
  var adapter: Adapter?
  var dropoutRows: Kernels.DropoutRows?

  /// - Parameters:
  ///   - layout: of the adapters that will be used.
  ///   - capacity: the largest micro-batch to come.
  ///   - positions: the longest prompt + completion to come.
  ///   - dropout: whether any pass will use dropout.
  package init(
    model: Qwen2, layout: AdapterLayout?, capacity: Capacity, positions: Int, retention: Retention,
    dropout: Bool = false, threads: Int
  ) {
    self.model = model
    let c = model.configuration
    pool = ThreadPool(threads: threads, scratchCount: Attention.scratchCount(headWidth: c.headWidth))
    workspace = Workspace(
      c, layout, capacity: capacity, retention: retention, dropout: dropout, make: Matrix.init(rows:columns:))
    softmax = HeadSoftmax(capacity: capacity.scoredRows)
    ropeTable = rotaryTable(positions: positions, width: c.headWidth, theta: c.ropeTheta)
  }

  /// Bytes of memory that a pass with these settings takes.
  package static func byteCount(
    _ c: ModelConfiguration, _ layout: AdapterLayout?, capacity: Capacity, positions: Int, retention: Retention,
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

  /// Log-prob sums (nats) of the batch, in order of `batch.sumTokens`.
  /// - Parameter adapter: nil for the frozen model alone.
  package func logProbabilities(
    _ batch: TreeBatch, adapter: Adapter?, dropout: DropoutDraw? = nil
  ) throws -> [Double] {
    defer { pool.clock.enter(.input) }
    try forward(batch, adapter: adapter, dropout: dropout, keeping: false)
    return try headForward(expecting: false)
  }

  /// Log-prob of every target token (nats) of the batch, in order of `batch.targets`.
  package func tokenLogProbabilities(_ batch: TreeBatch, adapter: Adapter?) throws -> [Double] {
    defer { pool.clock.enter(.input) }
    try forward(batch, adapter: adapter, dropout: nil, keeping: false)
    return try headTokens(expecting: false)
  }

  /// Returns log-prob sums of the batch. Computes the gradient of Σ coefficient · sum by every LoRA entry.
  ///
  /// - Parameters:
  ///   - gradient: an arena of the adapter's layout; overwritten.
  ///   - coefficients: computes d loss / d sum for each of the sums.
  package func gradient(
    _ batch: TreeBatch, adapter: Adapter, dropout: DropoutDraw?, into gradient: Storage,
    coefficients: ([Double]) throws -> [Double]
  ) throws -> [Double] {
    guard let scratch = workspace.gradient else { preconditionFailure("this pass has no memory for the way back") }
    defer { pool.clock.enter(.input) }
    try forward(batch, adapter: adapter, dropout: dropout, keeping: true)
    let sums = try headForward(expecting: true)
    let weights = try coefficients(sums)
    precondition(weights.count == sums.count, "\(weights.count) coefficients for \(sums.count) sums")
    try backward(weights, scratch, into: gradient)
    return sums
  }

  func observe(_ kernel: String, layer: Int?, _ values: Matrix) throws {
    try observer?.observe(kernel, layer: layer, values)
  }

  private func forward(_ batch: TreeBatch, adapter: Adapter?, dropout: DropoutDraw?, keeping: Bool) throws {
    let need = Capacity(batch)
    precondition(need.union(workspace.capacity) == workspace.capacity, "\(need) exceeds \(workspace.capacity)")
    precondition(adapter == nil || adapter?.layout == workspace.layout, "an adapter of another layout")
    precondition((dropout?.probability ?? 0) == 0 || workspace.dropped != nil, "this pass has no memory for dropout")
    (self.batch, self.adapter) = (batch, adapter)
    workspace.isKeeping = keeping
    dropoutRows = dropout.flatMap { draw in draw.probability > 0 ? rows(of: batch, draw) : nil }
    let layers = model.configuration.layerCount
    let input = workspace.hidden(layer: 0).prefix(batch.rows)
    Kernels.embed(input, ids: batch.tokens, table: model.embedding, pool)
    try observe("embedding", layer: nil, input)
    for layer in 0..<layers {
      try forwardLayer(layer)
      let last = layer == layers - 1
      try forwardDown(
        layer,
        into: last
          ? workspace.final.prefix(batch.scoredRows.count) : workspace.hidden(layer: layer + 1).prefix(batch.rows))
    }
    let final = workspace.final.prefix(batch.scoredRows.count)
    Kernels.rmsNormForward(
      workspace.finalNormed.prefix(final.rows), inverse: workspace.finalInverse.prefix(final.rows), final,
      weight: model.finalNorm, epsilon: model.configuration.normEpsilon, pool)
    try observe("final norm", layer: nil, workspace.finalNormed.prefix(final.rows))
  }

  /// Dropout's random numbers depend on the example, the step and the row in the tree, not on the rank or the batch.
  private func rows(of batch: TreeBatch, _ draw: DropoutDraw) -> Kernels.DropoutRows {
    var counters: [UInt64] = []
    counters.reserveCapacity(2 * batch.rows)
    for row in 0..<batch.rows {
      let example = UInt64(batch.exampleIndices[batch.treeOfRow[row]])
      counters.append(draw.step << 32 | example)
      counters.append(UInt64(batch.placeInTree[row]))
    }
    return Kernels.DropoutRows(probability: draw.probability, key: draw.seed, counters: counters)
  }
}
