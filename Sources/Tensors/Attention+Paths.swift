// Attention over keys in a cache that many sequences share. A query's bits depend on its own keys alone: not on where
// they are in the cache, and not on the queries beside it.

internal import CShoal

extension Attention {
  /// Adjacent queries of one sequence. The last one sees all keys, the one before it all but the last, and so on.
  package struct PathQueries: Sendable {
    package var rows: Range<Int>
    package var keys: KeyRuns

    package init(rows: Range<Int>, keys: KeyRuns) { (self.rows, self.keys) = (rows, keys) }
  }

  /// Query heads of a key head that one piece of work takes, so that their queries fit a query tile.
  private static func headPieces(_ heads: Int, _ group: Int) -> [(shared: Int, heads: Range<Int>)] {
    (0..<heads / group).flatMap { shared in
      stride(from: 0, to: group, by: Int(SHOAL_QUERY_TILE)).map {
        (shared, shared * group + $0..<shared * group + min($0 + Int(SHOAL_QUERY_TILE), group))
      }
    }
  }

  /// out = softmax(q kᵀ / √E, masked) v for every head.
  ///
  /// q, out [queries, H * E]; k, v [cache rows, K * E].
  package static func forward(
    _ out: Matrix, q: Matrix, k: Matrix, v: Matrix, paths: [PathQueries], headWidth: Int, _ pool: ThreadPool
  ) {
    pool.clock.enter(.attention)
    let (heads, group) = headCounts(q, k, v, headWidth)
    precondition(out.rows >= q.rows && out.columns == q.columns, "attention shapes differ")
    precondition(
      paths.allSatisfy {
        $0.rows.upperBound <= q.rows && $0.rows.count <= $0.keys.count && $0.keys.isInside(rows: k.rows)
      }, "a path ends outside its matrices")
    let headPieces = headPieces(heads, group)
    let most = max(1, Int(SHOAL_QUERY_TILE) / group)
    var blocks: [(path: Int, rows: Range<Int>)] = []
    for (place, path) in paths.enumerated() {
      for start in stride(from: path.rows.lowerBound, to: path.rows.upperBound, by: most) {
        blocks.append((place, start..<min(start + most, path.rows.upperBound)))
      }
    }
    let runs = paths.map(\.keys.shoal)
    let scale = 1 / Float(headWidth).squareRoot()
    pool.run(blocks.count * headPieces.count) { [blocks] piece, scratch in
      let (place, rows) = blocks[piece / headPieces.count]
      let (shared, own) = headPieces[piece % headPieces.count]
      let path = paths[place]
      runs[place].withUnsafeBufferPointer { runs in
        kernels.attention_path(
          out.pointer(row: rows.lowerBound) + own.lowerBound * headWidth, Int64(out.stride),
          q.pointer(row: rows.lowerBound) + own.lowerBound * headWidth, Int64(q.stride), Int64(rows.count),
          Int64(path.keys.count - (path.rows.upperBound - rows.lowerBound) + 1), k.base + shared * headWidth,
          Int64(k.stride), v.base + shared * headWidth, Int64(v.stride), shoal_path(runs: runs.baseAddress),
          Int64(own.count), Int64(headWidth), scale, scratch)
      }
    }
  }

  // MARK: Single queries

  /// The work of single queries of many sequences, the same in every layer: keys that sequences share are read once.
  package struct QueryPlan: Sendable {
    fileprivate struct Piece: Sendable {
      /// Queries that see these keys; the first one's runs lead to them.
      var queries: [Int32]
      var tile: Int
      var keys: Int
    }

    fileprivate let pieces: [Piece]
    fileprivate let paths: [KeyRuns]
    fileprivate let runs: [[shoal_run]]
    /// Key tiles of the longest path.
    fileprivate let tiles: Int

    /// - Parameter paths: all keys of each query, in the order of the queries.
    package init(_ paths: [KeyRuns]) {
      (self.paths, runs) = (paths, paths.map(\.shoal))
      let tile = Int(SHOAL_KEY_TILE)
      tiles = paths.map { tileCount(keys: $0.count) }.max() ?? 0
      var pieces: [Piece] = []
      var places: [SIMD2<Int>: Int] = [:]
      for (query, path) in paths.enumerated() {
        for number in 0..<tileCount(keys: path.count) {
          let keys = number * tile..<min((number + 1) * tile, path.count)
          let shared = keys.count == tile ? path.firstRow(of: keys) : nil
          if let shared, let place = places[[number, shared]] {
            pieces[place].queries.append(Int32(query))
          } else {
            if let shared { places[[number, shared]] = pieces.count }
            pieces.append(Piece(queries: [Int32(query)], tile: number, keys: keys.count))
          }
        }
      }
      self.pieces = pieces
    }
  }

  private static func tileCount(keys: Int) -> Int { (keys + Int(SHOAL_KEY_TILE) - 1) / Int(SHOAL_KEY_TILE) }

  /// The size of the parts of `queries` queries over up to `keys` keys each.
  package static func queryParts(queries: Int, keys: Int, heads: Int, headWidth: Int) -> (rows: Int, columns: Int) {
    (queries * heads * tileCount(keys: keys), headWidth + 2)
  }

  /// out = softmax(q kᵀ / √E) v for every head of single queries.
  ///
  /// q, out [queries, H * E]; k, v [cache rows, K * E]; `parts` has the size of `queryParts`.
  package static func forward(
    _ out: Matrix, q: Matrix, k: Matrix, v: Matrix, plan: QueryPlan, headWidth: Int, parts: Matrix,
    _ pool: ThreadPool
  ) {
    pool.clock.enter(.attention)
    let (heads, group) = headCounts(q, k, v, headWidth)
    precondition(
      q.rows == plan.paths.count && out.rows == q.rows && out.columns == q.columns
        && parts.rows >= q.rows * heads * plan.tiles && parts.columns == headWidth + 2
        && plan.paths.allSatisfy { $0.count > 0 && $0.isInside(rows: k.rows) }, "attention shapes differ")
    let scale = 1 / Float(headWidth).squareRoot()
    let shared = heads / group
    // The parts of a head are adjacent rows.
    let headStep = plan.tiles * parts.stride
    pool.run(plan.pieces.count * shared) { number, scratch in
      let (piece, head) = (plan.pieces[number / shared], number % shared)
      plan.runs[Int(piece.queries[0])].withUnsafeBufferPointer { runs in
        kernels.attention_part(
          parts.pointer(row: head * group * plan.tiles + piece.tile), Int64(heads * headStep), Int64(headStep),
          q.base + head * group * headWidth, Int64(q.stride), piece.queries, Int64(piece.queries.count),
          k.base + head * headWidth, Int64(k.stride), v.base + head * headWidth, Int64(v.stride),
          shoal_path(runs: runs.baseAddress), Int64(piece.tile) * Int64(SHOAL_KEY_TILE), Int64(piece.keys),
          Int64(group), Int64(headWidth), scale, scratch)
      }
    }
    pool.blocks(of: q.rows * heads, by: 32) { rows in
      for row in rows {
        let (query, head) = (row / heads, row % heads)
        kernels.attention_join(
          out.pointer(row: query) + head * headWidth, parts.pointer(row: row * plan.tiles), Int64(parts.stride),
          Int64(tileCount(keys: plan.paths[query].count)), Int64(headWidth))
      }
    }
  }
}
