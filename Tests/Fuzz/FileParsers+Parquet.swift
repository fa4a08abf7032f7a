// Parquet files.

import Checkpoints
import Parquet

extension FileParsers {
  /// All columns, then the rows after the first; the first few rows, since a number of rows that have no bytes may be any.
  func parquet(_ bytes: UnsafeRawBufferPointer) throws {
    try write(bytes, "file.parquet")
    let file = try ParquetFile(path: path("file.parquet"))
    for start in [0, 1] {
      let rows = try file.rows(from: start)
      for _ in 0..<8 { guard try rows.next(100) != nil else { break } }
    }
  }
}
