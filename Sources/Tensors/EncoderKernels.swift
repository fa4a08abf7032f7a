// The row kernels of encoders; each divides its rows over the pool.

internal import CShoal

package enum EncoderKernels {
  /// y = LayerNorm(x + residual) ∘ weight + bias, row by row (Ba et al. 2016); y may be x.
  package static func layerNorm(
    _ y: Matrix, _ x: Matrix, residual: Matrix? = nil, weight: Matrix, bias: Matrix, epsilon: Float,
    _ pool: ThreadPool
  ) {
    precondition(
      y.rows == x.rows && y.columns == x.columns && weight.columns == x.columns && bias.columns == x.columns
        && residual.map { $0.rows >= x.rows && $0.columns == x.columns } ?? true, "norm shapes differ")
    pool.clock.enter(.elementwise)
    pool.blocks(of: x.rows, by: 16) { rows in
      let start = rows.lowerBound
      kernels.layernorm(
        y.pointer(row: start), Int64(y.stride), x.pointer(row: start), Int64(x.stride),
        residual?.pointer(row: start), Int64(residual?.stride ?? 0), weight.base, bias.base, Int64(rows.count),
        Int64(x.columns), epsilon)
    }
  }

  /// x = x / |x|, row by row, in place.
  package static func normalize(_ x: Matrix, _ pool: ThreadPool) {
    pool.clock.enter(.elementwise)
    pool.blocks(of: x.rows, by: 16) { rows in
      for row in rows {
        let entries = UnsafeMutableBufferPointer(start: x.pointer(row: row), count: x.columns)
        let length = entries.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        for index in entries.indices { entries[index] = Float(Double(entries[index]) / length) }
      }
    }
  }

  /// x = x Φ(x), in place: GELU by the normal distribution itself, not by tanh.
  package static func gelu(_ x: Matrix, _ pool: ThreadPool) {
    pool.clock.enter(.elementwise)
    pool.blocks(of: x.rows, by: 16) { rows in
      kernels.gelu(x.pointer(row: rows.lowerBound), Int64(x.stride), Int64(rows.count), Int64(x.columns))
    }
  }
}
