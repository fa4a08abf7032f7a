// Counts disturbed runs by kind of fault, and their outcomes.

import Foundation

/// The tally of a campaign, by kind of fault.
struct FaultTally {
  struct Row {
    var injected = 0
    var recovered = 0
    var refused = 0
    var wrong = 0
    var hung = 0
    var orphans = 0
    var lostSteps: [Int] = []
    var secondsToResume: [Double] = []
    /// The run's phases at the time of the faults.
    var phases: [String: Int] = [:]
  }

  private var kinds: [String] = []
  private(set) var rows: [String: Row] = [:]
  private var rowsByTrained: [Trained: Row] = [:]
  /// Wrong behaviour, with the fault that caused it.
  private(set) var complaints: [String] = []
  /// Faults that could not be tried on this machine.
  private(set) var omissions: [String] = []

  /// - Parameter fault: a detailed description of the fault.
  mutating func add(_ kind: String, _ run: FaultyRun, fault: String, phase: String? = nil) {
    if rows[kind] == nil { kinds.append(kind) }
    rows[kind] = Self.row(rows[kind], with: run, phase)
    rowsByTrained[run.workload.trained] = Self.row(rowsByTrained[run.workload.trained], with: run, phase)
    complaints += run.complaints.map { "\(kind): \(run.workload.name): \(fault): \($0)" }
  }

  private static func row(_ row: Row?, with run: FaultyRun, _ phase: String?) -> Row {
    var row = row ?? Row()
    row.injected += 1
    row.hung += run.hangs
    row.orphans += run.orphans
    if !run.complaints.isEmpty {
      row.wrong += 1
    } else if run.isRefused {
      row.refused += 1
    } else {
      row.recovered += 1
    }
    row.lostSteps += run.lostSteps
    row.secondsToResume += run.secondsToResume
    if let phase { row.phases[phase, default: 0] += 1 }
    return row
  }

  mutating func omit(_ text: String) { if !omissions.contains(text) { omissions.append(text) } }

  var injected: Int { rows.values.reduce(0) { $0 + $1.injected } }

  /// A table for docs/results/faults.md.
  var markdown: String {
    let head = """
      | fault | injected | recovered | refused | wrong | hung | orphans | steps lost, mean and most | seconds to resume |
      |---|---|---|---|---|---|---|---|---|

      """
    let lines = kinds.compactMap { kind in rows[kind].map { "| \(kind) | \(Self.cells($0)) |\n" } }
    let sum = rows.values.reduce(into: Row()) { sum, row in
      sum.injected += row.injected
      sum.recovered += row.recovered
      sum.refused += row.refused
      sum.wrong += row.wrong
      sum.hung += row.hung
      sum.orphans += row.orphans
      sum.lostSteps += row.lostSteps
      sum.secondsToResume += row.secondsToResume
      sum.phases.merge(row.phases, uniquingKeysWith: +)
    }
    let phases = sum.phases.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    let parts = Trained.allCases.compactMap { trained in
      rowsByTrained[trained].map { "| all that train \(trained.name) | \(Self.cells($0)) |\n" }
    }
    return head + (lines + parts).joined() + "| all | \(Self.cells(sum)) |\n\nWhere signals fell: \(phases).\n"
      + omissions.map { "Not tried: \($0).\n" }.joined()
  }

  private static func cells(_ row: Row) -> String {
    func spread(_ values: [Double], _ digits: Int) -> String {
      guard let most = values.max() else { return "" }
      return String(format: "%.\(digits)f, %.\(digits)f", values.reduce(0, +) / Double(values.count), most)
    }
    let counts = [row.injected, row.recovered, row.refused, row.wrong, row.hung, row.orphans].map { "\($0)" }
    return (counts + [spread(row.lostSteps.map(Double.init), 1), spread(row.secondsToResume, 1)])
      .joined(separator: " | ")
  }
}
