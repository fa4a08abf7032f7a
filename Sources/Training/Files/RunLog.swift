// Writes a run's metrics, events and samples line by line. A line that cannot be written is skipped and never ends the
// run.

import Checkpoints

/// The growing files of a run.
final class RunLog {
  /// Lines and events that could not be written.
  private(set) var lostLines = 0
  private let files: RunDirectory
  private let events: EventFile
  private let warn: (String) -> Void

  /// - Parameter firstStep: the first step that will be appended.
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

  /// Copies a step's entries from metrics.jsonl to the new event file, which starts with the step and so voids them.
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

  /// A message about lost lines, if there are any.
  var loss: String? {
    lostLines == 0
      ? nil : "\(lostLines) lines of metrics, events or samples could not be written and are missing in \(files.path)"
  }

  private func attempt(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      lostLines += 1
      // Warns once: with a full disk every step would fail.
      if lostLines == 1 { warn("warning: \(error); the run goes on, without the lines that cannot be written") }
    }
  }
}
