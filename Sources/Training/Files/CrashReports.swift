// Finds records whose micro-batch crashed the program. A record in two crashes is quarantined, so that it does not end
// every restart at the same place.
//
// Only signals that a program causes itself count (SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP). A SIGKILL says nothing
// about the data: another process sent it, or memory ran out. A run allocates its memory before the first step.

import Checkpoints
import Corpus
package import Runtime
import Tensors

/// The records in the crash reports of a run's earlier starts.
package struct CrashReports: Sendable, Equatable {
  /// Records in two or more crashes.
  package private(set) var repeated = Quarantine()
  /// Records in exactly one crash.
  package private(set) var once = Quarantine()

  /// Reads the reports in a directory.
  /// - Parameter data: the hash of the data that contains the records; reports on other data are ignored.
  package init(_ directory: RunDirectory, data: String) {
    for path in directory.crashReports {
      // Ignores a report that is incomplete because of the crash or a full disk.
      guard let json = try? JSONValue.read(file: path), json["data"]?.string == data,
        let records = json["records"].flatMap(Quarantine.init)
      else { continue }
      repeated.training.formUnion(once.training.intersection(records.training))
      repeated.heldOut.formUnion(once.heldOut.intersection(records.heldOut))
      once = once.union(records)
    }
    once = once.subtracting(repeated)
  }

  /// Messages for the user before the run.
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
