// The int8 format of weights.

/// int8: entries as bytes, with a scale for each row and a power of two for each column.
package enum Int8 {
  /// Bytes of a matrix with its scales and factors.
  package static func byteCount(rows: Int, columns: Int) -> Int { rows * columns + 4 * rows + 4 * columns }
}
