// Data files as a sequence of JSON records: one per line, or the elements of one array. Records are found first and
// parsed on request, so that parsing can run in parallel and no record is stored twice.

package import Checkpoints
import Foundation
import Tensors

/// The records of one JSON or JSON Lines file.
package struct RecordReader: Sendable {
  /// The size limit of a record, in bytes.
  package static let maximumBytes = 16 << 20

  package let path: String
  private let file: DataFile
  private let spans: [Span]

  /// The bytes of one record and the line it starts on.
  private struct Span {
    let bytes: Range<Int>
    let line: Int
  }

  /// Finds the records of a file: the elements of an array if it starts with `[`, otherwise every line that is not
  /// blank.
  /// - Parameter maximumUnpackedBytes: the size limit of an unpacked file; nil: half of the free memory.
  /// - Throws: `FileError` if the file cannot be read; `CorpusError` if it is not a JSON file, if its array is
  ///   malformed between elements, or if it has no records.
  package init(path: String, maximumUnpackedBytes: Int? = nil) throws {
    let file = try DataFile(path: path, maximumUnpackedBytes: maximumUnpackedBytes ?? DataFile.maximumUnpackedBytes)
    var scanner = Scanner(bytes: file.bytes, path: path)
    spans = try scanner.spans()
    guard !spans.isEmpty else { throw CorpusError.unusable(path: path, reason: "it has no records") }
    (self.path, self.file) = (path, file)
  }

  /// The data files of a path: the file itself, or the data files of a directory that belong to `split`, by name.
  ///
  /// As in the hub's libraries, a word of its name assigns a file to a split (`test-00000.jsonl`); without such a word
  /// it belongs to `train`.
  /// - Throws: `CorpusError` if the path does not exist, or has no data file or no file of the split.
  package static func files(at path: String, split: String = "train") throws -> [String] {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw CorpusError.unusable(path: path, reason: "no such file or directory")
    }
    guard isDirectory.boolValue else {
      // A single file is the whole data set, whatever its name is.
      guard split == "train" || Self.split(ofFile: path) == split else {
        throw CorpusError.unusable(path: path, reason: "a single file has no split \"\(split)\", only train")
      }
      return [path]
    }
    guard let entries = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw CorpusError.unusable(path: path, reason: "the directory cannot be listed: check its permissions")
    }
    let names =
      entries
      .filter { !$0.hasPrefix(".") && DataFile.isData($0) }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    guard !names.isEmpty else {
      throw CorpusError.unusable(path: path, reason: "the directory holds no \(DataFile.names) file")
    }
    let members = names.filter { Self.split(ofFile: $0) == split }
    guard !members.isEmpty else {
      let splits = Set(names.map(Self.split(ofFile:))).sorted().joined(separator: ", ")
      throw CorpusError.unusable(path: path, reason: "no file is of split \"\(split)\", there is only: \(splits)")
    }
    return members.map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }
  }

  /// Whether a name is that of a data file.
  package static func isData(_ path: String) -> Bool { DataFile.isData(path) }

  private static func split(ofFile path: String) -> String {
    let words = path.split(separator: "/").last?.lowercased().split { !$0.isLetter } ?? []
    let names = [
      "train": ["train", "training"], "validation": ["validation", "valid", "dev", "val"],
      "test": ["test", "testing", "eval", "evaluation"],
    ]
    return names.first { words.contains(where: $0.value.map { Substring($0) }.contains) }?.key ?? "train"
  }

  package var count: Int { spans.count }

  /// The start of record `index`.
  package func location(_ index: Int) -> RecordLocation {
    RecordLocation(file: path, line: spans[index].line, byte: spans[index].bytes.lowerBound)
  }

  /// Parses record `index`.
  ///
  /// What is wrong in a value alone is an error only where the value is read (`JSONValue.Rules.data`).
  /// - Throws: `RecordMistake` if it is too long, not JSON, or not an object.
  package func record(_ index: Int) throws(RecordMistake) -> JSONValue {
    let span = spans[index]
    guard span.bytes.count <= Self.maximumBytes else {
      throw RecordMistake(
        location: location(index),
        problem: RecordProblem("the record has \(span.bytes.count) bytes, more than \(Self.maximumBytes)"))
    }
    let value: JSONValue
    do {
      value = try JSONValue.parse(UnsafeRawBufferPointer(rebasing: file.bytes[span.bytes]), by: .data)
    } catch {
      throw RecordMistake(
        location: RecordLocation(
          file: path, line: span.line + error.line - 1, byte: span.bytes.lowerBound + error.byteOffset),
        problem: RecordProblem(error.reason))
    }
    guard value.members != nil else {
      throw RecordMistake(location: location(index), problem: RecordProblem("expected an object, {\"field\": …}"))
    }
    return value
  }

  /// Finds the start and end of each record; the parser checks later that it is JSON.
  private struct Scanner {
    let bytes: UnsafeRawBufferPointer
    let path: String
    var offset = 0
    var line = 1

    init(bytes: UnsafeRawBufferPointer, path: String) {
      (self.bytes, self.path) = (bytes, path)
      if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    mutating func spans() throws -> [Span] {
      let start = offset
      skipBlanks()
      if offset < bytes.count, bytes[offset] == UInt8(ascii: "[") { return try elements() }
      offset = start
      line = 1
      return lines()
    }

    private mutating func lines() -> [Span] {
      var spans: [Span] = []
      while offset < bytes.count {
        let end = bytes[offset...].firstIndex(where: Self.endsLine) ?? bytes.count
        if !bytes[offset..<end].allSatisfy(Self.isBlank) { spans.append(Span(bytes: offset..<end, line: line)) }
        // CR LF is one end.
        let isPair = end + 1 < bytes.count && bytes[end] == 0x0D && bytes[end + 1] == 0x0A
        offset = end + (isPair ? 2 : 1)
        line += 1
      }
      return spans
    }

    private mutating func elements() throws -> [Span] {
      var spans: [Span] = []
      offset += 1
      skipBlanks()
      if offset < bytes.count, bytes[offset] == UInt8(ascii: "]") {
        offset += 1
      } else {
        var goesOn = true
        while goesOn {
          skipBlanks()
          let start = offset
          let startLine = line
          let end = try elementEnd()
          guard end > start else { throw broken("expected an element of the array") }
          spans.append(Span(bytes: start..<end, line: startLine))
          goesOn = bytes[offset] == UInt8(ascii: ",")
          offset += 1
        }
      }
      skipBlanks()
      guard offset == bytes.count else { throw broken("expected nothing after the array's end") }
      return spans
    }

    /// Moves to the comma or bracket after an element and returns the end of the element's bytes.
    private mutating func elementEnd() throws -> Int {
      var depth = 0
      var inString = false
      while offset < bytes.count {
        let byte = bytes[offset]
        switch byte {
        case UInt8(ascii: "\n"): line += 1
        case UInt8(ascii: "\\") where inString: offset += 1
        case UInt8(ascii: "\""): inString.toggle()
        case _ where inString: break
        case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
        case UInt8(ascii: ",") where depth == 0: return offset
        case UInt8(ascii: "]") where depth == 0: return offset
        case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
        default: break
        }
        offset += 1
      }
      throw broken("the file ends inside the array")
    }

    private func broken(_ reason: String) -> CorpusError {
      let location = RecordLocation(file: path, line: line, byte: min(offset, bytes.count))
      return .badRecords([RecordMistake(location: location, problem: RecordProblem(reason))])
    }

    private mutating func skipBlanks() {
      while offset < bytes.count, Self.isBlank(bytes[offset]) {
        if bytes[offset] == UInt8(ascii: "\n") { line += 1 }
        offset += 1
      }
    }

    /// As Python reads text: also CR alone, which old systems write. Inside a JSON string neither stands for itself.
    private static func endsLine(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
  }
}
