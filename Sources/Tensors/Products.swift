// The matrix product: a sum of terms, each with its own right-hand side, computed in fixed tiles.

internal import CShoal

package enum Products {
  /// The maximum rows of a tile: enough to repay the repeated widening and packing of the block. Narrow results take
  /// fewer rows, so that every thread gets as many tiles.
  private static func rowTile(columns: Int) -> Int {
    columns > 15 * PackedBlock.columns ? 768 : columns > 2 * PackedBlock.columns ? 384 : 192
  }

  /// c = start + Σ terms. `start` may be `c` itself.
  ///
  /// Each entry's bits depend on its own row, its own column and the terms, not on tiles or threads.
  /// - Parameters:
  ///   - int8Rows: for terms in int8.
  ///   - phase: the phase that the time counts towards.
  package static func compute(
    _ c: Matrix, from start: Product.Start = .zero, _ terms: [Term], int8Rows: Int8Rows? = nil, phase: Phase = .linears,
    _ pool: ThreadPool
  ) {
    compute([Product(c, from: start, terms)], int8Rows: int8Rows, phase: phase, pool)
  }

  /// Computes several products, one after the other. Rows in int8 that adjacent products share are quantised once.
  package static func compute(
    _ products: [Product], int8Rows: Int8Rows? = nil, phase: Phase = .linears, _ pool: ThreadPool
  ) {
    pool.clock.enter(phase)
    var quantized: shoal_int8_term?
    for product in products where product.result.rows > 0 && product.result.columns > 0 {
      let c = product.result
      var (initial, initialRow) = product.initial
      // Stages of at most one term in int8 and the fp32 terms after it, because the memory holds one term's rows.
      var rest = product.terms[...]
      repeat {
        var int8: shoal_int8_term?
        if let term = rest.first?.int8 {
          rest = rest.dropFirst()
          int8 = quantize(term, c.rows, after: &quantized, int8Rows, pool)
        }
        let floats = rest.prefix { $0.int8 == nil }
        rest = rest.dropFirst(floats.count)
        tiles(c, initial, initialRow, int8, floats.map(\.floats), pool)
        (initial, initialRow) = (UnsafePointer(c.base), c.stride)
      } while !rest.isEmpty
    }
    // C has only pointers, which do not keep the matrices alive.
    withExtendedLifetime(products) {}
  }

  /// The term with its rows quantised, unless they are the last ones that were.
  static func quantize(
    _ term: shoal_int8_term, _ rows: Int, after last: inout shoal_int8_term?, _ memory: Int8Rows?, _ pool: ThreadPool
  ) -> shoal_int8_term {
    var term = term
    if let last, last.sharesRows(with: term) {
      term.rows = last.rows
    } else {
      guard let memory else { preconditionFailure("a term in int8 without memory for its rows") }
      term = memory.quantize(term, rows: rows, pool)
    }
    last = term
    return term
  }

  /// c = initial + the term in int8 + the terms in fp32.
  static func tiles(
    _ c: Matrix, _ initial: UnsafePointer<Float>?, _ initialRow: Int, _ int8: shoal_int8_term?, _ floats: [shoal_term],
    _ pool: ThreadPool
  ) {
    let rowTile = rowTile(columns: c.columns)
    let rowTiles = (c.rows + rowTile - 1) / rowTile
    // Tiles of equal size, in whole register blocks.
    let tileRows = ((c.rows + rowTiles - 1) / rowTiles + 11) / 12 * 12
    let columnTiles = (c.columns + PackedBlock.columns - 1) / PackedBlock.columns
    nonisolated(unsafe) let (initialRows, int8, floats) = (initial, int8, floats)
    pool.run(rowTiles * columnTiles) { tile, scratch in
      let row = tile / columnTiles * tileRows
      let column = tile % columnTiles * PackedBlock.columns
      guard row < c.rows else { return }
      let (rows, columns) = (min(tileRows, c.rows - row), min(PackedBlock.columns, c.columns - column))
      if var int8 {
        kernels.int8_tile(
          c.base, Int64(c.stride), Int64(row), Int64(rows), Int64(column), Int64(columns), initialRows,
          Int64(initialRow), &int8, scratch)
        if floats.isEmpty { return }
      }
      kernels.products_tile(
        c.base, Int64(c.stride), Int64(row), Int64(rows), Int64(column), Int64(columns),
        int8 == nil ? initialRows : UnsafePointer(c.base), Int64(int8 == nil ? initialRow : c.stride), floats,
        Int64(floats.count), scratch)
    }
  }
}
