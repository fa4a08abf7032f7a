// The embedding: the row of every token, and the gradient of those rows.

import Tensors

enum EmbeddingLayer {
  /// x [N, D] = the rows of the tokens.
  static func forward(_ x: Matrix, _ tokens: [Int32], _ context: PassContext) throws {
    Kernels.embed(x, ids: tokens, table: context.model.embedding, context.pool)
    if let noise = context.noise {
      Kernels.addNoise(
        x, key: noise.key, counters: noise.counters, amplitudes: noise.amplitudes, context.pool)
    }
    try context.observe("embedding", layer: nil, x)
  }

  /// The gradient of every token's row: the sum of `dx` over the rows with that token, in their order.
  static func backward(
    _ dx: Matrix, _ tokens: [Int32], _ context: PassContext, _ gradients: ParameterGradients
  ) throws {
    guard let range = gradients.layout.range(of: .embedding) else { return }
    // Tokens in the order in which they first occur. Each has its sum in its first row.
    var firstRow: [Int32: Int] = [:]
    for (row, token) in tokens.enumerated() {
      if let first = firstRow[token] {
        Kernels.combine(dx.rows(first..<first + 1), 1, dx.rows(row..<row + 1), 1, context.pool)
      } else {
        firstRow[token] = row
      }
    }
    for (token, row) in firstRow {
      gradients.hand(on: dx.rows(row..<row + 1), at: range.lowerBound + Int(token) * dx.columns)
    }
  }
}
