// The rows of a parquet file as records.

import Checkpoints
import Parquet

/// The records of a file of columns.
final class TableRecords: RecordSource {
  private let path: String
  private let rows: ParquetRows
  /// The columns that are not read.
  private let unread: [JSONValue.Member]
  /// Rows before the next one.
  private var passed: Int

  /// - Parameters:
  ///   - fields: the columns that are read; nil: all.
  ///   - first: the first row.
  /// - Throws: `FileError`, `ParquetError`.
  init(path: String, fields: Set<String>?, from first: Int) throws {
    let file = try ParquetFile(path: path)
    (self.path, passed) = (path, first)
    rows = try file.rows(columns: fields, from: first)
    unread = file.columns.filter { fields?.contains($0) == false }.map {
      .init($0, .unusable(JSONSyntaxError(byteOffset: 0, line: 1, reason: "the column is not read")))
    }
  }

  func next(_ maximum: Int) throws -> RecordBatch? {
    guard let rows = try rows.next(maximum), !rows.isEmpty else { return nil }
    defer { passed += rows.count }
    return RecordBatch(
      path: path, firstRow: passed,
      rows: unread.isEmpty ? rows : rows.map { .object(($0.members ?? []) + unread) })
  }

  var unpackedBytes: Int { rows.decodedBytes }
}
