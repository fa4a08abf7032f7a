// Reports which micro-batch a rank was computing when it crashed.

import Checkpoints
import Corpus
import Tensors

/// Registers this rank's current micro-batch, so that a crash can report it.
package struct CrashReporter {
  private let (rank, data): (Int, String)

  /// - Parameters:
  ///   - path: the file for a crash report; a host without that directory writes no report.
  ///   - data: the hash of the data.
  package init(path: String, rank: Int, data: String) {
    (self.rank, self.data) = (rank, data)
    CrashNote.watch(path: path)
  }

  package func during<Result>(_ item: WorkItem, of source: RecordSource, _ body: () throws -> Result) rethrows -> Result
  {
    let numbers = Set(item.trees.map(\.index))
    let records = Quarantine(training: source == .heldOut ? [] : numbers, heldOut: source == .training ? [] : numbers)
    let report: JSONValue = .object([
      .init("rank", .integer(Int64(rank))), .init("data", .string(data)), .init("records", records.json),
    ])
    // The crash handler appends the signal's number and closes the object.
    return try CrashNote.during(report.serialized().dropLast() + #","signal":"#, body)
  }
}

/// The data set that the examples of a phase come from.
package enum RecordSource: Sendable { case training, heldOut, either }
