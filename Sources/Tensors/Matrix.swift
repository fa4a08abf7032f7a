// A view of rows of fp32 numbers.
//
// Shape legend, used everywhere: N rows (tokens of a micro-batch), D hidden, H query heads, K key/value
// heads, E head width, F feed-forward width, V vocabulary, R LoRA rank, L layers. Row-major.

/// A row-major matrix view [rows, columns] that keeps its storage alive. Copies share their elements.
package struct Matrix: @unchecked Sendable {
  package let storage: Storage
  package let base: UnsafeMutablePointer<Float>
  package let rows: Int
  package let columns: Int
  /// Elements from one row to the next.
  package let stride: Int

  /// A fresh zero matrix.
  package init(rows: Int, columns: Int) {
    storage = Storage(count: rows * columns)
    base = storage.base
    (self.rows, self.columns, stride) = (rows, columns, columns)
  }

  /// A dense matrix inside `storage`.
  package init(_ storage: Storage, offset: Int, rows: Int, columns: Int) {
    precondition(
      offset >= 0 && offset + rows * columns <= storage.count,
      "[\(rows), \(columns)] at \(offset) does not fit \(storage.count) numbers")
    self.storage = storage
    base = storage.base + offset
    (self.rows, self.columns, stride) = (rows, columns, columns)
  }

  private init(_ storage: Storage, _ base: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int) {
    (self.storage, self.base) = (storage, base)
    (self.rows, self.columns, self.stride) = (rows, columns, stride)
  }

  /// The given rows.
  package func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return Matrix(storage, base + range.lowerBound * stride, range.count, columns, stride)
  }

  /// The first `count` rows.
  package func prefix(_ count: Int) -> Matrix { rows(0..<count) }

  /// The given columns of every row.
  package func columns(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
    return Matrix(storage, base + range.lowerBound, rows, range.count, stride)
  }

  /// The same numbers as a dense matrix of another shape, with at most as many entries.
  package func reshaped(rows: Int, columns: Int) -> Matrix {
    precondition(
      (stride == self.columns || self.rows <= 1) && rows * columns <= self.rows * self.columns,
      "[\(self.rows), \(self.columns)] cannot hold [\(rows), \(columns)]")
    return Matrix(storage, base, rows, columns, columns)
  }

  package func pointer(row: Int) -> UnsafeMutablePointer<Float> { base + row * stride }

  package subscript(row: Int, column: Int) -> Float {
    get { base[row * stride + column] }
    nonmutating set { base[row * stride + column] = newValue }
  }

  /// The entries in row order.
  package var elements: [Float] { (0..<rows).flatMap { row in (0..<columns).map { self[row, $0] } } }
}
