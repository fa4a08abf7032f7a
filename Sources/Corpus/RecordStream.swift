// Data files as a sequence of records, batch by batch: parsing can run in parallel, and no file is in memory as a whole.

package import Checkpoints
import Glibc
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
  private let file: MappedFile
  private let source: ByteSource?
  private var scanner: RecordScanner
  private var buffer: RecordBatch.Buffer
  /// The place of the buffer in the file's unpacked bytes.
  private var base = 0
  private var offset = 0
  /// The bytes of a plain file whose pages were given back.
  private var released = 0
  private var isLast: Bool
  private var header: RecordBatch.Header?

  /// Opens a file.
  /// - Parameters:
  ///   - format: nil: what its name says.
  ///   - samples: what a text file is cut into.
  /// - Throws: `FileError` if the file cannot be read; `CorpusError` if its name is not that of a data file.
  package init(path: String, format: DataFormat? = nil, samples: TextSamples = .paragraph) throws {
    guard let format = format ?? DataFormat(path: path) else {
      throw CorpusError.unusable(
        path: path,
        reason: DataFormat.advice(for: path).map { "the format is not read: \($0)" }
          ?? "expected a \(DataFormat.names) file, also as .gz or .zst, or a directory of them")
    }
    (self.path, self.format) = (path, format)
    let file = try MappedFile(path: path)
    self.file = file
    let packing = DataFormat.packing(of: path)
    source = try packing.map { try ByteSource(file, $0) }
    buffer = packing == nil ? RecordBatch.Buffer(file) : RecordBatch.Buffer(capacity: 0)
    isLast = packing == nil
    let mode: RecordScanner.Mode =
      switch (format, samples) {
      case (.json, _): .json
      case (.csv, _): .rows
      case (.text, .paragraph): .paragraphs
      case (.text, .document): .document
      case (.text, .line): .lines
      }
    scanner = RecordScanner(mode, path: path)
  }

  /// The next records, at most `maximum`; nil at the end of the file.
  /// - Throws: `CorpusError` if the file is damaged, or if a record has no end within its limit.
  package func next(_ maximum: Int = 4096) throws -> RecordBatch? {
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

  /// Gives back the pages of a plain file that the last batch was read from; who still has that batch reads them again.
  private func releasePages() {
    guard source == nil else { return }
    file.release(UnsafeRawBufferPointer(rebasing: buffer.bytes[released..<offset]))
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

  init(
    path: String, format: DataFormat, header: Header?, buffer: Buffer, base: Int, spans: [RecordScanner.Span]
  ) {
    (self.path, self.format, self.header, self.buffer) = (path, format, header, buffer)
    (self.base, self.spans) = (base, spans)
  }

  package var count: Int { spans.count }

  /// The start of record `index`.
  package func location(_ index: Int) -> RecordLocation {
    RecordLocation(file: path, line: spans[index].line, byte: base + spans[index].bytes.lowerBound)
  }

  /// Parses record `index`.
  ///
  /// What is wrong in a value alone is an error only where the value is read (`JSONValue.Rules.data`).
  /// - Throws: `RecordMistake` if it is too long, not of the file's format, or not an object.
  package func record(_ index: Int) throws(RecordMistake) -> JSONValue {
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
      separator = UInt8(ascii: DataFormat.unpackedName(path).lowercased().hasSuffix(".tsv") ? "\t" : ",")
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
