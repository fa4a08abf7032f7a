// Attention of one query, for decoding: it reads the keys and values of all tokens so far once.

internal import CShoal

extension Attention {
  /// Allocates the parts of single queries over up to `keys` keys.
  package static func queryParts(keys: Int, heads: Int, headWidth: Int) -> Matrix {
    Matrix(rows: partCount(keys: keys) * heads, columns: headWidth + 2)
  }

  private static func partCount(keys: Int) -> Int { (keys + Int(SHOAL_KEY_TILE) - 1) / Int(SHOAL_KEY_TILE) }

  /// out = softmax(q kᵀ / √E) v for every head of one query that sees all keys.
  ///
  /// q, out [1, H * E]; k, v [N, K * E]; `parts` comes from `queryParts`.
  package static func forward(
    query q: Matrix, _ out: Matrix, k: Matrix, v: Matrix, headWidth: Int, parts: Matrix, _ pool: ThreadPool
  ) {
    pool.clock.enter(.attention)
    let (heads, group) = headCounts(q, k, v, headWidth)
    let count = partCount(keys: k.rows)
    precondition(
      q.rows == 1 && out.rows == 1 && out.columns == q.columns && k.rows > 0 && parts.rows >= count * heads
        && parts.columns == headWidth + 2, "attention shapes differ")
    let scale = 1 / Float(headWidth).squareRoot()
    let tile = Int(SHOAL_KEY_TILE)
    let shared = heads / group
    pool.run(count * shared) { piece, scratch in
      let (part, head) = (piece / shared, piece % shared)
      let first = part * tile
      // The parts of a head are adjacent rows.
      shoal_attention_part(
        parts.pointer(row: head * group * count + part), Int64(count * parts.stride), q.base + head * group * headWidth,
        k.pointer(row: first) + head * headWidth, Int64(k.stride), v.pointer(row: first) + head * headWidth,
        Int64(v.stride), Int64(min(tile, k.rows - first)), Int64(group), Int64(headWidth), scale, scratch)
    }
    for head in 0..<heads {
      shoal_attention_join(
        out.base + head * headWidth, parts.pointer(row: head * count), Int64(parts.stride), Int64(count),
        Int64(headWidth))
    }
  }
}
