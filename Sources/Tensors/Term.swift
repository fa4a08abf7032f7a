// A term of a product: its two sides, and the arithmetic that they are multiplied in.

internal import CShoal

/// One term A · B of a product.
package struct Term: @unchecked Sendable {
  /// As fp32 arithmetic takes it.
  let floats: shoal_term
  /// As int8 arithmetic takes it, without A's quantised rows; nil: in fp32.
  let int8: shoal_int8_term?
  let rows: Int
  let columns: Int
  private let owners: (AnyObject, AnyObject)

  private init(
    _ a: Matrix, transposed: Bool, b: UnsafeRawPointer, form: Weight.Form = .floats(.float32), depthStride: Int,
    columnStride: Int, depth: Int, columns: Int, owner: AnyObject, inFloats: Bool = true
  ) {
    precondition(
      (transposed ? a.rows : a.columns) == depth,
      "[\(a.rows), \(a.columns)]\(transposed ? " transposed" : "") times depth \(depth)")
    var floats = shoal_term(
      a: UnsafePointer(a.base), a_row: Int64(transposed ? 1 : a.stride), a_depth: Int64(transposed ? a.stride : 1),
      b: b, b_depth: Int64(depthStride), b_column: Int64(columnStride), depth: Int64(depth), b_type: 0,
      scales: shoal_nf4_scales(), int8: shoal_int8_scales())
    var int8: shoal_int8_term?
    switch form {
    case .floats(let type): floats.b_type = type.shoalCode
    case .nf4(let scales): (floats.b_type, floats.scales) = (Int32(SHOAL_NF4), scales)
    case .int8(let scales):
      (floats.b_type, floats.int8) = (Int32(SHOAL_INT8), scales)
      // What belongs to the depth goes to A before it is quantised, what belongs to the columns comes after the sums.
      let (ofDepth, ofColumns) =
        depthStride == 1 ? (scales.factors, scales.scales) : (scales.scales, scales.factors)
      if !inFloats {
        int8 = shoal_int8_term(
          a: floats.a, a_row: floats.a_row, a_factors: ofDepth, rows: nil, b: b.assumingMemoryBound(to: UInt8.self),
          b_depth: floats.b_depth, b_column: floats.b_column, b_scales: ofColumns, depth: floats.depth)
      }
    }
    (self.floats, self.int8) = (floats, int8)
    (rows, self.columns, owners) = (transposed ? a.columns : a.rows, columns, (a.storage, owner))
  }

  /// x · Wᵀ: x [N, in], W [out, in].
  /// - Parameter inFloats: whether a weight in int8 is widened, too.
  package static func forward(_ x: Matrix, _ w: Weight, inFloats: Bool = false) -> Term {
    Term(
      x, transposed: false, b: w.base, form: w.form, depthStride: 1, columnStride: w.columns, depth: w.columns,
      columns: w.rows, owner: w.owner, inFloats: inFloats)
  }

  /// dy · W: dy [N, out], W [out, in].
  package static func backward(_ dy: Matrix, _ w: Weight) -> Term {
    Term(
      dy, transposed: false, b: w.base, form: w.form, depthStride: w.columns, columnStride: 1, depth: w.rows,
      columns: w.columns, owner: w.owner, inFloats: false)
  }

  /// x · Bᵀ: x [N, k], B [n, k].
  package static func timesTransposed(_ x: Matrix, _ b: Matrix) -> Term {
    Term(
      x, transposed: false, b: b.base, depthStride: 1, columnStride: b.stride, depth: b.columns,
      columns: b.rows, owner: b.storage)
  }

  /// x · B: x [N, k], B [k, n].
  package static func times(_ x: Matrix, _ b: Matrix) -> Term {
    Term(
      x, transposed: false, b: b.base, depthStride: b.stride, columnStride: 1, depth: b.rows,
      columns: b.columns, owner: b.storage)
  }

  /// xᵀ · B: x [k, m], B [k, n].
  package static func transposedTimes(_ x: Matrix, _ b: Matrix) -> Term {
    Term(
      x, transposed: true, b: b.base, depthStride: b.stride, columnStride: 1, depth: b.rows,
      columns: b.columns, owner: b.storage)
  }
}

/// One product: result [rows, columns] = start + Σ terms.
package struct Product: Sendable {
  /// The value that a product is added to.
  package enum Start: Sendable {
    case zero
    case matrix(Matrix)
    /// A row [1, columns] added to every row.
    case bias(Matrix)
  }

  let result: Matrix
  let start: Start
  let terms: [Term]

  /// - Parameter start: may be the result itself.
  package init(_ result: Matrix, from start: Start = .zero, _ terms: [Term]) {
    for term in terms {
      precondition(
        term.rows == result.rows && term.columns == result.columns,
        "a term [\(term.rows), \(term.columns)] cannot add to [\(result.rows), \(result.columns)]")
    }
    (self.result, self.start, self.terms) = (result, start, terms)
  }

  /// The numbers that `start` holds, and from one of its rows to the next.
  var initial: (numbers: UnsafePointer<Float>?, stride: Int) {
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
