// Attention of encoders: the work is divided by head and block of queries, never by thread.

internal import CShoal

/// Queries, keys and values of all tokens [N, …], with the columns of the heads.
package struct EncoderHeads: Sendable {
  package let q, k, v: Matrix
  package let count, width: Int
  /// Columns from one head to the next, in q, k and v.
  package let stride: Int

  /// - Precondition: each matrix has a head's columns at every multiple of `stride`.
  package init(q: Matrix, k: Matrix, v: Matrix, count: Int, width: Int, stride: Int) {
    for matrix in [q, k, v] {
      precondition(
        matrix.rows == q.rows && matrix.columns >= (count - 1) * stride + width,
        "\(count) heads of \(width) every \(stride) columns in [\(matrix.rows), \(matrix.columns)]")
    }
    (self.q, self.k, self.v, self.count, self.width, self.stride) = (q, k, v, count, width, stride)
  }
}

/// What relative positions add to scores (He et al. 2020, equation 4).
package struct RelativePositions: Sendable {
  /// Row `center` + d is multiplied with the queries whose key is d tokens on [distances, H * E].
  package let keys: Matrix?
  /// Row `center` + d is multiplied with the keys that are d tokens after their query.
  package let queries: Matrix?
  /// The row of distance zero.
  package let center: Int

  package init(keys: Matrix?, queries: Matrix?, center: Int) {
    (self.keys, self.queries, self.center) = (keys, queries, center)
  }
}

/// Attention in which all tokens of a text see each other.
package enum EncoderAttention {
  private static let block = Int(SHOAL_ENCODER_BLOCK)

  /// Numbers of scratch that each thread needs.
  package static func scratchCount(tokens: Int, headWidth: Int) -> Int {
    Int(kernels.encoder_attention_scratch(Int64(tokens), Int64(headWidth)))
  }

  /// out [N, H * E] = softmax(scale · (q kᵀ + positions)) v, text by text.
  ///
  /// A text's bits do not depend on the other texts: its blocks begin at its first row.
  /// - Parameter texts: the rows of each text.
  /// - Precondition: the pool has scratch for the longest text, and `positions` has rows for its distances.
  package static func forward(
    _ out: Matrix, _ heads: EncoderHeads, positions: RelativePositions?, scale: Float, texts: [Range<Int>],
    _ pool: ThreadPool
  ) {
    pool.clock.enter(.attention)
    precondition(
      out.rows >= heads.q.rows && out.columns == heads.count * heads.width
        && texts.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= heads.q.rows }, "attention shapes differ")
    let longest = texts.map(\.count).max() ?? 0
    for table in [positions?.keys, positions?.queries].compactMap({ $0 }) {
      precondition(
        table.columns == out.columns && (positions?.center ?? 0) >= longest - 1
          && table.rows - (positions?.center ?? 0) >= longest, "\(table.rows) positions for \(longest) tokens")
    }
    let blocks = texts.flatMap { text in
      (0..<(text.count + block - 1) / block).map { (text: text, block: $0) }
    }
    pool.run(blocks.count * heads.count) { piece, scratch in
      let (text, block) = blocks[piece / heads.count]
      let head = piece % heads.count
      var own = self.head(heads, positions, head, text, scale)
      kernels.encoder_attention(
        out.pointer(row: text.lowerBound) + head * heads.width, Int64(out.stride), &own, Int64(block), scratch)
    }
  }

  private static func head(
    _ heads: EncoderHeads, _ positions: RelativePositions?, _ head: Int, _ text: Range<Int>, _ scale: Float
  ) -> shoal_encoder_head {
    let (first, column, own) = (text.lowerBound, head * heads.stride, head * heads.width)
    return shoal_encoder_head(
      q: heads.q.pointer(row: first) + column, k: heads.k.pointer(row: first) + column,
      v: heads.v.pointer(row: first) + column, q_row: Int64(heads.q.stride), k_row: Int64(heads.k.stride),
      v_row: Int64(heads.v.stride), position_keys: positions?.keys.map { UnsafePointer($0.base + own) },
      position_queries: positions?.queries.map { UnsafePointer($0.base + own) },
      position_keys_row: Int64(positions?.keys?.stride ?? 0),
      position_queries_row: Int64(positions?.queries?.stride ?? 0), center: Int64(positions?.center ?? 0),
      tokens: Int64(text.count), width: Int64(heads.width), scale: scale)
  }
}
