// Products with few rows, for decoding: each right-hand side is read once, without packing.

internal import CShoal

/// One product c [rows, columns] = start + Σ terms.
package struct RowProduct: Sendable {
  let result: Matrix
  let start: Products.Start
  let terms: [Term]

  /// - Parameter terms: made by `forward` or `timesTransposed`.
  package init(_ result: Matrix, from start: Products.Start = .zero, _ terms: [Term]) {
    for term in terms {
      precondition(
        term.rows == result.rows && term.columns == result.columns && term.left.a_depth == 1
          && term.left.b_depth == 1,
        "a term [\(term.rows), \(term.columns)] cannot add to [\(result.rows), \(result.columns)]")
      precondition(term.left.depth <= ThreadPool.scratchCount, "a depth of \(term.left.depth) exceeds the scratch")
    }
    (self.result, self.start, self.terms) = (result, start, terms)
  }

  /// The numbers that `start` holds, and from one of its rows to the next.
  fileprivate var initial: (numbers: UnsafePointer<Float>?, stride: Int) {
    switch start {
    case .zero: return (nil, 0)
    case .matrix(let m):
      precondition(
        m.rows == result.rows && m.columns == result.columns,
        "start [\(m.rows), \(m.columns)] of [\(result.rows), \(result.columns)]")
      return (UnsafePointer(m.base), m.stride)
    case .bias(let m):
      precondition(m.columns == result.columns, "a bias of \(m.columns) for \(result.columns) columns")
      return (UnsafePointer(m.base), 0)
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
  /// Each entry's bits depend on its row, its column and the terms alone. They differ from those of `compute`, which
  /// sums in another order. Much faster than `compute` for one row, and faster below about 32.
  package static func computeRows(_ products: [RowProduct], phase: Phase = .linears, _ pool: ThreadPool) {
    pool.clock.enter(phase)
    let pieces = pieces(products, threads: pool.threads)
    nonisolated(unsafe) let initials = products.map(\.initial)
    pool.run(pieces.count) { piece, scratch in
      let (place, columns) = pieces[piece]
      let product = products[place]
      withUnsafeTemporaryAllocation(of: shoal_term.self, capacity: product.terms.count) { list in
        for (i, term) in product.terms.enumerated() { list[i] = term.left }
        kernels.products_rows(
          product.result.base, Int64(product.result.stride), Int64(product.result.rows), Int64(columns.lowerBound),
          Int64(columns.count), initials[place].numbers, Int64(initials[place].stride), list.baseAddress,
          Int64(product.terms.count), scratch, Int64(ThreadPool.scratchCount))
      }
    }
    // C has only pointers, which do not keep the matrices alive.
    withExtendedLifetime(products) {}
  }
}
