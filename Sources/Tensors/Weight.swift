// A frozen weight where it lies: in the mapped file, in the file's own element type.

internal import CShoal

/// A frozen matrix [rows, columns] of fp32, bf16 or fp16 numbers that products widen tile by tile.
package struct Weight: @unchecked Sendable {
  package let base: UnsafeRawPointer
  package let type: ElementType
  package let rows: Int
  package let columns: Int
  /// What keeps the bytes alive.
  let owner: AnyObject

  /// - Precondition: `type` is a floating-point type and `base` holds rows * columns of it.
  package init(base: UnsafeRawPointer, type: ElementType, rows: Int, columns: Int, owner: AnyObject) {
    precondition([.float32, .bfloat16, .float16].contains(type), "weights are not of type \(type)")
    self.base = base
    self.type = type
    self.rows = rows
    self.columns = columns
    self.owner = owner
  }

  /// The same matrix in fp32: for vectors and small tables that every pass reads whole.
  package func widened() -> Matrix {
    let wide = Matrix(rows: rows, columns: columns)
    shoal_widen(wide.base, base, type.shoalCode, Int64(rows * columns))
    return wide
  }

  /// The given rows.
  package func rows(_ range: Range<Int>) -> Weight {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return Weight(
      base: base + range.lowerBound * columns * type.bytes, type: type, rows: range.count, columns: columns,
      owner: owner)
  }
}

extension Matrix {
  /// The entries as bytes of `type`, each rounded once to nearest, ties to even.
  /// - Precondition: the matrix is dense and `type` a floating-point type.
  package func narrowed(to type: ElementType) -> [UInt8] {
    precondition(stride == columns && [.float32, .bfloat16, .float16].contains(type), "cannot narrow to \(type)")
    return Array(unsafeUninitializedCapacity: rows * columns * type.bytes) { bytes, count in
      shoal_narrow(bytes.baseAddress, base, type.shoalCode, Int64(rows * columns))
      count = rows * columns * type.bytes
    }
  }
}

extension ElementType {
  /// The code that C kernels know the type by.
  var shoalCode: Int32 {
    switch self {
    case .bfloat16: Int32(SHOAL_BF16)
    case .float16: Int32(SHOAL_F16)
    default: Int32(SHOAL_F32)
    }
  }
}
