// The files of a run: its configuration, its metrics, and the states to resume from.

package import Checkpoints
import Glibc
package import Model
import Tensors

/// An output directory. Only rank 0 reads and writes it.
package struct RunDirectory {
  package let path: String

  package init(_ path: String) { self.path = path }

  private var configurationPath: String { "\(path)/config.yaml" }
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

  var hasRecord: Bool { HubFiles.exists(runPath) }

  /// The content of run.json, if it exists.
  /// - Throws: `ContentError`.
  package func record() throws -> JSONValue? { HubFiles.exists(runPath) ? try JSONValue.read(file: runPath) : nil }

  /// Names in the directory.
  package var entries: [String] { Self.names(in: path) }

  static func names(in path: String) -> [String] { (try? directoryEntries(path)) ?? [] }

  /// Steps of the finished checkpoints, newest first.
  package var checkpointSteps: [Int] { Self.checkpointSteps(entries) }

  /// The same, but an unreadable directory is an error and not an empty list.
  /// - Throws: `FileError`.
  func readCheckpointSteps() throws -> [Int] {
    HubFiles.exists(path) ? Self.checkpointSteps(try directoryEntries(path)) : []
  }

  private static func checkpointSteps(_ names: [String]) -> [Int] {
    names.compactMap { CheckpointName($0)?.step }.sorted(by: >)
  }

  package func checkpointPath(step: Int) -> String { "\(path)/\(CheckpointName(step: step))" }

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
  func contains(_ other: String) -> Bool { checkpointSteps.contains { Self.isSame(checkpointPath(step: $0), other) } }

  static func isSame(_ path: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    return stat(path, &first) == 0 && stat(other, &second) == 0 && first.st_ino == second.st_ino
      && first.st_dev == second.st_dev
  }

  // MARK: Writing

  package func write(_ configuration: RunConfiguration) throws {
    try AtomicFile.write(configuration.resolvedYAML, to: configurationPath)
  }

  package func write(record: JSONValue) throws {
    try AtomicFile.write(record.serialized(indent: 2) + "\n", to: runPath)
  }

  /// Writes the adapter to the top of the directory. Weights come last, since their presence marks the run as finished.
  package func writeFinal(_ adapter: Adapter, _ configuration: AdapterConfiguration) throws {
    try AtomicFile.write(configuration.text, to: "\(path)/\(AdapterDirectory.configurationName)")
    try AtomicFile.write(to: "\(path)/\(AdapterDirectory.weightsName)") {
      try SafetensorsWriter.write(adapter.layout.tensors(of: adapter.weights), to: $0)
    }
  }

  /// The SHA-256 of each of the final adapter's files.
  /// - Throws: `FileError`.
  func finalHashes() throws -> [JSONValue.Member] {
    try [AdapterDirectory.configurationName, AdapterDirectory.weightsName].map { name in
      .init(name, .string(try ContentHash(cacheDirectory: nil).sha256(ofFile: "\(path)/\(name)")))
    }
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
  /// - Parameter withEvaluation: whether to keep the evaluation after `step` and its samples.
  package func trimLines(toStep step: Int, withEvaluation: Bool) throws {
    for path in LineFile.allCases.map(path(of:)) where HubFiles.exists(path) {
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
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw WriteError(path: path, action: "open", code: errno) }
    defer { close(descriptor) }
    var before = stat()
    fstat(descriptor, &before)
    let bytes = Array(line.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        let error = WriteError(path: path, action: "write to", code: errno)
        // Half a line would make the next line unreadable.
        ftruncate(descriptor, before.st_size)
        throw error
      }
      written += count
    }
  }
}
