// Attention over segments of queries: the work is divided by head and segment, never by thread.

internal import CShoal

/// Consecutive queries. Query i attends to the keys of rows prefixRow ..< prefixRow + prefixCount and of rows ownRow
/// ... ownRow + ownOffset + i.
package struct AttentionSegment: Sendable, Equatable {
  package var queryRow, queryCount: Int
  package var prefixRow, prefixCount: Int
  package var ownRow, ownOffset: Int

  package init(queryRow: Int, queryCount: Int, prefixRow: Int, prefixCount: Int, ownRow: Int, ownOffset: Int) {
    (self.queryRow, self.queryCount) = (queryRow, queryCount)
    (self.prefixRow, self.prefixCount) = (prefixRow, prefixCount)
    (self.ownRow, self.ownOffset) = (ownRow, ownOffset)
  }

  func isInside(queries: Int, keys: Int) -> Bool {
    queryRow >= 0 && queryRow + queryCount <= queries && prefixRow >= 0 && prefixRow + prefixCount <= keys
      && ownRow >= 0 && ownOffset >= 0 && ownRow + ownOffset + queryCount <= keys
  }

  var shoal: shoal_segment {
    shoal_segment(
      query_row: Int64(queryRow), query_count: Int64(queryCount), prefix_row: Int64(prefixRow),
      prefix_count: Int64(prefixCount), own_row: Int64(ownRow), own_offset: Int64(ownOffset))
  }
}

package enum Attention {
  /// Numbers of scratch that each thread needs for heads of width E.
  package static func scratchCount(headWidth: Int) -> Int { Int(kernels.attention_scratch(Int64(headWidth))) }

  /// out = softmax(q kᵀ / √E, masked) v for every head.
  ///
  /// q, out [queries, H * E]; k, v [N, K * E]; logsum [queries, H] gets max + log Σ exp of the scaled scores.
  package static func forward(
    _ out: Matrix, logsum: Matrix, q: Matrix, k: Matrix, v: Matrix, segments: [AttentionSegment], headWidth: Int,
    _ pool: ThreadPool
  ) {
    pool.clock.enter(.attention)
    let (heads, group) = headCounts(q, k, v, headWidth)
    precondition(
      out.rows >= q.rows && out.columns == q.columns && logsum.rows >= q.rows && logsum.columns == heads,
      "attention shapes differ")
    precondition(
      segments.allSatisfy { $0.isInside(queries: q.rows, keys: k.rows) }, "a segment ends outside its matrices")
    let scale = 1 / Float(headWidth).squareRoot()
    pool.run(segments.count * heads) { piece, scratch in
      let head = piece % heads
      let own = head * headWidth
      let shared = head / group * headWidth
      kernels.attention_forward(
        out.base + own, Int64(out.stride), logsum.base + head, Int64(logsum.stride), q.base + own, Int64(q.stride),
        k.base + shared, Int64(k.stride), v.base + shared, Int64(v.stride), segments[piece / heads].shoal,
        Int64(headWidth), scale, scratch)
    }
  }

  /// H, and the number of query heads that share a key head.
  static func headCounts(_ q: Matrix, _ k: Matrix, _ v: Matrix, _ headWidth: Int) -> (heads: Int, group: Int) {
    precondition(
      q.columns % headWidth == 0 && k.columns > 0 && q.columns % k.columns == 0 && k.columns % headWidth == 0
        && v.columns == k.columns && v.rows == k.rows,
      "attention of widths \(q.columns), \(k.columns), \(v.columns) with heads of \(headWidth)")
    return (q.columns / headWidth, q.columns / k.columns)
  }

  /// The segments of one tree; queries of other trees do not see its keys.
  package struct Tree: Sendable {
    package var rows: Range<Int>
    package var segments: [AttentionSegment]

    package init(rows: Range<Int>, segments: [AttentionSegment]) { (self.rows, self.segments) = (rows, segments) }
  }

  /// Computes dq, dk, dv from dout. `partial` [2 N, H * E] holds each query head's dk and dv before they are summed.
  package static func backward(
    dq: Matrix, dk: Matrix, dv: Matrix, dout: Matrix, out: Matrix, logsum: Matrix, q: Matrix, k: Matrix, v: Matrix,
    trees: [Tree], headWidth: Int, partial: Matrix, _ pool: ThreadPool
  ) {
    pool.clock.enter(.attention)
    let (heads, group) = headCounts(q, k, v, headWidth)
    precondition(
      dq.rows >= q.rows && dq.columns == q.columns && dout.rows >= q.rows && dout.columns == q.columns
        && dk.rows == k.rows && dk.columns == k.columns && dv.rows == k.rows && dv.columns == k.columns
        && partial.columns == q.columns, "attention shapes differ")
    precondition(
      trees.allSatisfy { $0.segments.allSatisfy { $0.isInside(queries: q.rows, keys: k.rows) } },
      "a segment ends outside its matrices")
    let scale = 1 / Float(headWidth).squareRoot()
    let dkParts = partial.rows(0..<k.rows)
    let dvParts = partial.rows(k.rows..<2 * k.rows)
    pool.run(trees.count * heads) { piece, scratch in
      let head = piece % heads
      let own = head * headWidth
      let shared = head / group * headWidth
      let tree = trees[piece / heads]
      for row in tree.rows {
        (dkParts.pointer(row: row) + own).update(repeating: 0, count: headWidth)
        (dvParts.pointer(row: row) + own).update(repeating: 0, count: headWidth)
      }
      for segment in tree.segments {
        kernels.attention_backward(
          dq.base + own, Int64(dq.stride), dkParts.base + own, dvParts.base + own, Int64(partial.stride),
          dout.base + own, Int64(dout.stride), out.base + own, Int64(out.stride), logsum.base + head,
          Int64(logsum.stride), q.base + own, Int64(q.stride), k.base + shared, Int64(k.stride), v.base + shared,
          Int64(v.stride), segment.shoal, Int64(headWidth), scale, scratch)
      }
    }
    // The heads of a group are added in a fixed order.
    pool.blocks(of: k.rows, by: 32) { rows in
      for (sum, parts) in [(dk, dkParts), (dv, dvParts)] {
        for shared in 0..<heads / group {
          let target = sum.base + rows.lowerBound * sum.stride + shared * headWidth
          for member in 0..<group {
            let part = parts.base + rows.lowerBound * parts.stride + (shared * group + member) * headWidth
            kernels.combine(
              target, Int64(sum.stride), part, Int64(parts.stride), member == 0 ? 0 : 1, 1, Int64(rows.count),
              Int64(headWidth))
          }
        }
      }
    }
  }
}
