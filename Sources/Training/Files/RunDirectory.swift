// The files of a run: its configuration, its metrics, and the states to resume from.

package import Checkpoints
import Corpus
import Glibc
package import Model
import Tensors

/// An output directory. Only rank 0 reads and writes it.
package struct RunDirectory {
  package let path: String

  package init(_ path: String) { self.path = path }

  var configurationPath: String { "\(path)/config.yaml" }
  private var runPath: String { "\(path)/run.json" }
  private func path(of file: LineFile) -> String { "\(path)/\(file.rawValue)" }
  var eventsPath: String { "\(path)/tensorboard" }

  // MARK: What is there

  /// The configuration of the run in the directory, if there is a run.
  /// - Throws: `ConfigurationError` when config.yaml is invalid.
  package func configuration() throws -> RunConfiguration? {
    guard HubFiles.exists(configurationPath) else { return nil }
    return try RunConfiguration(path: configurationPath, overrides: [])
  }

  /// The content of run.json, if it exists.
  /// - Throws: `ContentError`.
  package func record() throws -> JSONValue? { HubFiles.exists(runPath) ? try JSONValue.read(file: runPath) : nil }

  /// Names in the directory.
  package var entries: [String] { Self.names(in: path) }

  static func names(in path: String) -> [String] { (try? directoryEntries(path)) ?? [] }

  /// Names of checkpoints, newest first, whoever wrote them: `checkpoint-N`, or `checkpoint-N-2` and so on where others
  /// have that name.
  package var checkpointNames: [(step: Int, name: String)] { Self.checkpointNames(entries) }

  /// The same, but an unreadable directory is an error and not an empty list.
  /// - Throws: `FileError`.
  func readCheckpointNames() throws -> [(step: Int, name: String)] {
    HubFiles.exists(path) ? Self.checkpointNames(try directoryEntries(path)) : []
  }

  private static func checkpointNames(_ names: [String]) -> [(step: Int, name: String)] {
    names.compactMap { name in CheckpointName(name).map { ($0.step, name) } }.sorted { $0.step > $1.step }
  }

  package func checkpointPath(step: Int) -> String { "\(path)/\(CheckpointName(step: step))" }

  /// The paths that a checkpoint may have, the first first.
  func checkpointPaths(step: Int) -> [String] {
    [checkpointPath(step: step)] + (2...9).map { "\(checkpointPath(step: step))-\($0)" }
  }

  /// Saved parts of steps and evaluations, the furthest first.
  package var partials: [PartialWork] {
    entries.compactMap(PartialWork.init(name:)).sorted { $0.base == $1.base ? $0.exceeds($1) : $0.base > $1.base }
  }

  package func path(of partial: PartialWork) -> String { "\(path)/\(partial.name)" }

  /// Paths of the crash reports, oldest first.
  var crashReports: [String] { entries.filter(Self.isCrashReport).map { "\(path)/\($0)" } }

  static func isCrashReport(_ name: String) -> Bool { name.wholeMatch(of: /crash-[0-9]+-[0-9]+\.json/) != nil }

  /// The path for a crash report of this process: `crash-SECONDS-RANK.json`, seconds of Unix time.
  func newCrashReport(rank: Int) -> String { "\(path)/crash-\(time(nil))-\(rank).json" }

  /// Whether `other` is a checkpoint of this directory, however its path is written.
  func contains(_ other: String) -> Bool { checkpointNames.contains { isSameFile("\(path)/\($0.name)", other) } }

  // MARK: Writing

  package func write(_ configuration: RunConfiguration) throws {
    try AtomicFile.write(configuration.resolvedYAML, to: configurationPath)
  }

  package func write(record: JSONValue) throws {
    try AtomicFile.write(record.serialized(indent: 2) + "\n", to: runPath)
  }

  /// Writes a line for each record that was left out.
  func write(skipped mistakes: [RecordMistake]) throws {
    let lines = mistakes.map { mistake in
      JSONValue.object([
        .init("file", .string(mistake.location.file)), .init("line", .integer(Int64(mistake.location.line))),
        .init("problem", .string("\(mistake.problem)")),
      ]).serialized() + "\n"
    }
    try AtomicFile.write(lines.joined(), to: "\(path)/\(Self.skippedRecordsName)")
  }

  /// Writes what was trained to the top of the directory. Weights come last, since their presence marks the run as
  /// finished.
  /// - Parameter announce: called with the SHA-256 of each file before the first is there.
  package func writeFinal(
    _ state: PolicyState, _ form: PolicyForm, _ inference: InferenceFiles,
    announce: ([JSONValue.Member]) throws -> Void = { _ in }
  ) throws {
    let files = AtomicFiles()
    var hashes: [JSONValue.Member] = []
    func write(_ name: String, _ body: (OutputFile) throws -> Void) throws {
      hashes.append(.init(name, .string(try files.file("\(path)/\(name)", body))))
    }
    try inference.writeWithTokenizer(write)
    try form.write(state, isFinal: true, write)
    try announce(hashes)
    try files.commit()
  }

  // MARK: Metrics

  /// Opens a new event file beside those of earlier starts. It invalidates their events from `firstStep` on.
  /// - Throws: `WriteError`.
  package func eventFile(firstStep: Int) throws -> EventFile {
    try EventFile(directory: eventsPath, firstStep: firstStep)
  }

  /// Files that grow line by line. Every line is a JSON object with its `step`.
  package enum LineFile: String, CaseIterable, Sendable {
    case metrics = "metrics.jsonl"
    case samples = "samples.jsonl"
  }

  /// Removes the lines after `step`, so that a resumed run does not repeat lines.
  /// - Parameters:
  ///   - withEvaluation: whether to keep the evaluation after `step` and its samples.
  ///   - files: the files that are the run's.
  package func trimLines(
    toStep step: Int, withEvaluation: Bool, of files: [LineFile] = LineFile.allCases
  ) throws {
    for path in files.map(path(of:)) where HubFiles.exists(path) {
      let file = try? MappedFile(path: path)
      let lines = (file?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)).split(separator: UInt8(ascii: "\n"))
      var kept: [UInt8] = []
      for line in lines {
        // Skips a line that a crash cut off.
        guard let value = try? JSONValue.parse(Array(line)), let number = value["step"]?.int, number <= step else {
          continue
        }
        // Only lines of steps have a learning rate.
        if number == step, !withEvaluation, value["learning_rate"] == nil { continue }
        kept += Array(line) + [UInt8(ascii: "\n")]
      }
      try AtomicFile.write(kept, to: path)
    }
  }

  /// - Throws: `FileError`.
  func bytes(of path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) { Array(file.bytes) }
  }

  /// The readable lines of a file.
  func lines(_ file: LineFile) -> [JSONValue] {
    guard let mapped = try? MappedFile(path: path(of: file)) else { return [] }
    return mapped.bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? JSONValue.parse(Array($0)) }
  }

  /// Adds one line.
  /// - Throws: `WriteError`.
  package func append(_ line: [(name: String, value: JSONValue)], to file: LineFile) throws {
    let line = JSONValue.object(line.map { .init($0.name, $0.value) }).serialized() + "\n"
    let path = path(of: file)
    let descriptor = uninterrupted { open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600) }
    guard descriptor >= 0 else { throw WriteError(path: path, action: "open", code: errno) }
    defer { close(descriptor) }
    var before = stat()
    fstat(descriptor, &before)
    var written = 0
    do {
      try Array(line.utf8).withUnsafeBytes {
        try writeAll($0, to: descriptor, path: path, counting: &written)
      }
    } catch {
      // Half a line would make the next line unreadable.
      ftruncate(descriptor, before.st_size)
      throw error
    }
  }
}
