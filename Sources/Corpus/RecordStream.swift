// Data files as a sequence of records, batch by batch: parsing can run in parallel, and no file is in memory as a whole.

package import Checkpoints
import Glibc
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
  /// The size limit of a record, in bytes.
  package static let maximumBytes = 16 << 20
  /// What a batch unpacks at once.
  private static let bufferBytes = 8 << 20

  package let path: String
  private let format: DataFormat
  private let source: ByteSource?
  private var table: Table?
  private var scanner: RecordScanner
  private var buffer: RecordBatch.Buffer
  /// The place of the buffer in the file's unpacked bytes.
  private var base = 0
  private var offset = 0
  /// The bytes of a plain file whose pages were given back.
  private var released = 0
  private var isLast: Bool
  private var header: RecordBatch.Header?

  /// The rows of a parquet file.
  private struct Table {
    var rows: ParquetRows
    /// Rows before the next one.
    var passed = 0
    /// The columns that are not read.
    let unread: [JSONValue.Member]
  }

  /// Opens a file.
  /// - Parameters:
  ///   - format: nil: what its name says.
  ///   - fields: the fields that are read, where the format has columns; nil: all.
  ///   - samples: what a text file is cut into.
  /// - Throws: `FileError` if the file cannot be read; `CorpusError` if its name is not that of a data file;
  ///   `ParquetError`.
  package init(
    path: String, format: DataFormat? = nil, fields: Set<String>? = nil, samples: TextSamples = .paragraph
  ) throws {
    guard let format = format ?? DataFormat(path: path) else {
      throw CorpusError.unusable(
        path: path,
        reason: DataFormat.advice(for: path).map { "the format is not read: \($0)" }
          ?? "expected a \(DataFormat.names) file, also as .gz or .zst, or a directory of them")
    }
    (self.path, self.format) = (path, format)
    guard format != .parquet else {
      let file = try ParquetFile(path: path)
      table = Table(
        rows: try file.rows(columns: fields),
        unread: file.columns.filter { fields?.contains($0) == false }.map {
          .init($0, .unusable(JSONSyntaxError(byteOffset: 0, line: 1, reason: "the column is not read")))
        })
      (source, buffer, isLast) = (nil, RecordBatch.Buffer(capacity: 0), true)
      scanner = RecordScanner(.document, path: path)
      return
    }
    let file = try MappedFile(path: path)
    let packing = DataFormat.packing(of: path)
    source = try packing.map { try ByteSource(file, $0) }
    buffer = packing == nil ? RecordBatch.Buffer(file) : RecordBatch.Buffer(capacity: 0)
    isLast = packing == nil
    let mode: RecordScanner.Mode =
      switch (format, samples) {
      case (.json, _): .json
      case (.csv, _): .rows(separator: CSVRow.separator(of: path))
      case (.text, .paragraph): .paragraphs
      case (.text, .document): .document
      case (.text, .line): .lines
      case (.parquet, _): .document
      }
    scanner = RecordScanner(mode, path: path)
  }

  /// The next records, at most `maximum`; nil at the end of the file.
  /// - Throws: `CorpusError` if the file is damaged, or if a record has no end within its limit.
  package func next(_ maximum: Int = 4096) throws -> RecordBatch? {
    if table != nil { return try nextRows(maximum) }
    while true {
      var spans: [RecordScanner.Span] = []
      let start = offset
      releasePages()
      while spans.count < maximum, offset - start < Self.bufferBytes,
        let span = try scanner.next(in: buffer.bytes, at: &offset, base: base, isLast: isLast)
      {
        if format == .csv, header == nil {
          header = try RecordBatch.Header(
            UnsafeRawBufferPointer(rebasing: buffer.bytes[span.bytes]), path: path)
        } else {
          spans.append(span)
        }
      }
      if !spans.isEmpty {
        return RecordBatch(path: path, format: format, header: header, buffer: buffer, base: base, spans: spans)
      }
      guard !isLast else { return nil }
      try refill()
    }
  }

  private func nextRows(_ maximum: Int) throws -> RecordBatch? {
    guard let rows = try table?.rows.next(maximum), !rows.isEmpty else { return nil }
    defer { table?.passed += rows.count }
    let unread = table?.unread ?? []
    return RecordBatch(
      path: path, firstRow: table?.passed ?? 0,
      rows: unread.isEmpty ? rows : rows.map { .object(($0.members ?? []) + unread) })
  }

  /// The number of a file's records.
  static func count(path: String, format: DataFormat?, samples: TextSamples) throws -> Int {
    if (format ?? DataFormat(path: path)) == .parquet { return try ParquetFile(path: path).rowCount }
    let stream = try RecordStream(path: path, format: format, samples: samples)
    var count = 0
    while let batch = try stream.next() { count += batch.count }
    return count
  }

  /// Gives back the pages of a plain file that the last batch was read from; who still has that batch reads them again.
  private func releasePages() {
    guard source == nil else { return }
    buffer.release(released..<offset)
    released = offset
  }

  /// The bytes of a packed file that have been unpacked so far.
  var unpackedBytes: Int { source == nil ? 0 : base + buffer.bytes.count }

  /// Makes a buffer of the bytes that are left and of new ones.
  private func refill() throws {
    let left = UnsafeRawBufferPointer(rebasing: buffer.bytes[offset...])
    guard left.count <= Self.maximumBytes || format == .text else {
      let location = RecordLocation(file: path, line: scanner.line, byte: base + offset)
      throw CorpusError.badRecords(
        [RecordMistake(location: location, problem: RecordBatch.excess("more than \(Self.maximumBytes)"))])
    }
    let larger = RecordBatch.Buffer(capacity: max(Self.bufferBytes, 2 * left.count))
    larger.append(left)
    let count = try source?.read(into: larger.room) ?? 0
    isLast = count < larger.room.count
    larger.extend(by: count)
    (base, offset, buffer) = (base + offset, 0, larger)
  }
}

