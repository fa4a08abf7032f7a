// The factors that an adapter can start from: leading singular vectors, or the first columns of a QR decomposition. In fp64,
// by one thread in a fixed order: the bits are the same on every machine.

internal import CShoal

/// A weight's part of low rank: Σ left[i] right[i]ᵀ over `rank` pairs of vectors.
package struct SpectralFactors: Sendable {
  /// `rank` vectors of `out` and of `in` numbers, one after the other.
  package let left, right: [Double]

  /// The best approximation of W [out, in] of a rank, W ≈ U S Vᵀ (Eckart and Young 1936): left = U √S, right = V √S. The
  /// number of largest magnitude in each vector of V is positive. Where W has a smaller rank, the rest is zero.
  /// - Parameter search: nil computes exact singular vectors.
  package init(singularVectorsOf w: Matrix, rank: Int, search: Search? = nil) {
    let side = Side(w)
    let count = min(rank, side.width)
    var (tall, wide, values) = search.map { side.search(count, $0) } ?? side.exact(count)
    for i in 0..<count {
      let place = (0..<w.columns).max { abs(side.right(tall, wide)[i, $0]) < abs(side.right(tall, wide)[i, $1]) }
      let sign: Double = place.map { side.right(tall, wide)[i, $0] < 0 ? -1 : 1 } ?? 1
      let factor = sign * values[i].squareRoot()
      tall.scale(i, by: factor)
      wide.scale(i, by: factor)
    }
    left = (side.isTransposed ? wide : tall).dense(count: rank)
    right = (side.isTransposed ? tall : wide).dense(count: rank)
  }

  /// The first columns of Q and rows of R of W = Q R, with LAPACK's signs.
  package init(orthogonalFactorsOf w: Matrix, rank: Int) {
    let count = min(rank, w.rows, w.columns)
    var q = Vectors(count: count, length: w.rows)
    for i in 0..<count { for j in 0..<w.rows { q[i, j] = Double(w[j, i]) } }
    q.orthonormalize()
    var r = q.times(w, transposed: false)
    for i in 0..<count { for j in 0..<i { r[i, j] = 0 } }
    (left, right) = (q.dense(count: rank), r.dense(count: rank))
  }

  /// A randomised search for singular vectors (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1), as
  /// torch.svd_lowrank does it.
  package struct Search: Sendable {
    /// Power iterations.
    package var iterations: Int
    package var random: CounterRandom
    package var stream: UInt64

    package init(iterations: Int, random: CounterRandom, stream: UInt64) {
      (self.iterations, self.random, self.stream) = (iterations, random, stream)
    }
  }
}

/// W, or its transpose if that is the taller one: M [height, width].
private struct Side {
  let w: Matrix
  let isTransposed: Bool
  var height: Int { max(w.rows, w.columns) }
  var width: Int { min(w.rows, w.columns) }

  init(_ w: Matrix) {
    self.w = w
    isTransposed = w.rows < w.columns
  }

  func right(_ tall: Vectors, _ wide: Vectors) -> Vectors { isTransposed ? tall : wide }

  /// M v and Mᵀ u for every vector.
  private func times(_ v: Vectors) -> Vectors { v.times(w, transposed: !isTransposed) }
  private func transposedTimes(_ u: Vectors) -> Vectors { u.times(w, transposed: isTransposed) }

  /// Singular vectors from the eigenvectors of Mᵀ M.
  func exact(_ count: Int) -> (tall: Vectors, wide: Vectors, values: [Double]) {
    var (values, wide) = Vectors.eigenvectors(count: count, length: width) { gram, row, scratch in
      kernels.spectral_gram(
        gram, row, w.base, Int64(w.stride), isTransposed ? 1 : 0, Int64(width), Int64(height), scratch)
    }
    values = values.map { max(0, $0).squareRoot() }
    var tall = times(wide)
    for i in 0..<count { tall.scale(i, by: values[i] > 0 ? 1 / values[i] : 0) }
    return (tall, wide, values)
  }

