// What can be read value by value: a column, or a part of a nested one.

import Checkpoints

/// A field of the schema with its place in the file.
///
/// Every reading says the repetition level at which the value must begin: 0 at the start of a row, else the level of
/// the list that it is an element of. So leaves that disagree about where rows and lists begin are noticed.
protocol FieldReader: AnyObject {
  /// The definition level of the next value: how much of the path to it is there.
  func definition() throws(ParquetError) -> UInt32
  /// Whether the next value belongs to the list of this repetition level.
  func continues(at repetition: UInt32) throws(ParquetError) -> Bool
  /// The next value.
  func read(at repetition: UInt32) throws(ParquetError) -> JSONValue
  /// The error of levels that contradict the schema or each other.
  var disagreement: ParquetError { get }
  /// Passes over the next value, whose parent is absent: every leaf must say so, by the same definition level.
  func skip(at repetition: UInt32, definition: UInt32) throws(ParquetError)
}
