// The records of a file of text, found one after the other in its bytes; of a packed file, in what is unpacked so far.

import Checkpoints
import Tensors

/// The records of a JSON, csv, tsv or text file.
final class ScannedRecords: RecordSource {
  /// What a batch unpacks at once.
  private static let bufferBytes = 8 << 20

  /// What a file is otherwise, by its first bytes.
  private static let others: [(start: [UInt8], reason: String)] = [
    ([0x1F, 0x8B], "it is packed by gzip: give it a name that ends in .gz"),
    ([0x28, 0xB5, 0x2F, 0xFD], "it is packed by zstd: give it a name that ends in .zst"),
    ([0xFF, 0xFE], "it is UTF-16: expected UTF-8"), ([0xFE, 0xFF], "it is UTF-16: expected UTF-8"),
    (Array("PAR1".utf8), "it is a parquet file: give it a name that ends in .parquet"),
    (Array("<!DOCTYPE".utf8), "it is a web page: was a login or an error page downloaded?"),
    (Array("<html".utf8), "it is a web page: was a login or an error page downloaded?"),
  ]

  private let path: String
  private let format: DataFormat
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

  /// - Throws: `FileError`.
  init(path: String, _ format: DataFormat, _ mode: RecordScanner.Mode) throws {
    (self.path, self.format) = (path, format)
    let file = try MappedFile(path: path)
    let packing = DataFormat.packing(of: path)
    if let other = Self.others.first(where: { packing == nil && file.bytes.starts(with: $0.start) }) {
      throw CorpusError.unusable(path: path, reason: other.reason)
    }
    source = try packing.map { try ByteSource(file, $0) }
    buffer = packing == nil ? RecordBatch.Buffer(file) : RecordBatch.Buffer(capacity: 0)
    isLast = packing == nil
    scanner = RecordScanner(mode, path: path)
  }

  func next(_ maximum: Int) throws -> RecordBatch? {
    while true {
      var places: [RecordScanner.Span] = []
      let start = offset
      releasePages()
      while places.count < maximum, offset - start < Self.bufferBytes,
        let place = try scanner.next(in: buffer.bytes, at: &offset, base: base, isLast: isLast)
      {
        if format == .csv, header == nil {
          header = try RecordBatch.Header(
            UnsafeRawBufferPointer(rebasing: buffer.bytes[place.bytes]), path: path)
        } else {
          places.append(place)
        }
      }
      if !places.isEmpty {
        return RecordBatch(
          path: path,
          RecordBatch.Spans(isText: format == .text, header: header, buffer: buffer, base: base, places: places))
      }
      guard !isLast else { return nil }
      try refill()
    }
  }

  /// Gives back the pages of a plain file that the last batch was read from; who still has that batch reads them again.
  private func releasePages() {
    guard source == nil else { return }
    buffer.release(released..<offset)
    released = offset
  }

  var unpackedBytes: Int { source == nil ? 0 : base + buffer.bytes.count }

  /// Makes a buffer of the bytes that are left and of new ones.
  private func refill() throws {
    let left = UnsafeRawBufferPointer(rebasing: buffer.bytes[offset...])
    guard left.count <= RecordBatch.maximumBytes || format == .text else {
      let location = RecordLocation(file: path, line: scanner.line, byte: base + offset)
      throw CorpusError.badRecords(
        [RecordMistake(location: location, problem: RecordBatch.excess("more than \(RecordBatch.maximumBytes)"))])
    }
    let larger = RecordBatch.Buffer(capacity: max(Self.bufferBytes, 2 * left.count))
    larger.append(left)
    let count = try source?.read(into: larger.room) ?? 0
    isLast = count < larger.room.count
    larger.extend(by: count)
    (base, offset, buffer) = (base + offset, 0, larger)
  }
}
