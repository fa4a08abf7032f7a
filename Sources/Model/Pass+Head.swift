// The head: log-probs of the target tokens. The same loop over the vocabulary also gathers data for their gradient.
//
// A loss is a function of completion sums. Its gradient by a row's hidden state is therefore Σ coefficient · (W_target)
// − (Σ coefficient) · Σ softmax · W. The last sum is gathered tile by tile under a running maximum, as attention
// gathers values. The logits never exist as a whole.

import Tensors

extension Pass {
  /// Sums of log-probs over the tokens of each completion (and of each scored prompt), in fp64.
  func headForward(expecting: Bool) throws -> [Double] {
    var sums = [Double](repeating: 0, count: batch.sumTokens.count)
    for (target, logp) in zip(batch.targets, try headTokens(expecting: expecting)) { sums[target.sum] += logp }
    return sums
  }

  /// The log-prob of every target.
  /// - Parameter expecting: whether to gather Σ exp · weight for the gradient.
  func headTokens(expecting: Bool) throws -> [Double] {
    pool.clock.enter(.head)
    let hidden = workspace.finalNormed.prefix(batch.scoredRows.count)
    let expected = expecting ? workspace.expected.prefix(hidden.rows) : nil
    let vocabulary = model.configuration.vocabularySize
    var chosen = [Float](repeating: 0, count: batch.targets.count)
    softmax.reset()
    if let expected { Kernels.clear(expected, pool) }
    for start in stride(from: 0, to: vocabulary, by: headTile) {
      let tile = start..<min(start + headTile, vocabulary)
      let logits = workspace.logits.reshaped(rows: hidden.rows, columns: tile.count)
      let weight = model.head.rows(tile)
      Products.compute(logits, [.forward(hidden, weight)], phase: .head, pool)
      try observe("logits", layer: nil, logits)
      for (i, target) in batch.targets.enumerated() where tile.contains(Int(target.token)) {
        chosen[i] = logits[target.scored, Int(target.token) - start]
      }
      softmax.add(logits, accumulated: expected, pool)
      if let expected {
        Products.compute(expected, from: .matrix(expected), [.backward(logits, weight)], phase: .head, pool)
      }
    }
    return zip(batch.targets, chosen).map { Double($1) - softmax.logSum(row: $0.scored) }
  }

  /// Computes the gradient of the scored rows' residual stream [S, D] from d loss / d sum.
  func headBackward(_ coefficients: [Double], _ dnormed: Matrix, _ dstream: Matrix) throws {
    let targetRows = workspace.targetRows.prefix(batch.targets.count)
    Kernels.embed(targetRows, ids: batch.targets.map(\.token), table: model.head, pool)
    softmax.gradient(
      dnormed, expected: workspace.expected, targetRows: targetRows,
      targets: batch.targets.map { ($0.scored, Float(coefficients[$0.sum])) }, pool)
    try observe("gradient of the final norm's output", layer: nil, dnormed)
    Kernels.clear(dstream, pool)
    Kernels.rmsNormBackward(
      dstream, dnormed, workspace.final.prefix(dnormed.rows), inverse: workspace.finalInverse.prefix(dnormed.rows),
      weight: model.finalNorm, pool)
    try observe("gradient of the final norm's input", layer: nil, dstream)
  }

  /// Runs the whole backward pass, from the head down to the first layer's adapters.
  func backward(_ coefficients: [Double], _ scratch: Workspace<Matrix>.Gradient, into gradient: Storage) throws {
    let scored = batch.scoredRows.count
    // The last layer's gradient has its own rows, because the gradient of its input uses the stream's rows.
    var stream = scratch.scored.prefix(scored)
    try headBackward(coefficients, scratch.gathered.prefix(scored), stream)
    let layers = model.configuration.layerCount
    let recomputed = workspace.retention.recomputedLayers(of: layers)
    for layer in stride(from: layers - 1, through: 0, by: -1) {
      if layer < recomputed { try forwardLayer(layer) }
      guard let below = try backwardLayer(layer, stream, scratch, into: gradient) else { return }
      stream = below
    }
  }
}
