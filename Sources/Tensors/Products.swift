// The matrix product: a sum of terms, each with its own right-hand side, computed in fixed tiles.

internal import CShoal

/// One term A · B of a product.
package struct Term: @unchecked Sendable {
  let left: shoal_term
  let rows: Int
  let columns: Int
  private let owners: (AnyObject, AnyObject)

  private init(_ left: shoal_term, rows: Int, columns: Int, owners: (AnyObject, AnyObject)) {
    (self.left, self.rows, self.columns, self.owners) = (left, rows, columns, owners)
  }

  private static func make(
    _ a: Matrix, transposed: Bool, b: UnsafeRawPointer, form: Weight.Form = .floats(.float32), depthStride: Int,
    columnStride: Int, depth: Int, columns: Int, owner: AnyObject
  ) -> Term {
    precondition(
      (transposed ? a.rows : a.columns) == depth,
      "[\(a.rows), \(a.columns)]\(transposed ? " transposed" : "") times depth \(depth)")
    let (type, scales) =
      switch form {
      case .floats(let type): (type.shoalCode, shoal_nf4_scales())
      case .nf4(let scales): (Int32(SHOAL_NF4), scales)
      case .int8: preconditionFailure("no products in int8 yet")
      }
    let term = shoal_term(
      a: UnsafePointer(a.base), a_row: Int64(transposed ? 1 : a.stride), a_depth: Int64(transposed ? a.stride : 1),
      b: b, b_depth: Int64(depthStride), b_column: Int64(columnStride), depth: Int64(depth), b_type: type,
      scales: scales)
    return Term(term, rows: transposed ? a.columns : a.rows, columns: columns, owners: (a.storage, owner))
  }

  /// x · Wᵀ: x [N, in], W [out, in].
  package static func forward(_ x: Matrix, _ w: Weight) -> Term {
    make(
      x, transposed: false, b: w.base, form: w.form, depthStride: 1, columnStride: w.columns, depth: w.columns,
      columns: w.rows, owner: w.owner)
  }

  /// dy · W: dy [N, out], W [out, in].
  package static func backward(_ dy: Matrix, _ w: Weight) -> Term {
    make(
      dy, transposed: false, b: w.base, form: w.form, depthStride: w.columns, columnStride: 1, depth: w.rows,
      columns: w.columns, owner: w.owner)
  }

  /// x · Bᵀ: x [N, k], B [n, k].
  package static func timesTransposed(_ x: Matrix, _ b: Matrix) -> Term {
    make(
      x, transposed: false, b: b.base, depthStride: 1, columnStride: b.stride, depth: b.columns,
      columns: b.rows, owner: b.storage)
  }

  /// x · B: x [N, k], B [k, n].
  package static func times(_ x: Matrix, _ b: Matrix) -> Term {
    make(
      x, transposed: false, b: b.base, depthStride: b.stride, columnStride: 1, depth: b.rows,
      columns: b.columns, owner: b.storage)
  }

  /// xᵀ · B: x [k, m], B [k, n].
  package static func transposedTimes(_ x: Matrix, _ b: Matrix) -> Term {
    make(
      x, transposed: true, b: b.base, depthStride: b.stride, columnStride: 1, depth: b.rows,
      columns: b.columns, owner: b.storage)
  }
}

package enum Products {
  /// The maximum rows of a tile: enough to repay the repeated widening and packing of the block. Narrow results take
  /// fewer rows, so that every thread gets tiles.
  private static func rowTile(columns: Int) -> Int { columns > 2 * PackedBlock.columns ? 768 : 192 }

  /// The value that a product is added to.
  package enum Start: Sendable {
    case zero
    case matrix(Matrix)
    /// A row [1, columns] added to every row.
    case bias(Matrix)
  }

  /// c = start + Σ terms. `start` may be `c` itself.
  ///
  /// Each entry's bits depend on its own row, its own column and the terms, not on tiles or threads.
  /// - Parameter phase: the phase that the time counts towards.
  package static func compute(
    _ c: Matrix, from start: Start = .zero, _ terms: [Term], phase: Phase = .linears, _ pool: ThreadPool
  ) {
    pool.clock.enter(phase)
    for term in terms {
      precondition(
        term.rows == c.rows && term.columns == c.columns,
        "a term [\(term.rows), \(term.columns)] cannot add to [\(c.rows), \(c.columns)]")
    }
    guard c.rows > 0, c.columns > 0 else { return }
    let (initial, initialRow): (UnsafePointer<Float>?, Int)
    switch start {
    case .zero: (initial, initialRow) = (nil, 0)
    case .matrix(let m):
      precondition(
        m.rows == c.rows && m.columns == c.columns, "start [\(m.rows), \(m.columns)] of [\(c.rows), \(c.columns)]")
      (initial, initialRow) = (UnsafePointer(m.base), m.stride)
    case .bias(let m):
      precondition(m.columns == c.columns, "a bias of \(m.columns) for \(c.columns) columns")
      (initial, initialRow) = (UnsafePointer(m.base), 0)
    }
    let rowTile = rowTile(columns: c.columns)
    let rowTiles = (c.rows + rowTile - 1) / rowTile
    // Tiles of equal size, in whole register blocks.
    let tileRows = ((c.rows + rowTiles - 1) / rowTiles + 11) / 12 * 12
    let columnTiles = (c.columns + PackedBlock.columns - 1) / PackedBlock.columns
    nonisolated(unsafe) let initialRows = initial
    pool.run(rowTiles * columnTiles) { tile, scratch in
      let row = tile / columnTiles * tileRows
      let column = tile % columnTiles * PackedBlock.columns
      guard row < c.rows else { return }
      withUnsafeTemporaryAllocation(of: shoal_term.self, capacity: terms.count) { list in
        for (i, term) in terms.enumerated() { list[i] = term.left }
        kernels.products_tile(
          c.base, Int64(c.stride), Int64(row), Int64(min(tileRows, c.rows - row)), Int64(column),
          Int64(min(PackedBlock.columns, c.columns - column)), initialRows, Int64(initialRow), list.baseAddress,
          Int64(terms.count), scratch)
      }
    }
    // C has only pointers, which do not keep the matrices alive.
    withExtendedLifetime((terms, start)) {}
  }
}
