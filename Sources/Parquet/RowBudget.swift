// What a few rows may have in all their columns: a small file can hold runs of millions, and texts that share their bytes.

import Checkpoints

/// Counts the values of a walk over rows, of all its columns together.
final class RowBudget {
  /// Between two resets.
  private static let mostValues = 1 << 21
  private static let mostBytes = 256 << 20

  private var values = 0
  private var bytes = 0
  /// Memory of all values so far, texts that a dictionary shares counted once.
  private(set) var decodedBytes = 0

  /// Begins some rows, which have the limits together.
  func reset() { (values, bytes) = (0, 0) }

  /// Whether many more rows, like those since the reset, are far from the limits.
  var isAmple: Bool { values < Self.mostValues / 16 && bytes < Self.mostBytes / 16 }

  /// A value, a null, or a list or struct, which is one more even if it is empty.
  @inline(__always)
  func addValue() throws(ParquetFlaw) {
    values += 1
    decodedBytes += MemoryLayout<JSONValue>.stride
    guard values < Self.mostValues, bytes < Self.mostBytes else {
      throw ParquetFlaw("a few rows have more than \(Self.mostValues) values or \(Self.mostBytes) bytes")
    }
  }

  func addTexts(bytes: Int) {
    self.bytes += bytes
    decodedBytes += bytes
  }

  /// A dictionary stays as long as a value that refers to it, but is no row's own.
  func addDictionary(bytes: Int) { decodedBytes += bytes }
}
