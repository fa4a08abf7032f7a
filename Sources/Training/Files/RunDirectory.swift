// The files of a run: what was run, what it measured, and where it can go on.

package import Checkpoints
import Glibc
package import Model
import Tensors

/// An output directory. Rank 0 alone reads and writes it.
package struct RunDirectory {
  package let path: String

  package init(_ path: String) { self.path = path }

  private var configurationPath: String { "\(path)/config.yaml" }
  private var runPath: String { "\(path)/run.json" }
  private func path(of file: LineFile) -> String { "\(path)/\(file.rawValue)" }
  var eventsPath: String { "\(path)/tensorboard" }

  // MARK: What is there

  /// The configuration of the run that the directory holds, if it holds one.
  /// - Throws: `ConfigurationError` when config.yaml is not one.
  package func configuration() throws -> RunConfiguration? {
    guard HubFiles.exists(configurationPath) else { return nil }
    return try RunConfiguration(path: configurationPath, overrides: [])
  }

  var hasRecord: Bool { HubFiles.exists(runPath) }

  /// run.json, if there is one.
  /// - Throws: `ContentError`.
  package func record() throws -> JSONValue? { HubFiles.exists(runPath) ? try JSONValue.read(file: runPath) : nil }

  /// Names in the directory.
  package var entries: [String] { Self.names(in: path) }

  static func names(in path: String) -> [String] { (try? directoryEntries(path)) ?? [] }

  /// Steps of the finished checkpoints, newest first.
  package var checkpointSteps: [Int] { Self.checkpointSteps(entries) }

  /// The same, where a directory that cannot be read must not pass for an empty one.
  /// - Throws: `FileError`.
  func readCheckpointSteps() throws -> [Int] {
    HubFiles.exists(path) ? Self.checkpointSteps(try directoryEntries(path)) : []
  }

  private static func checkpointSteps(_ names: [String]) -> [Int] {
    names.compactMap { $0.hasPrefix("checkpoint-") ? Int($0.dropFirst("checkpoint-".count)) : nil }.sorted(by: >)
  }

  package func checkpointPath(step: Int) -> String { "\(path)/checkpoint-\(step)" }

  /// What is there of steps and evaluations under way, the furthest first.
  package var partials: [PartialWork] {
    entries.compactMap(PartialWork.init(name:)).sorted { $0.base == $1.base ? $0.exceeds($1) : $0.base > $1.base }
  }

  package func path(of partial: PartialWork) -> String { "\(path)/\(partial.name)" }

  /// What crashes left, oldest first.
  var crashReports: [String] { entries.filter(Self.isCrashReport).map { "\(path)/\($0)" } }

  static func isCrashReport(_ name: String) -> Bool { name.wholeMatch(of: /crash-[0-9]+-[0-9]+\.json/) != nil }

  /// Where a crash of this process leaves its report: `crash-SECONDS-RANK.json`, seconds of Unix time.
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

  /// The adapter at the top of the directory: weights last, since their presence says that the run is done.
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

  /// A new event file beside those of earlier starts, of which `firstStep` and what follows become void.
  /// - Throws: `WriteError`.
  package func eventFile(firstStep: Int) throws -> EventFile {
    try EventFile(directory: eventsPath, firstStep: firstStep)
  }

  /// Files that grow by a line at a time; every line is an object with its `step`.
  package enum LineFile: String, CaseIterable, Sendable {
    case metrics = "metrics.jsonl"
    case samples = "samples.jsonl"
  }

  /// Keeps the lines up to `step`, so that a resumed run does not repeat any.
  /// - Parameter withEvaluation: whether the evaluation after `step` is among them, and its samples.
  package func trimLines(toStep step: Int, withEvaluation: Bool) throws {
    for path in LineFile.allCases.map(path(of:)) where HubFiles.exists(path) {
      let file = try? MappedFile(path: path)
      let lines = (file?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)).split(separator: UInt8(ascii: "\n"))
      var kept: [UInt8] = []
      for line in lines {
        // A line cut short by a crash is none.
        guard let value = try? JSONValue.parse(Array(line)), let number = value["step"]?.int, number <= step else {
          continue
        }
        // Steps alone have a learning rate.
        if number == step, !withEvaluation, value["learning_rate"] == nil { continue }
        kept += Array(line) + [UInt8(ascii: "\n")]
      }
      try AtomicFile.write(kept, to: path)
    }
  }

  /// The lines of a file that can be read.
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
        // Half a line would spoil the next one.
        ftruncate(descriptor, before.st_size)
        throw error
      }
      written += count
    }
  }
}
