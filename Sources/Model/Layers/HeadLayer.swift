// The head: log-probs of the target tokens. The same loop over the vocabulary also gathers data for their gradient.
//
// A loss is a function of completion sums. Its gradient by a row's hidden state is therefore Σ coefficient · (W_target)
// − (Σ coefficient) · Σ softmax · W. The last sum is gathered tile by tile under a running maximum, as attention
// gathers values. The logits never exist as a whole. Where W is trained, see HeadLayer+Trained.swift.

import Tensors

struct HeadLayer {
  /// What the log-probs are computed for.
  enum Use { case scores, gradient, trainedGradient }

  /// What it needs for a batch.
  struct Buffers<Buffer> {
    /// The scored rows of the residual stream after the last layer [S, D], and their norms.
    let final, normed, inverse: Buffer
    /// A tile of logits [S, tile], Σ exp · weight [S, D], target rows of the head's weight [targets, D].
    let logits, expected, targetRows: Buffer
    /// Logits of a block of rows [block, V], where the head is trained.
    let kept: Buffer

    init(_ c: ModelConfiguration, for use: Use, scored: Int, targets: Int, _ take: (Int, Int) -> Buffer) {
      final = take(scored, c.hiddenSize)
      normed = take(scored, c.hiddenSize)
      inverse = take(scored, 1)
      logits = take(scored, min(headTile, c.vocabularySize))
      expected = take(use == .gradient ? scored : 0, c.hiddenSize)
      targetRows = take(use == .gradient ? targets : 0, c.hiddenSize)
      kept = take(use == .trainedGradient ? min(scored, keptRows) : 0, c.vocabularySize)
    }
  }

  let buffers: Buffers<Matrix>
  let softmax: HeadSoftmax

  /// The final norm of the scored rows.
  func norm(rows: Int, _ context: PassContext) throws {
    let norm = NormLayer.final(context.model)
    let normed = buffers.normed.prefix(rows)
    norm.forward(normed, inverse: buffers.inverse.prefix(rows), buffers.final.prefix(rows), context)
    try context.observe(norm.label, layer: nil, normed)
  }

  static func tiles(_ vocabulary: Int) -> [Range<Int>] {
    stride(from: 0, to: vocabulary, by: headTile).map { $0..<min($0 + headTile, vocabulary) }
  }

  private func logits(_ hidden: Matrix, _ tile: Range<Int>, _ context: PassContext) -> Matrix {
    let logits = buffers.logits.reshaped(rows: hidden.rows, columns: tile.count)
    Products.compute(
      logits, [.forward(hidden, context.model.head.rows(tile))], int8Rows: context.int8Rows, phase: .head, context.pool)
    return logits
  }

  /// The log-prob of every target, after `norm`.
  /// - Parameter expecting: whether to gather Σ exp · weight for the gradient.
  func logProbabilities(
    _ targets: [TreeBatch.Target], rows: Int, expecting: Bool = false, _ context: PassContext
  ) throws -> [Double] {
    let pool = context.pool
    pool.clock.enter(.head)
    let hidden = buffers.normed.prefix(rows)
    let expected = expecting ? buffers.expected.prefix(rows) : nil
    var chosen = [Float](repeating: 0, count: targets.count)
    softmax.reset()
    if let expected { Kernels.clear(expected, pool) }
    for tile in Self.tiles(context.configuration.vocabularySize) {
      let logits = logits(hidden, tile, context)
      try context.observe("logits", layer: nil, logits)
      Self.choose(from: logits, tile, rows: 0..<rows, targets, into: &chosen)
      softmax.add(logits, firstColumn: tile.lowerBound, accumulated: expected, pool)
      if let expected {
        Products.compute(
          expected, from: .matrix(expected), [.backward(logits, context.model.head.rows(tile))],
          int8Rows: context.int8Rows, phase: .head, pool)
      }
    }
    return zip(targets, chosen).map { Double($1) - softmax.logSum(row: $0.scored) }
  }

  /// Takes the logits of the targets that are in a tile of some rows.
  static func choose(
    from logits: Matrix, _ tile: Range<Int>, rows: Range<Int>, _ targets: [TreeBatch.Target], into chosen: inout [Float]
  ) {
    for (i, target) in targets.enumerated()
    where tile.contains(Int(target.token)) && rows.contains(target.scored) {
      chosen[i] = logits[target.scored - rows.lowerBound, Int(target.token) - tile.lowerBound]
    }
  }

  /// Computes the log-prob of every target, after `norm`; the gradient of the scored rows' residual stream [S, D]; and
  /// those of the head's weight and the final norm's.
  /// - Parameters:
  ///   - known: d loss / d sum of each sum, if it does not depend on the sums.
  ///   - dnormed: memory [S, D].
  ///   - coefficients: computes d loss / d sum from the log-probs of the targets.
  func gradient(
    known: [Double]?, _ dnormed: Matrix, _ dstream: Matrix, _ batch: TreeBatch, _ context: PassContext,
    _ gradients: ParameterGradients, _ coefficients: ([Double]) throws -> [Double]
  ) throws -> [Double] {
    let tokens: [Double]
    if let range = gradients.layout.headRange {
      tokens = try trainedGradient(
        known: known, dnormed, batch, at: range.lowerBound, context, gradients, coefficients)
    } else {
      tokens = try logProbabilities(batch.targets, rows: batch.scoredRows.count, expecting: true, context)
      try frozenGradient(known ?? coefficients(tokens), dnormed, batch, context)
    }
    try context.observe("gradient of the final norm's output", layer: nil, dnormed)
    let norm = NormLayer.final(context.model)
    let (final, inverse) = (buffers.final.prefix(dnormed.rows), buffers.inverse.prefix(dnormed.rows))
    try norm.weightGradient(dnormed, final, inverse: inverse, context, gradients)
    Kernels.clear(dstream, context.pool)
    norm.backward(dstream, dnormed, final, inverse: inverse, context)
    try context.observe("gradient of the final norm's input", layer: nil, dstream)
    return tokens
  }

  private func frozenGradient(
    _ coefficients: [Double], _ dnormed: Matrix, _ batch: TreeBatch, _ context: PassContext
  ) throws {
    let pool = context.pool
    let targetRows = buffers.targetRows.prefix(batch.targets.count)
    Kernels.embed(targetRows, ids: batch.targets.map(\.token), table: context.model.head, pool)
    let targets = batch.targets.map { (row: $0.scored, coefficient: Float(coefficients[$0.sum])) }
    softmax.gradient(dnormed, expected: buffers.expected, targetRows: targetRows, targets: targets, pool)
  }
}
