// Records whose micro-batch crashed the program: one that was under way in two crashes is quarantined, so that it does
// not end every restart at the same place.
//
// Only signals that a program brings on itself count (SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP). A SIGKILL says nothing
// about the data: somebody sent it, or memory ran out, which is taken before the first step.

import Checkpoints
import Corpus
import Glibc
import Tensors

/// Records, by their numbers in the data they come from.
package struct Quarantine: Sendable, Equatable {
  package var training: Set<Int> = []
  package var heldOut: Set<Int> = []

  package init(training: Set<Int> = [], heldOut: Set<Int> = []) { (self.training, self.heldOut) = (training, heldOut) }

  package var isEmpty: Bool { training.isEmpty && heldOut.isEmpty }

  func union(_ other: Quarantine) -> Quarantine {
    Quarantine(training: training.union(other.training), heldOut: heldOut.union(other.heldOut))
  }

  /// Those that a run has.
  func limited(to data: TrainingData) -> Quarantine {
    Quarantine(
      training: training.intersection(data.training.map(\.index)),
      heldOut: heldOut.intersection(data.heldOut.map(\.index)))
  }

  func subtracting(_ other: Quarantine) -> Quarantine {
    Quarantine(training: training.subtracting(other.training), heldOut: heldOut.subtracting(other.heldOut))
  }

  /// `record 7`, `records 3, 4; held-out record 1`.
  var text: String {
    [
      training.isEmpty ? nil : recordList(training.sorted()),
      heldOut.isEmpty ? nil : "held-out " + recordList(heldOut.sorted()),
    ]
    .compactMap { $0 }.joined(separator: "; ")
  }

  var json: JSONValue {
    func list(_ records: Set<Int>) -> JSONValue { .array(records.sorted().map { .integer(Int64($0)) }) }
    return .object([.init("training", list(training)), .init("held_out", list(heldOut))])
  }

  /// Nil for what is no list of records.
  init?(_ json: JSONValue) {
    func list(_ name: String) -> Set<Int>? {
      let numbers = json[name]?.array.map { $0.map(\.int) }
      guard let numbers, numbers.allSatisfy({ $0 ?? -1 >= 0 }) else { return nil }
      return Set(numbers.compactMap { $0 })
    }
    guard let training = list("training"), let heldOut = list("held_out") else { return nil }
    self.init(training: training, heldOut: heldOut)
  }
}

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
    let suspects = once.limited(to: data).subtracting(quarantine)
    var notices: [String] = []
    if !quarantine.isEmpty {
      notices.append(
        "warning: \(quarantine.text) crashed the program twice and is left out from now on (\(reports))")
    }
    if !suspects.isEmpty {
      notices.append("an earlier start crashed while it computed \(suspects.text) (\(reports))")
    }
    return notices
  }
}

/// Notes down, in case of a crash, what this rank computes.
struct ItemNote {
  private let (rank, data): (Int, String)

  /// - Parameter directory: where a crash leaves its report; another host may not have it, and leaves none.
  init(_ directory: RunDirectory, rank: Int, data: String) {
    (self.rank, self.data) = (rank, data)
    CrashNote.watch(path: directory.newCrashReport(rank: rank))
  }

  func during<Result>(_ item: WorkItem, of source: RecordSource, _ body: () throws -> Result) rethrows -> Result {
    let numbers = Set(item.trees.map(\.index))
    let records = Quarantine(
      training: source == .heldOut ? [] : numbers, heldOut: source == .training ? [] : numbers)
    let report: JSONValue = .object([
      .init("rank", .integer(Int64(rank))), .init("data", .string(data)), .init("records", records.json),
    ])
    // The signal's number ends the object.
    return try CrashNote.during(report.serialized().dropLast() + #","signal":"#, body)
  }
}

/// Where the examples of a phase come from.
package enum RecordSource: Sendable { case training, heldOut, either }
