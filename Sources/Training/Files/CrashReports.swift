// Records whose micro-batch crashed the program: one that was under way in two crashes is quarantined, so that it does
// not end every restart at the same place.
//
// Only signals that a program brings on itself count (SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP). A SIGKILL says nothing
// about the data: somebody sent it, or memory ran out, which is taken before the first step.

import Checkpoints
import Corpus
import Tensors

/// What the crashes of a run's earlier starts say.
package struct CrashReports: Sendable, Equatable {
  /// Records that were under way in two crashes or more.
  package private(set) var repeated = Quarantine()
  /// Records that were under way in one.
  package private(set) var once = Quarantine()

  /// Reads the reports in a directory.
  /// - Parameter data: the hash of the data that the records are of; reports of other data say nothing.
  package init(_ directory: RunDirectory, data: String) {
    for path in directory.crashReports {
      // One that the crash, or a full disk, cut short is none.
      guard let json = try? JSONValue.read(file: path), json["data"]?.string == data,
        let records = json["records"].flatMap(Quarantine.init)
      else { continue }
      repeated.training.formUnion(once.training.intersection(records.training))
      repeated.heldOut.formUnion(once.heldOut.intersection(records.heldOut))
      once = once.union(records)
    }
    once = once.subtracting(repeated)
  }

  /// What a person should know of before the run.
  func notices(_ quarantine: Quarantine, _ data: TrainingData, in directory: RunDirectory) -> [String] {
    let reports = "\(directory.path)/crash-*.json"
    let suspects = data.present(once).subtracting(quarantine)
    var notices: [String] = []
    if !quarantine.isEmpty {
      notices.append("warning: \(quarantine.text) crashed the program twice and is left out from now on (\(reports))")
    }
    if !suspects.isEmpty {
      notices.append("an earlier start crashed while it computed \(suspects.text) (\(reports))")
    }
    return notices
  }
}
