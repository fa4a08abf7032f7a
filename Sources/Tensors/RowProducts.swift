// Products with a single row, for decoding: no data is reused, so memory limits the speed.

internal import CShoal

/// One product c [1, columns] = start + Σ terms, which reads each right-hand side once, without packing.
package struct RowProduct: Sendable {
  let result: Matrix
  let start: Products.Start
  let terms: [Term]

  /// - Parameter terms: made by `forward` or `timesTransposed`.
  package init(_ result: Matrix, from start: Products.Start = .zero, _ terms: [Term]) {
    precondition(result.rows == 1, "\(result.rows) rows in a product of one")
    for term in terms {
      precondition(
        term.rows == 1 && term.columns == result.columns && term.left.a_depth == 1 && term.left.b_depth == 1,
        "a term [\(term.rows), \(term.columns)] cannot add to [1, \(result.columns)]")
      precondition(term.left.depth <= PackedBlock.count, "a depth of \(term.left.depth) exceeds the scratch")
    }
    (self.result, self.start, self.terms) = (result, start, terms)
  }

  /// The numbers that `start` holds.
  fileprivate var initial: UnsafePointer<Float>? {
    switch start {
    case .zero: return nil
    case .matrix(let m), .bias(let m):
      precondition(m.columns == result.columns, "a start of \(m.columns) for \(result.columns) columns")
      return UnsafePointer(m.base)
    }
  }
}

extension Products {
  /// The minimum numbers of a right-hand side that a thread takes at a time.
  private static let leastPiece = 1 << 16

  /// Columns that a thread takes at a time: many at first, because a memory stream needs time to reach full speed, and
  /// few at the end, so that threads finish together.
  private static func pieces(_ products: [RowProduct], threads: Int) -> [(product: Int, columns: Range<Int>)] {
    let depths = products.map { $0.terms.reduce(1) { $0 + Int($1.left.depth) } }
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

  /// Computes several independent products in one loop.
  ///
  /// Each entry's bits depend on its column and the terms alone. They differ from those of `compute`, which sums in
  /// another order.
  package static func computeRows(_ products: [RowProduct], phase: Phase = .linears, _ pool: ThreadPool) {
    pool.clock.enter(phase)
    let pieces = pieces(products, threads: pool.threads)
    nonisolated(unsafe) let initials = products.map(\.initial)
    pool.run(pieces.count) { piece, scratch in
      let (place, columns) = pieces[piece]
      let product = products[place]
      withUnsafeTemporaryAllocation(of: shoal_term.self, capacity: product.terms.count) { list in
        for (i, term) in product.terms.enumerated() { list[i] = term.left }
        shoal_products_row(
          product.result.base, Int64(columns.lowerBound), Int64(columns.count), initials[place], list.baseAddress,
          Int64(product.terms.count), scratch)
      }
    }
    // C has only pointers, which do not keep the matrices alive.
    withExtendedLifetime(products) {}
  }
}
