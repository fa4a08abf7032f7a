// A head whose weight is trained: its gradient needs the softmax of every logit, and so the whole row's sum first.

import Tensors

/// Rows whose logits are kept from their forward product until they have become their gradient, which saves a product.
/// Memory grows with them, and with fewer of them the head's gradient is added up more often.
let keptRows = 1024

extension HeadLayer {
  /// How often the gradient of the head's weight is added to.
  static func uses(scoredRows: Int) -> Int { blocks(scoredRows).count }

  private static func blocks(_ rows: Int) -> [Range<Int>] {
    stride(from: 0, to: rows, by: keptRows).map { $0..<min($0 + keptRows, rows) }
  }

  /// The log-prob of every target, and the gradients of the normed rows and of the weight.
  ///
  /// Block by block of rows: logits, then their gradient in place. Only where the coefficients depend on the sums and
  /// there are several blocks, the logits of all but the last are computed again.
  /// - Parameter offset: the weight's place in the arena.
  func trainedGradient(
    known: [Double]?, _ dnormed: Matrix, _ batch: TreeBatch, at offset: Int, _ context: PassContext,
    _ gradients: ParameterGradients, _ coefficients: ([Double]) throws -> [Double]
  ) throws -> [Double] {
    context.pool.clock.enter(.head)
    softmax.reset()
    Kernels.clear(dnormed, context.pool)
    let blocks = Self.blocks(dnormed.rows)
    var chosen = [Float](repeating: 0, count: batch.targets.count)
    func weighted(_ coefficients: [Double]) -> [(row: Int, coefficient: Float)] {
      batch.targets.map { (row: $0.scored, coefficient: Float(coefficients[$0.sum])) }
    }
    for block in blocks {
      try logits(of: block, context) { tile, logits in
        try context.observe("logits", layer: nil, logits)
        Self.choose(from: logits, tile, rows: block, batch.targets, into: &chosen)
        softmax.measure(logits, firstRow: block.lowerBound, context.pool)
      }
      if let known {
        try differentiate(block, weighted(known), dnormed, batch, at: offset, context, gradients)
      }
    }
    let tokens = zip(batch.targets, chosen).map { Double($1) - softmax.logSum(row: $0.scored) }
    guard known == nil else { return tokens }
    let targets = weighted(try coefficients(tokens))
    for block in blocks.reversed() {
      if block != blocks.last { logits(of: block, context) { _, _ in } }
      try differentiate(block, targets, dnormed, batch, at: offset, context, gradients)
    }
    return tokens
  }

  private func tile(_ tile: Range<Int>, of block: Range<Int>) -> Matrix {
    buffers.kept.prefix(block.count).columns(tile)
  }

  private func logits(
    of block: Range<Int>, _ context: PassContext, _ body: (Range<Int>, Matrix) throws -> Void
  ) rethrows {
    let hidden = buffers.normed.rows(block)
    for tile in Self.tiles(context.configuration.vocabularySize) {
      let logits = self.tile(tile, of: block)
      Products.compute(logits, [.forward(hidden, context.model.head.rows(tile))], phase: .head, context.pool)
      try body(tile, logits)
    }
  }

  /// dnormed = dlogits · W and dW = dlogitsᵀ · normed, tile by tile.
  private func differentiate(
    _ block: Range<Int>, _ all: [(row: Int, coefficient: Float)], _ dnormed: Matrix, _ batch: TreeBatch,
    at offset: Int, _ context: PassContext, _ gradients: ParameterGradients
  ) throws {
    let (hidden, own) = (buffers.normed.rows(block), dnormed.rows(block))
    let targets = all.filter { block.contains($0.row) }
    for tile in Self.tiles(context.configuration.vocabularySize) {
      let logits = self.tile(tile, of: block)
      let inTile = zip(batch.targets, all).compactMap { target, value in
        tile.contains(Int(target.token)) && block.contains(value.row)
          ? (row: value.row, column: Int(target.token) - tile.lowerBound, coefficient: value.coefficient) : nil
      }
      softmax.logitGradient(
        logits, firstRow: block.lowerBound, targets: targets, inTile: inTile, context.pool)
      Products.compute(
        own, from: .matrix(own), [.backward(logits, context.model.head.rows(tile))], phase: .head, context.pool)
      try gradients.add(
        at: offset + tile.lowerBound * hidden.columns, rows: tile.count, columns: hidden.columns
      ) { gradient in
        Products.compute(gradient, [.transposedTimes(logits, hidden)], phase: .head, context.pool)
        try context.observe("gradient of the weight of the head", layer: nil, gradient)
      }
    }
  }
}
