// Data files as a sequence of records, batch by batch: parsing can run in parallel, and no file is in memory as a whole.

import Parquet
import Tensors

/// What .txt files are cut into: `sample_by`, as in the hub's library.
package enum TextSamples: String, Sendable, CaseIterable {
  /// The texts between blank lines.
  case paragraph
  /// The whole file.
  case document
  case line
}

/// The records of one file, in order.
package final class RecordStream {
  package let path: String
  private let source: any RecordSource
  /// Records before the next one.
  private(set) var passed = 0

  /// Opens a file.
  /// - Parameters:
  ///   - format: nil: what its name says.
  ///   - fields: the fields that are read, where the format has columns; nil: all.
  ///   - samples: what a text file is cut into.
  ///   - first: records before it are not wanted. A file of columns begins there; `passed` says where others begin.
  /// - Throws: `FileError` if the file cannot be read; `CorpusError` if its name is not that of a data file;
  ///   `ParquetError`.
  package init(
    path: String, format: DataFormat? = nil, fields: Set<String>? = nil, samples: TextSamples = .paragraph,
    from first: Int = 0
  ) throws {
    guard let format = format ?? DataFormat(path: path) else {
      throw CorpusError.unusable(
        path: path,
        reason: DataFormat.advice(for: path).map { "the format is not read: \($0)" }
          ?? "expected a \(DataFormat.names) file, also as .gz or .zst, or a directory of them")
    }
    self.path = path
    func scanned(_ mode: RecordScanner.Mode) throws -> any RecordSource {
      try ScannedRecords(path: path, format, mode)
    }
    switch (format, samples) {
    case (.parquet, _):
      source = try TableRecords(path: path, fields: fields, from: first)
      passed = first
    case (.json, _): source = try scanned(.json)
    case (.csv, _): source = try scanned(.rows(separator: CSVRow.separator(of: path)))
    case (.text, .paragraph): source = try scanned(.paragraphs)
    case (.text, .document): source = try scanned(.document)
    case (.text, .line): source = try scanned(.lines)
    }
  }

  /// The next records, at most `maximum`; nil at the end of the file.
  /// - Throws: `CorpusError` if the file is damaged, or if a record has no end within its limit; `ParquetError`.
  package func next(_ maximum: Int = 4096) throws -> RecordBatch? {
    let batch = try source.next(maximum)
    passed += batch?.count ?? 0
    return batch
  }

  /// The number of a file's records.
  static func count(path: String, format: DataFormat?, samples: TextSamples) throws -> Int {
    if (format ?? DataFormat(path: path)) == .parquet { return try ParquetFile(path: path).rowCount }
    let stream = try RecordStream(path: path, format: format, samples: samples)
    while try stream.next() != nil {}
    return stream.passed
  }

  /// Memory that the records so far take which the file does not have as it is: unpacked bytes, decoded rows.
  var unpackedBytes: Int { source.unpackedBytes }
}
