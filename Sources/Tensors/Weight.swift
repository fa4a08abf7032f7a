// A weight as products read it: in its mapped file, in the file's own element type, NF4 or int8, or in memory.

internal import CShoal

/// A matrix [rows, columns] that products widen tile by tile: fp32, bf16 or fp16 numbers, or NF4 codes; or one in int8,
/// whose products are computed in integers.
package struct Weight: @unchecked Sendable {
  /// The encoding of the entries.
  enum Form {
    case floats(ElementType)
    case nf4(shoal_nf4_scales)
    case int8(shoal_int8_scales)
  }

  package let base: UnsafeRawPointer
  let form: Form
  package let rows: Int
  package let columns: Int
  /// Keeps the bytes alive.
  let owner: AnyObject

  private init(_ base: UnsafeRawPointer, _ form: Form, rows: Int, columns: Int, owner: AnyObject) {
    (self.base, self.form, self.rows, self.columns, self.owner) = (base, form, rows, columns, owner)
  }

  /// - Precondition: `type` is a floating-point type and `base` holds rows * columns of it.
  package init(base: UnsafeRawPointer, type: ElementType, rows: Int, columns: Int, owner: AnyObject) {
    precondition([.float32, .bfloat16, .float16].contains(type), "weights are not of type \(type)")
    self.init(base, .floats(type), rows: rows, columns: columns, owner: owner)
  }

  /// A matrix in memory, which may change.
  /// - Precondition: it is dense.
  package init(_ matrix: Matrix) {
    precondition(matrix.stride == matrix.columns, "a matrix with gaps")
    self.init(
      UnsafeRawPointer(matrix.base), .floats(.float32), rows: matrix.rows, columns: matrix.columns,
      owner: matrix.storage)
  }

  /// A matrix in NF4.
  /// - Parameters:
  ///   - codes: rows * columns codes, two per byte, the first in the high half.
  ///   - scaleCodes: one for each block of 64 entries.
  ///   - scaleMaxima: one for every 256 blocks.
  /// - Precondition: rows are whole blocks.
  package init(
    nf4 codes: UnsafeRawPointer, scaleCodes: UnsafePointer<UInt8>, scaleMaxima: UnsafePointer<Float>, offset: Float,
    rows: Int, columns: Int, owner: AnyObject
  ) {
    precondition(columns.isMultiple(of: NF4.block), "rows of \(columns) entries are not blocks of \(NF4.block)")
    let scales = shoal_nf4_scales(codes: scaleCodes, maxima: scaleMaxima, offset: offset, first: 0)
    self.init(codes, .nf4(scales), rows: rows, columns: columns, owner: owner)
  }

  /// A matrix in int8: entry (r, c) is (codes[r · columns + c] − 128) · scales[r] · factors[c].
  /// - Parameter factors: powers of two.
  package init(
    int8 codes: UnsafeRawPointer, scales: UnsafePointer<Float>, factors: UnsafePointer<Float>, rows: Int, columns: Int,
    owner: AnyObject
  ) {
    let scales = shoal_int8_scales(scales: scales, factors: factors, width: Int64(columns))
    self.init(codes, .int8(scales), rows: rows, columns: columns, owner: owner)
  }

  /// Bytes that the stored matrix takes.
  package var byteCount: Int {
    switch form {
    case .floats(let type): rows * columns * type.bytes
    case .nf4: NF4.byteCount(rows: rows, columns: columns)
    case .int8: Int8.byteCount(rows: rows, columns: columns)
    }
  }

  /// The same matrix in fp32: for vectors, small tables and parts of the output.
  package func widened() -> Matrix {
    let wide = Matrix(rows: rows, columns: columns)
    widen(into: wide.base)
    return wide
  }

  /// Writes the matrix in fp32, row after row.
  func widen(into y: UnsafeMutablePointer<Float>) {
    switch form {
    case .floats(let type): kernels.widen(y, base, type.shoalCode, Int64(rows * columns))
    case .nf4(var scales):
      let codes = base.assumingMemoryBound(to: UInt8.self)
      kernels.nf4_widen(y, codes, &scales, Int64(rows * columns / NF4.block))
    case .int8(var scales):
      kernels.int8_widen(y, base.assumingMemoryBound(to: UInt8.self), &scales, Int64(rows))
    }
  }

  /// The given rows.
  package func rows(_ range: Range<Int>) -> Weight {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    let start = range.lowerBound * columns
    switch form {
    case .floats(let type):
      return Weight(base + start * type.bytes, form, rows: range.count, columns: columns, owner: owner)
    case .nf4(var scales):
      scales.first += Int64(start / NF4.block)
      return Weight(base + start / 2, .nf4(scales), rows: range.count, columns: columns, owner: owner)
    case .int8(var scales):
      scales.scales += range.lowerBound
      return Weight(base + start, .int8(scales), rows: range.count, columns: columns, owner: owner)
    }
  }

  /// The pointer and type code for C kernels that take floats only.
  /// - Precondition: the matrix is not quantised.
  var floats: (base: UnsafeRawPointer, code: Int32) {
    guard case .floats(let type) = form else { preconditionFailure("a quantised matrix, where floats are needed") }
    return (base, type.shoalCode)
  }
}

extension Matrix {
  /// The entries as bytes of `type`, each rounded once to nearest, ties to even.
  /// - Precondition: the matrix is dense and `type` a floating-point type.
  package func narrowed(to type: ElementType) -> [UInt8] {
    precondition(stride == columns && [.float32, .bfloat16, .float16].contains(type), "cannot narrow to \(type)")
    return Array(unsafeUninitializedCapacity: rows * columns * type.bytes) { bytes, count in
      kernels.narrow(bytes.baseAddress, base, type.shoalCode, Int64(rows * columns))
      count = rows * columns * type.bytes
    }
  }
}

extension ElementType {
  /// The type's code in the C kernels.
  var shoalCode: Int32 {
    switch self {
    case .bfloat16: Int32(SHOAL_BF16)
    case .float16: Int32(SHOAL_F16)
    default: Int32(SHOAL_F32)
    }
  }
}
