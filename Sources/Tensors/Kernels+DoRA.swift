// The kernels of DoRA's magnitudes.

internal import CShoal

extension Kernels {
  /// y = start + (magnitude / norm − shift) ∘ x, column by column.
  /// - Parameters:
  ///   - start: as many rows as x, or one for all of them; may be y itself. Nil is zero.
  ///   - magnitude: [1, columns], as `norm`.
  package static func scale(
    _ y: Matrix, start: Matrix? = nil, _ x: Matrix, magnitude: Matrix, norm: Matrix, shift: Float = 0,
    _ pool: ThreadPool
  ) {
    precondition(
      y.rows == x.rows && y.columns == x.columns && magnitude.columns == x.columns && norm.columns == x.columns
        && (start.map { $0.columns == x.columns && ($0.rows == x.rows || $0.rows == 1) } ?? true),
      "shapes of magnitudes differ")
    pool.clock.enter(.elementwise)
    pool.blocks(of: x.rows, by: 32) { rows in
      let repeats = start?.rows == 1
      kernels.dora_scale(
        y.pointer(row: rows.lowerBound), Int64(y.stride), start?.pointer(row: repeats ? 0 : rows.lowerBound),
        repeats ? 0 : Int64(start?.stride ?? 0), x.pointer(row: rows.lowerBound), Int64(x.stride), magnitude.base,
        norm.base, shift, Int64(rows.count), Int64(x.columns))
    }
  }

  /// gradient [1, columns] = Σ dy ∘ x / norm over all rows, in fp64: the gradient of magnitudes.
  package static func magnitudeGradient(_ gradient: Matrix, _ dy: Matrix, _ x: Matrix, norm: Matrix, _ pool: ThreadPool)
  {
    precondition(
      gradient.rows == 1 && gradient.columns == x.columns && dy.rows == x.rows && dy.columns == x.columns
        && norm.columns == x.columns, "shapes of magnitudes differ")
    pool.clock.enter(.elementwise)
    pool.blocks(of: x.columns, by: Int(SHOAL_COLUMN_BLOCK)) { columns in
      kernels.dora_gradient(
        gradient.base + columns.lowerBound, dy.base + columns.lowerBound, Int64(dy.stride),
        x.base + columns.lowerBound, Int64(x.stride), norm.base + columns.lowerBound, Int64(x.rows),
        Int64(columns.count))
    }
  }

  /// norm [1, out] = the norms of the rows of W + s B A, which is never formed.
  /// - Parameters:
  ///   - squares: Σ W² of every row.
  ///   - b: [out, R].
  ///   - cross: A Wᵀ [R, out].
  ///   - inner: B A Aᵀ [out, R].
  package static func rowNorms(
    _ norm: Matrix, squares: [Double], b: Matrix, cross: Matrix, inner: Matrix, scale: Float, _ pool: ThreadPool
  ) {
    precondition(
      norm.columns == b.rows && squares.count == b.rows && cross.rows == b.columns && cross.columns == b.rows
        && inner.rows == b.rows && inner.columns == b.columns, "shapes of norms differ")
    pool.clock.enter(.lora)
    pool.blocks(of: b.rows, by: 64) { rows in
      let first = rows.lowerBound
      squares.withUnsafeBufferPointer { squares in
        guard let squares = squares.baseAddress else { return }
        kernels.dora_norms(
          norm.base + first, squares + first, b.pointer(row: first), Int64(b.stride), cross.base + first,
          Int64(cross.stride), inner.pointer(row: first), Int64(inner.stride), scale, Int64(rows.count),
          Int64(b.columns))
      }
    }
  }
}
