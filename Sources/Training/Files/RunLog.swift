// What a run writes a line at a time: metrics, events, samples. A line that cannot be written is left out; it never costs
// the run.

import Checkpoints

/// The growing files of a run under way.
final class RunLog {
  /// Lines and events that could not be written.
  private(set) var lostLines = 0
  private let files: RunDirectory
  private let events: EventFile
  private let warn: (String) -> Void

  /// - Parameter firstStep: no earlier step follows.
  /// - Throws: `WriteError`.
  init(_ files: RunDirectory, firstStep: Int, warn: @escaping (String) -> Void) throws {
    (self.files, self.warn) = (files, warn)
    events = try files.eventFile(firstStep: firstStep)
  }

  /// Adds a line to metrics.jsonl and its numbers to the event file.
  func append(step: Int, _ line: [(name: String, value: JSONValue)]) {
    attempt { try files.append([("step", .integer(Int64(step)))] + line, to: .metrics) }
    attempt { try events.append(step: step, line.compactMap { entry in entry.value.double.map { (entry.name, $0) } }) }
  }

  /// Repeats the events of what metrics.jsonl has of a step: a new event file that starts with the step voids them.
  func repeatEvents(ofStep step: Int) {
    for line in files.lines(.metrics) where line["step"]?.int == step {
      attempt {
        try events.append(
          step: step,
          (line.members ?? []).filter { $0.name != "step" }.compactMap { member in
            member.value.double.map { (member.name, $0) }
          })
      }
    }
  }

  func append(sample: [(name: String, value: JSONValue)]) { attempt { try files.append(sample, to: .samples) } }

  /// What was lost, if anything was.
  var loss: String? {
    lostLines == 0
      ? nil : "\(lostLines) lines of metrics, events or samples could not be written and are missing in \(files.path)"
  }

  private func attempt(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      lostLines += 1
      // Once: a full disk would say so at every step.
      if lostLines == 1 { warn("warning: \(error); the run goes on, without the lines that cannot be written") }
    }
  }
}
