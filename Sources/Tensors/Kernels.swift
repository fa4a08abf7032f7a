// The vector kernels over matrices; each divides its rows over the pool.

internal import CShoal

package enum Kernels {
  /// Rows per piece of an elementwise loop.
  private static let rowBlock = 32

  private static func rows(
    _ count: Int, _ pool: ThreadPool, _ body: @Sendable (_ start: Int, _ count: Int64) -> Void
  ) {
    pool.clock.enter(.elementwise)
    pool.blocks(of: count, by: rowBlock) { body($0.lowerBound, Int64($0.count)) }
  }

  private static func columns(
    _ count: Int, _ pool: ThreadPool, _ body: @Sendable (_ start: Int, _ count: Int64) -> Void
  ) {
    pool.clock.enter(.elementwise)
    pool.blocks(of: count, by: Int(SHOAL_COLUMN_BLOCK)) { body($0.lowerBound, Int64($0.count)) }
  }

  // MARK: Norms

  /// y = x / √(mean(x²) + ε) ∘ weight, row by row; `inverse` [N, 1] gets 1 / √(…).
  package static func rmsNormForward(
    _ y: Matrix, inverse: Matrix?, _ x: Matrix, weight: Matrix, epsilon: Float, _ pool: ThreadPool
  ) {
    precondition(y.rows == x.rows && y.columns == x.columns && weight.columns == x.columns, "norm shapes differ")
    precondition(inverse.map { $0.rows >= x.rows && $0.stride == 1 } ?? true, "inverse is not a column of \(x.rows)")
    rows(x.rows, pool) { start, count in
      kernels.rmsnorm_forward(
        y.pointer(row: start), Int64(y.stride), inverse?.pointer(row: start), x.pointer(row: start),
        Int64(x.stride), weight.base, count, Int64(x.columns), epsilon)
    }
  }

  /// dx += the gradient of x, computed from dy.
  package static func rmsNormBackward(
    _ dx: Matrix, _ dy: Matrix, _ x: Matrix, inverse: Matrix, weight: Matrix, _ pool: ThreadPool
  ) {
    precondition(
      dx.rows == x.rows && dy.rows == x.rows && dx.columns == x.columns && dy.columns == x.columns
        && weight.columns == x.columns, "norm shapes differ")
    precondition(inverse.rows >= x.rows && inverse.stride == 1, "inverse is not a column of \(x.rows)")
    rows(x.rows, pool) { start, count in
      kernels.rmsnorm_backward(
        dx.pointer(row: start), Int64(dx.stride), dy.pointer(row: start), Int64(dy.stride), x.pointer(row: start),
        Int64(x.stride), inverse.pointer(row: start), weight.base, count, Int64(x.columns))
    }
  }

  /// gradient [1, D] = Σ dy ∘ x · inverse over all rows: the gradient of the norm's weight. Sums in fp64, row by row.
  package static func rmsNormWeightGradient(
    _ gradient: Matrix, _ dy: Matrix, _ x: Matrix, inverse: Matrix, _ pool: ThreadPool
  ) {
    precondition(
      gradient.rows == 1 && gradient.columns == x.columns && dy.rows == x.rows && dy.columns == x.columns
        && inverse.rows >= x.rows && inverse.stride == 1, "norm shapes differ")
    columns(x.columns, pool) { start, count in
      kernels.rmsnorm_weight_gradient(
        gradient.base + start, dy.base + start, Int64(dy.stride), x.base + start, Int64(x.stride), inverse.base,
        Int64(x.rows), count)
    }
  }

  // MARK: Rotary positions

  package enum Direction: Float, Sendable {
    case forward = 1
    case backward = -1
  }

  /// Rotates each head of x [N, heads * E] by its row's position, in place.
  /// - Parameter table: [positions, E]: E/2 cosines, then E/2 sines.
  package static func rope(
    _ x: Matrix, positions: [Int32], table: Matrix, _ direction: Direction, _ pool: ThreadPool
  ) {
    precondition(
      positions.count == x.rows && x.columns % table.columns == 0 && table.columns % 2 == 0
        && table.stride == table.columns, "rope shapes differ")
    precondition(positions.allSatisfy { $0 >= 0 && Int($0) < table.rows }, "a position is not below \(table.rows)")
    rows(x.rows, pool) { start, count in
      positions.withUnsafeBufferPointer {
        kernels.rope(
          x.pointer(row: start), Int64(x.stride), $0.baseAddress! + start, table.base, count,
          Int64(x.columns / table.columns), Int64(table.columns), direction.rawValue)
      }
    }
  }

  // MARK: SwiGLU

  /// h = silu(gate) ∘ up.
  package static func swiGLUForward(_ h: Matrix, gate: Matrix, up: Matrix, _ pool: ThreadPool) {
    precondition(
      h.rows == gate.rows && up.rows == gate.rows && h.columns == gate.columns && up.columns == gate.columns,
      "swiglu shapes differ")
    rows(h.rows, pool) { start, count in
      kernels.swiglu_forward(
        h.pointer(row: start), Int64(h.stride), gate.pointer(row: start), Int64(gate.stride), up.pointer(row: start),
        Int64(up.stride), count, Int64(h.columns))
    }
  }

  /// Replaces gate and up by their gradients, and dh by h, in place.
  package static func swiGLUBackward(gate: Matrix, up: Matrix, dh: Matrix, _ pool: ThreadPool) {
    precondition(
      dh.rows == gate.rows && up.rows == gate.rows && dh.columns == gate.columns && up.columns == gate.columns,
      "swiglu shapes differ")
    rows(dh.rows, pool) { start, count in
      kernels.swiglu_backward(
        gate.pointer(row: start), Int64(gate.stride), up.pointer(row: start), Int64(up.stride), dh.pointer(row: start),
        Int64(dh.stride), count, Int64(dh.columns))
    }
  }

  // MARK: Rows

  /// y[i] = the widened row ids[i] of `table`.
  /// - Precondition: every id is a row of the table, and the table is not in NF4.
  package static func embed(_ y: Matrix, ids: [Int32], table: Weight, _ pool: ThreadPool) {
    precondition(y.rows == ids.count && y.columns == table.columns, "embedding shapes differ")
    precondition(ids.allSatisfy { $0 >= 0 && Int($0) < table.rows }, "an id is not below \(table.rows)")
    rows(y.rows, pool) { start, count in
      for row in start..<start + Int(count) {
        let id = Int(ids[row])
        table.rows(id..<id + 1).widen(into: y.pointer(row: row))
      }
    }
  }

  /// y[i] = x[index[i]].
  package static func gather(_ y: Matrix, _ x: Matrix, index: [Int32], _ pool: ThreadPool) {
    precondition(y.rows == index.count && y.columns == x.columns, "gather shapes differ")
    precondition(index.allSatisfy { $0 >= 0 && Int($0) < x.rows }, "an index is not below \(x.rows)")
    rows(y.rows, pool) { start, count in
      index.withUnsafeBufferPointer {
        kernels.gather_rows(
          y.pointer(row: start), Int64(y.stride), x.base, Int64(x.stride), $0.baseAddress! + start, count,
          Int64(y.columns))
      }
    }
  }

  /// y[index[i]] += x[i]; each index occurs once.
  package static func scatterAdd(_ y: Matrix, _ x: Matrix, index: [Int32], _ pool: ThreadPool) {
    precondition(x.rows == index.count && y.columns == x.columns, "scatter shapes differ")
    precondition(index.allSatisfy { $0 >= 0 && Int($0) < y.rows }, "an index is not below \(y.rows)")
    rows(x.rows, pool) { start, count in
      index.withUnsafeBufferPointer {
        kernels.scatter_add_rows(
          y.base, Int64(y.stride), x.pointer(row: start), Int64(x.stride), $0.baseAddress! + start, count,
          Int64(x.columns))
      }
    }
  }

  /// y = a y + b x.
  package static func combine(_ y: Matrix, _ a: Float, _ x: Matrix, _ b: Float, _ pool: ThreadPool) {
    precondition(y.rows == x.rows && y.columns == x.columns, "shapes differ")
    rows(y.rows, pool) { start, count in
      kernels.combine(
        y.pointer(row: start), Int64(y.stride), x.pointer(row: start), Int64(x.stride), a, b, count, Int64(y.columns))
    }
  }

  /// Adds a row [1, columns] to every row of y.
  package static func add(row: Matrix, to y: Matrix, _ pool: ThreadPool) {
    precondition(row.columns == y.columns, "a row of \(row.columns) for \(y.columns) columns")
    rows(y.rows, pool) { start, count in
      kernels.combine(y.pointer(row: start), Int64(y.stride), row.base, 0, 1, 1, count, Int64(y.columns))
    }
  }

  /// sums [1, columns] = the sum of all rows of x, in fp64.
  package static func columnSums(_ sums: Matrix, _ x: Matrix, _ pool: ThreadPool) {
    precondition(sums.rows == 1 && sums.columns == x.columns, "sums of \(x.columns) columns in \(sums.columns)")
    columns(x.columns, pool) { start, count in
      kernels.column_sums(sums.base + start, x.base + start, Int64(x.stride), Int64(x.rows), count)
    }
  }

  /// y *= a.
  package static func scale(_ y: Matrix, by a: Float, _ pool: ThreadPool) { combine(y, a, y, 0, pool) }

  /// y = 0.
  package static func clear(_ y: Matrix, _ pool: ThreadPool) {
    rows(y.rows, pool) { start, count in
      for row in start..<start + Int(count) { y.pointer(row: row).update(repeating: 0, count: y.columns) }
    }
  }

  /// The place of the first NaN or infinity.
  package static func firstNonFinite(_ x: Matrix) -> (row: Int, column: Int)? {
    for row in 0..<x.rows {
      let column = kernels.first_non_finite(x.pointer(row: row), Int64(x.columns))
      if column >= 0 { return (row, Int(column)) }
    }
    return nil
  }

  /// Σ x² in fp64.
  package static func sumOfSquares(_ x: Matrix) -> Double {
    (0..<x.rows).reduce(0) { $0 + kernels.sum_of_squares(x.pointer(row: $1), Int64(x.columns)) }
  }

  // MARK: Random numbers

  /// y += uniform noise in ± the row's amplitude.
  /// - Parameter counters: two per row, as for dropout.
  package static func addNoise(
    _ y: Matrix, key: UInt64, counters: [UInt64], amplitudes: [Float], _ pool: ThreadPool
  ) {
    precondition(counters.count == 2 * y.rows && amplitudes.count == y.rows, "noise for \(amplitudes.count) rows")
    rows(y.rows, pool) { start, count in
      counters.withUnsafeBufferPointer { counters in
        amplitudes.withUnsafeBufferPointer { amplitudes in
          kernels.add_noise(
            y.pointer(row: start), Int64(y.stride), counters.baseAddress! + 2 * start, key,
            amplitudes.baseAddress! + start, count, Int64(y.columns))
        }
      }
    }
  }

  /// Identifies each row for dropout's random numbers: (stream, place in the stream).
  package struct DropoutRows: Sendable {
    package var probability: Float
    package var key: UInt64
    /// Two numbers per row.
    package var counters: [UInt64]

    package init(probability: Float, key: UInt64, counters: [UInt64]) {
      (self.probability, self.key, self.counters) = (probability, key, counters)
    }
  }

  /// y = x ∘ mask / (1 − p), or y += that.
  package static func dropout(_ y: Matrix, _ x: Matrix, _ dropout: DropoutRows, adding: Bool, _ pool: ThreadPool) {
    precondition(
      y.rows == x.rows && y.columns == x.columns && dropout.counters.count == 2 * x.rows, "dropout shapes differ")
    precondition(dropout.probability >= 0 && dropout.probability < 1, "dropout of \(dropout.probability)")
    rows(y.rows, pool) { start, count in
      dropout.counters.withUnsafeBufferPointer {
        kernels.dropout(
          y.pointer(row: start), Int64(y.stride), x.pointer(row: start), Int64(x.stride), $0.baseAddress! + 2 * start,
          dropout.key, dropout.probability, count, Int64(y.columns), adding ? 1 : 0)
      }
    }
  }
}
