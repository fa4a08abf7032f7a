// The left sides of int8 products: rows that are quantised once for all products that read them.

internal import CShoal
import Glibc

/// Memory for rows in int8. What is in it belongs to the product, or the products of one input, that are computed.
package struct Int8Rows: @unchecked Sendable {
  private let memory: Matrix

  /// - Parameter memory: dense, at least `width` numbers for each row.
  package init(_ memory: Matrix) {
    precondition(memory.stride == memory.columns, "rows in int8 in memory with gaps")
    self.memory = memory
  }

  /// Numbers of memory for a row of a depth.
  package static func width(depth: Int) -> Int { Int(shoal_int8_row_bytes(Int64(depth))) / 4 }

  /// The term with its rows quantised.
  func quantize(_ term: shoal_int8_term, rows: Int, _ pool: ThreadPool) -> shoal_int8_term {
    let width = Self.width(depth: Int(term.depth))
    precondition(
      rows * width <= memory.rows * memory.columns,
      "\(rows) rows of \(width) numbers in [\(memory.rows), \(memory.columns)]")
    var quantized = term
    quantized.rows = UnsafeRawPointer(memory.base)
    nonisolated(unsafe) let (term, base) = (term, memory.base)
    pool.blocks(of: rows, by: 8) { range in
      kernels.int8_quantize(
        base + range.lowerBound * width, term.a + range.lowerBound * Int(term.a_row), term.a_row, term.a_factors,
        Int64(range.count), term.depth)
    }
    return quantized
  }
}

extension shoal_int8_term {
  /// Whether both quantise the same rows. Weights that read one input have equal factors, each its own copy.
  func sharesRows(with other: shoal_int8_term) -> Bool {
    a == other.a && a_row == other.a_row && depth == other.depth
      && memcmp(a_factors, other.a_factors, Int(depth) * MemoryLayout<Float>.stride) == 0
  }
}
