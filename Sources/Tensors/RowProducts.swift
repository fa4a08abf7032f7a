// Products with few rows, for decoding: each right-hand side is read once, without packing.

internal import CShoal

extension Products {
  /// The minimum numbers of a right-hand side that a thread takes at a time.
  private static let leastPiece = 1 << 16

  /// The most rows of which int8 products are faster without packing. Both ways give the same bits.
  private static let fewInt8Rows = 4

  /// Columns that a thread takes at a time: many at first, because a memory stream needs time to reach full speed, and
  /// few at the end, so that threads finish together.
  private static func pieces(_ products: [RowProduct], threads: Int) -> [(product: Int, columns: Range<Int>)] {
    let depths = products.map { $0.floats.reduce(1 + Int($0.int8?.depth ?? 0)) { $0 + Int($1.depth) } }
    var left = zip(products, depths).reduce(0) { $0 + $1.0.result.columns * $1.1 }
    var pieces: [(product: Int, columns: Range<Int>)] = []
    for (place, product) in products.enumerated() {
      var start = 0
      while start < product.result.columns {
        let end = min(start + max(1, max(leastPiece, left / (2 * threads)) / depths[place]), product.result.columns)
        pieces.append((place, start..<end))
        left -= (end - start) * depths[place]
        start = end
      }
    }
    return pieces
  }

  /// A product as the kernels take it.
  private struct RowProduct: @unchecked Sendable {
    let result: Matrix
    let initial: (numbers: UnsafePointer<Float>?, stride: Int)
    let int8: shoal_int8_term?
    let floats: [shoal_term]
  }

  /// Computes several independent products in one loop.
  ///
  /// Each entry's bits depend on its row, its column and the terms alone. They differ from those of `compute`, which
  /// sums fp32 terms in another order. Much faster than `compute` for one row, and faster below about 32.
  /// - Parameter int8Rows: for terms in int8, which come first in their products and share their rows.
  /// - Precondition: the terms were made by `forward` or `timesTransposed`.
  package static func computeRows(
    _ products: [Product], int8Rows: Int8Rows? = nil, phase: Phase = .linears, _ pool: ThreadPool
  ) {
    pool.clock.enter(phase)
    var quantized: shoal_int8_term?
    let rowProducts = products.compactMap { product -> RowProduct? in
      let c = product.result
      for term in product.terms {
        precondition(term.floats.a_depth == 1 && term.floats.b_depth == 1, "a transposed side in a product of few rows")
        precondition(
          term.floats.depth <= ThreadPool.scratchCount, "a depth of \(term.floats.depth) exceeds the scratch")
      }
      var initial = product.initial
      var int8 = product.terms.first?.int8
      let floats = product.terms.dropFirst(int8 == nil ? 0 : 1)
      precondition(floats.allSatisfy { $0.int8 == nil }, "a term in int8 after another term")
      if let term = int8 {
        precondition(quantized.map { $0.sharesRows(with: term) } != false, "products of few rows of several inputs")
        int8 = quantize(term, c.rows, after: &quantized, int8Rows, pool)
        if c.rows > fewInt8Rows {
          tiles(c, initial.numbers, initial.stride, int8, [], pool)
          if floats.isEmpty { return nil }
          (int8, initial) = (nil, (UnsafePointer(c.base), c.stride))
        }
      }
      return RowProduct(result: c, initial: initial, int8: int8, floats: floats.map(\.floats))
    }
    let pieces = pieces(rowProducts, threads: pool.threads)
    pool.run(pieces.count) { piece, scratch in
      let (place, columns) = pieces[piece]
      let product = rowProducts[place]
      let (c, initial) = (product.result, product.initial)
      let (rows, row) = (Int64(c.rows), Int64(c.stride))
      let (first, count) = (Int64(columns.lowerBound), Int64(columns.count))
      if var int8 = product.int8 {
        kernels.int8_rows(c.base, row, rows, first, count, initial.numbers, Int64(initial.stride), &int8)
        if product.floats.isEmpty { return }
      }
      kernels.products_rows(
        c.base, row, rows, first, count, product.int8 == nil ? initial.numbers : UnsafePointer(c.base),
        product.int8 == nil ? Int64(initial.stride) : row, product.floats, Int64(product.floats.count), scratch,
        Int64(ThreadPool.scratchCount))
    }
    // C has only pointers, which do not keep the matrices alive.
    withExtendedLifetime(products) {}
  }
}