/// Some records of a file, to be parsed one by one.
package struct RecordBatch: Sendable {
  private let path: String
  private let format: DataFormat
  private let header: Header?
  private let buffer: Buffer
  private let base: Int
  private let spans: [RecordScanner.Span]
  /// The records themselves, where the file has columns.
  private let rows: [JSONValue]

  init(
    path: String, format: DataFormat, header: Header?, buffer: Buffer, base: Int, spans: [RecordScanner.Span]
  ) {
    (self.path, self.format, self.header, self.buffer) = (path, format, header, buffer)
    (self.base, self.spans, rows) = (base, spans, [])
  }

  init(path: String, firstRow: Int, rows: [JSONValue]) {
    (self.path, format, header, buffer) = (path, .parquet, nil, Buffer(capacity: 0))
    (base, spans, self.rows) = (firstRow, [], rows)
  }

  package var count: Int { format == .parquet ? rows.count : spans.count }

  /// The start of record `index`; its line is the row's number where the file has columns.
  package func location(_ index: Int) -> RecordLocation {
    guard format != .parquet else { return RecordLocation(file: path, line: base + index + 1, byte: 0) }
    return RecordLocation(file: path, line: spans[index].line, byte: base + spans[index].bytes.lowerBound)
  }

  /// Parses record `index`.
  ///
  /// What is wrong in a value alone is an error only where the value is read (`JSONValue.Rules.data`).
  /// - Throws: `RecordMistake` if it is too long, not of the file's format, or not an object.
  package func record(_ index: Int) throws(RecordMistake) -> JSONValue {
    guard format != .parquet else { return rows[index] }
    let span = spans[index]
    let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[span.bytes])
    func mistake(_ problem: RecordProblem) -> RecordMistake {
      RecordMistake(location: location(index), problem: problem)
    }
    if format == .text {
      guard let text = String(validating: bytes, as: UTF8.self) else { throw mistake(RecordProblem("it is not UTF-8")) }
      return ["text": .string(text)]
    }
    guard bytes.count <= RecordStream.maximumBytes else {
      throw mistake(Self.excess("\(bytes.count) bytes, more than \(RecordStream.maximumBytes)"))
    }
    if let header {
      do throws(RecordProblem) { return try header.record(bytes) } catch { throw mistake(error) }
    }
    let value: JSONValue
    do {
      value = try JSONValue.parse(bytes, by: .data)
    } catch {
      throw RecordMistake(
        location: RecordLocation(
          file: path, line: span.line + error.line - 1, byte: base + span.bytes.lowerBound + error.byteOffset),
        problem: RecordProblem(error.reason))
    }
    guard value.members != nil else { throw mistake(RecordProblem("expected an object, {\"field\": …}")) }
    return value
  }

  static func excess(_ found: String) -> RecordProblem { RecordProblem("the record has \(found)") }

  /// The names of the fields of a table.
  struct Header: Sendable {
    private let names: [String]
    private let separator: UInt8

    /// - Throws: `CorpusError` if a name is missing or there twice.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws {
      separator = CSVRow.separator(of: path)
      func unusable(_ reason: String) -> CorpusError {
        .unusable(path: path, reason: "the first row names the fields, and \(reason)")
      }
      do throws(RecordProblem) {
        names = try CSVRow(bytes, separator: separator).fields.map { $0 ?? "" }
      } catch {
        throw unusable(error.reason)
      }
      for (place, name) in names.enumerated() {
        // A first column without a name is the index that pandas writes.
        guard !name.isEmpty || place == 0 else { throw unusable("field \(place + 1) has no name") }
        if names[..<place].contains(name) { throw unusable("\"\(name)\" is there twice") }
      }
    }

    func record(_ bytes: UnsafeRawBufferPointer) throws(RecordProblem) -> JSONValue {
      let fields = try CSVRow(bytes, separator: separator).fields
      guard fields.count == names.count else {
        throw RecordProblem("expected \(names.count) fields as in the first row, found \(fields.count)")
      }
      return .object(zip(names, fields).map { .init($0, $1.map(JSONValue.string) ?? .null) })
    }
  }

  /// The bytes of some records: their own, or a mapped file's.
  final class Buffer: @unchecked Sendable {
    // Sendable because the bytes do not change once a batch has them.
    private let mapping: MappedFile?
    let capacity: Int
    private let start: UnsafeMutableRawPointer?
    private var count = 0

    init(_ file: MappedFile) { (mapping, capacity, start) = (file, 0, nil) }

    init(capacity: Int) {
      (mapping, self.capacity) = (nil, capacity)
      start = capacity == 0 ? nil : UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }

    deinit { start?.deallocate() }

    /// Gives back the pages of a mapped file.
    func release(_ part: Range<Int>) {
      if let mapping { mapping.release(UnsafeRawBufferPointer(rebasing: mapping.bytes[part])) }
    }

    var bytes: UnsafeRawBufferPointer { mapping?.bytes ?? UnsafeRawBufferPointer(start: start, count: count) }

    /// What is not filled yet.
    var room: UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(start: start.map { $0 + count }, count: capacity - count)
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
      room.copyMemory(from: bytes)
      count += bytes.count
    }

    func extend(by added: Int) { count += added }
  }
}
