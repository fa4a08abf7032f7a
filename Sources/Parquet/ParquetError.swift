// Errors of parquet files: where, what was expected, what was found.

import Tensors

/// A parquet file, or the part of it that is read, cannot be used.
package struct ParquetError: UserError, Equatable {
  package let path: String
  /// `row group 2 of 3, column messages.list.element.role, page at byte 4711`; nil: the file as a whole.
  package let place: String?
  package let reason: String

  package var description: String {
    "\(path): " + (place.map { "\($0): " } ?? "") + reason
  }
}

/// What is wrong with some bytes of a file, said by a part that does not know the place.
struct ParquetFlaw: Error, Equatable {
  let reason: String

  init(_ reason: String) { self.reason = reason }

  func error(_ path: String, at place: String? = nil) -> ParquetError {
    ParquetError(path: path, place: place, reason: reason)
  }
}
