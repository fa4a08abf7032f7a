// All records of a file at once, for those that come back to a record.

package import Checkpoints
import Tensors

/// The records of one file, by number. A plain file stays mapped; a packed one, and rows, are in memory.
package struct RecordReader: Sendable {
  package let path: String
  private let batches: [RecordBatch]
  /// The number of records before each batch.
  private let starts: [Int]
  package let count: Int

  /// Half of the free memory: a few kilobytes can unpack to more than any machine has.
  private static var maximumUnpackedBytes: Int { (ProcessMemory.availableBytes ?? 32 << 30) / 2 }

  /// Finds the records of a file.
  /// - Parameter maximumUnpackedBytes: the size limit of an unpacked file; nil: half of the free memory.
  /// - Throws: `FileError` if the file cannot be read; `CorpusError` if it is no data file, if it is malformed between
  ///   records, or if it has no records.
  package init(path: String, maximumUnpackedBytes: Int? = nil) throws {
    let stream = try RecordStream(path: path)
    let limit = maximumUnpackedBytes ?? Self.maximumUnpackedBytes
    var batches: [RecordBatch] = []
    var starts: [Int] = []
    var count = 0
    while let batch = try stream.next() {
      batches.append(batch)
      starts.append(count)
      count += batch.count
      guard stream.unpackedBytes <= limit else {
        throw CorpusError.unusable(
          path: path,
          reason: "it unpacks to more than \(ByteCount.text(limit)), half of the free memory: write it as plain JSON "
            + "lines, which need none")
      }
    }
    guard count > 0 else { throw CorpusError.unusable(path: path, reason: "it has no records") }
    (self.path, self.batches, self.starts, self.count) = (path, batches, starts, count)
  }

  private func place(_ index: Int) -> (batch: RecordBatch, index: Int) {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return (batches[low], index - starts[low])
  }

  /// The start of record `index`.
  package func location(_ index: Int) -> RecordLocation {
    let (batch, place) = place(index)
    return batch.location(place)
  }

  /// Parses record `index`.
  /// - Throws: `RecordMistake` if it is too long, not of the file's format, or not an object.
  package func record(_ index: Int) throws(RecordMistake) -> JSONValue {
    let (batch, place) = place(index)
    return try batch.record(place)
  }
}
