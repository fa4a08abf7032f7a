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
  private var passed = 0

  /// - Parameter fields: the columns that are read; nil: all.
  /// - Throws: `FileError`, `ParquetError`.
  init(path: String, fields: Set<String>?) throws {
    let file = try ParquetFile(path: path)
    self.path = path
    rows = try file.rows(columns: fields)
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