  func search(_ count: Int, _ search: SpectralFactors.Search) -> (tall: Vectors, wide: Vectors, values: [Double]) {
    var wide = Vectors(count: count, length: width)
    for i in 0..<count {
      for j in 0..<width {
        wide[i, j] = 2 * search.random.uniform(stream: search.stream, index: UInt64(i * width + j)) - 1
      }
    }
    var basis = times(wide)
    basis.orthonormalize()
    for _ in 0..<search.iterations {
      wide = transposedTimes(basis)
      wide.orthonormalize()
      basis = times(wide)
      basis.orthonormalize()
    }
    // Within the basis: M ≈ basis · rowsᵀ, and the singular vectors of the small side by the eigenvectors of rowsᵀ rows.
    let rows = transposedTimes(basis)
    var (values, small) = Vectors.eigenvectors(count: count, length: count) { gram, row, _ in
      for i in 0..<count {
        for j in 0..<count {
          gram[i * Int(row) + j] = (0..<width).reduce(0) { $0 + rows[min(i, j), $1] * rows[max(i, j), $1] }
        }
      }
    }
    values = values.map { max(0, $0).squareRoot() }
    let tall = small.combining(basis)
    wide = small.combining(rows)
    for i in 0..<count { wide.scale(i, by: values[i] > 0 ? 1 / values[i] : 0) }
    return (tall, wide, values)
  }
}

/// Vectors of one length, each in a padded row.
private struct Vectors {
  let count, length, row: Int
  private var numbers: [Double]

  init(count: Int, length: Int) {
    (self.count, self.length) = (count, length)
    row = Self.padded(length)
    numbers = [Double](repeating: 0, count: count * row)
  }

  private static func padded(_ length: Int) -> Int {
    let lanes = Int(SHOAL_SPECTRAL_LANES)
    return (length + lanes - 1) / lanes * lanes
  }

  subscript(vector: Int, place: Int) -> Double {
    get { numbers[vector * row + place] }
    set { numbers[vector * row + place] = newValue }
  }

  mutating func scale(_ vector: Int, by factor: Double) {
    for place in 0..<length { self[vector, place] *= factor }
  }

  /// One after the other, with zeros up to `count` vectors.
  func dense(count: Int) -> [Double] {
    (0..<count).flatMap { vector in (0..<length).map { vector < self.count ? self[vector, $0] : 0 } }
  }

  mutating func orthonormalize() {
    withScratch(count * (row + 1)) {
      kernels.spectral_orthonormalize(&numbers, Int64(row), Int64(count), Int64(length), $0)
    }
  }

  /// Σ self[i, j] · others[j] for every i.
  func combining(_ others: Vectors) -> Vectors {
    var result = Vectors(count: count, length: others.length)
    for i in 0..<count {
      for j in 0..<length { for k in 0..<others.length { result[i, k] += self[i, j] * others[j, k] } }
    }
    return result
  }

  /// W v, or Wᵀ v if it is not transposed, for every vector v.
  func times(_ w: Matrix, transposed: Bool) -> Vectors {
    precondition(length == (transposed ? w.columns : w.rows), "vectors of \(length) by [\(w.rows), \(w.columns)]")
    var result = Vectors(count: count, length: transposed ? w.rows : w.columns)
    withScratch(Int(SHOAL_SPECTRAL_DEPTH) * (result.row + Self.padded(count))) {
      kernels.spectral_product(
        &result.numbers, Int64(result.row), numbers, Int64(row), Int64(count), w.base, Int64(w.stride),
        transposed ? 1 : 0, Int64(result.length), Int64(length), $0)
    }
    return result
  }

  /// The largest eigenvalues of a symmetric matrix, descending, and their vectors.
  /// - Parameter fill: fills the matrix, which is zero.
  static func eigenvectors(
    count: Int, length: Int,
    _ fill: (_ gram: UnsafeMutablePointer<Double>, _ row: Int64, _ scratch: UnsafeMutablePointer<Double>) -> Void
  ) -> (values: [Double], vectors: Vectors) {
    var vectors = Vectors(count: count, length: length)
    var values = [Double](repeating: 0, count: count)
    let row = vectors.row
    withScratch(length * row) { gram in
      withScratch(Int(SHOAL_SPECTRAL_DEPTH) * row) { scratch in
        fill(gram, Int64(row), scratch)
        kernels.spectral_eigenvectors(
          &values, &vectors.numbers, gram, Int64(row), Int64(length), Int64(count), scratch)
      }
    }
    return (values, vectors)
  }
}

private func withScratch(_ count: Int, _ body: (UnsafeMutablePointer<Double>) -> Void) {
  let scratch = UnsafeMutablePointer<Double>.allocate(capacity: count)
  scratch.update(repeating: 0, count: count)
  body(scratch)
  scratch.deallocate()
}
