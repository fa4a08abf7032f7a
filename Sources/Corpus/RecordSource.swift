// What a data file's records come from, whatever its format.

/// The records of one file, in order.
protocol RecordSource: AnyObject {
  /// The next records, at most `maximum`; nil at the end of the file.
  /// - Throws: `CorpusError` or `ParquetError` if the file is damaged.
  func next(_ maximum: Int) throws -> RecordBatch?
  /// Memory that the records so far take which the file does not have as it is.
  var unpackedBytes: Int { get }
}
