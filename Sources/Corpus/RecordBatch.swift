// Some records of a data file, found but not parsed yet, or rows of its columns.

package import Checkpoints
import Tensors

/// Some records of a file, to be parsed one by one.
package struct RecordBatch: Sendable {
  /// The size limit of a record, in bytes.
  package static let maximumBytes = 16 << 20

  /// Where records of text are.
  struct Spans: Sendable {
    let isText: Bool
    let header: Header?
    let buffer: Buffer
    /// The place of the buffer in the file's unpacked bytes.
    let base: Int
    let places: [RecordScanner.Span]
  }

  private enum Content: Sendable {
    case spans(Spans)
    /// The records themselves, with the number of those before.
    case rows([JSONValue], first: Int)
  }

  private let path: String
  private let content: Content

  init(path: String, _ spans: Spans) { (self.path, content) = (path, .spans(spans)) }

  init(path: String, firstRow: Int, rows: [JSONValue]) { (self.path, content) = (path, .rows(rows, first: firstRow)) }

  package var count: Int {
    switch content {
    case .spans(let spans): spans.places.count
    case .rows(let rows, _): rows.count
    }
  }

  /// The start of record `index`; its line is the row's number where the file has columns.
  package func location(_ index: Int) -> RecordLocation {
    switch content {
    case .spans(let spans):
      let place = spans.places[index]
      return RecordLocation(file: path, line: place.line, byte: spans.base + place.bytes.lowerBound)
    case .rows(_, let first): return RecordLocation(file: path, line: first + index + 1, byte: 0)
    }
  }

  /// Parses record `index`.
  ///
  /// What is wrong in a value alone is an error only where the value is read (`JSONValue.Rules.data`).
  /// - Throws: `RecordMistake` if it is too long, not of the file's format, or not an object.
  package func record(_ index: Int) throws(RecordMistake) -> JSONValue {
    switch content {
    case .spans(let spans): return try record(index, of: spans)
    case .rows(let rows, _):
      var room = Self.maximumBytes
      Self.take(rows[index], from: &room)
      guard room >= 0 else {
        throw RecordMistake(location: location(index), problem: Self.excess("more than \(Self.maximumBytes) bytes"))
      }
      return rows[index]
    }
  }

  /// Takes the least bytes that a value has as JSON: those of texts, and one of anything else.
  private static func take(_ value: JSONValue, from room: inout Int) {
    guard room >= 0 else { return }
    switch value {
    case .string(let text): room -= text.utf8.count
    case .array(let elements): for element in elements { take(element, from: &room) }
    case .object(let members): for member in members { take(member.value, from: &room) }
    case .null, .bool, .integer, .number, .unusable: room -= 1
    }
  }

  private func record(_ index: Int, of spans: Spans) throws(RecordMistake) -> JSONValue {
    let place = spans.places[index]
    let bytes = UnsafeRawBufferPointer(rebasing: spans.buffer.bytes[place.bytes])
    func mistake(_ problem: RecordProblem) -> RecordMistake {
      RecordMistake(location: location(index), problem: problem)
    }
    if spans.isText {
      guard let text = String(validating: bytes, as: UTF8.self) else { throw mistake(RecordProblem("it is not UTF-8")) }
      return ["text": .string(text)]
    }
    guard bytes.count <= Self.maximumBytes else {
      throw mistake(Self.excess("\(bytes.count) bytes, more than \(Self.maximumBytes)"))
    }
    if let header = spans.header {
      do throws(RecordProblem) { return try header.record(bytes) } catch { throw mistake(error) }
    }
    let value: JSONValue
    do {
      value = try JSONValue.parse(bytes, by: .data)
    } catch {
      throw RecordMistake(
        location: RecordLocation(
          file: path, line: place.line + error.line - 1,
          byte: spans.base + place.bytes.lowerBound + error.byteOffset),
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

    /// - Throws: `CorpusError` if a name is there twice, or if fields are separated otherwise.
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
      if names.count == 1, let other = [(";", "semicolons"), ("\t", "tabs")].first(where: { names[0].contains($0.0) }) {
        throw unusable(
          "separates them by \(other.1): write the file with commas, or with tabs and .tsv in its name")
      }
      for (place, name) in names.enumerated() where !name.isEmpty && names[..<place].contains(name) {
        throw unusable("\"\(name)\" is there twice")
      }
    }

    func record(_ bytes: UnsafeRawBufferPointer) throws(RecordProblem) -> JSONValue {
      let fields = try CSVRow(bytes, separator: separator).fields
      guard fields.count == names.count else {
        throw RecordProblem("expected \(names.count) fields as in the first row, found \(fields.count)")
      }
      // pandas writes its index without a name, Excel empty columns.
      return .object(zip(names, fields).filter { !$0.0.isEmpty }.map { .init($0, $1.map(JSONValue.string) ?? .null) })
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
