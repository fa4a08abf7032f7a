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
  private var eventsPath: String { "\(path)/tensorboard" }

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
  package func record() throws -> JSONValue? {
    HubFiles.exists(runPath) ? try JSONValue.read(file: runPath) : nil
  }

  /// Names in the directory.
  package var entries: [String] { Self.names(in: path) }

  private static func names(in path: String) -> [String] { (try? directoryEntries(path)) ?? [] }

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
    entries.compactMap(PartialWork.init(name:)).sorted {
      $0.base == $1.base ? $0.exceeds($1) : $0.base > $1.base
    }
  }

  package func path(of partial: PartialWork) -> String { "\(path)/\(partial.name)" }

  /// What crashes left, oldest first.
  var crashReports: [String] { entries.filter(Self.isCrashReport).map { "\(path)/\($0)" } }

  private static func isCrashReport(_ name: String) -> Bool {
    name.wholeMatch(of: /crash-[0-9]+-[0-9]+\.json/) != nil
  }

  /// Where a crash of this process leaves its report: `crash-SECONDS-RANK.json`, seconds of Unix time.
  func newCrashReport(rank: Int) -> String { "\(path)/crash-\(time(nil))-\(rank).json" }

  /// Whether `other` is a checkpoint of this directory, however its path is written.
  func contains(_ other: String) -> Bool {
    checkpointSteps.contains { Self.isSame(checkpointPath(step: $0), other) }
  }

  private static func isSame(_ path: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    return stat(path, &first) == 0 && stat(other, &second) == 0 && first.st_ino == second.st_ino
      && first.st_dev == second.st_dev
  }

  // MARK: Writing

  /// Removes the files of an earlier run but for the checkpoint that the next one starts from, and nothing else.
  /// - Throws: `WriteError`.
  package func removeRun(keeping checkpoint: String?) throws {
    let files = [
      "config.yaml", "run.json", LineFile.metrics.rawValue, LineFile.samples.rawValue, AdapterDirectory.weightsName,
      AdapterDirectory.configurationName,
    ]
    for name in entries {
      if files.contains(name) || Self.isCrashReport(name) { try Self.remove("\(path)/\(name)") }
      guard Self.isCheckpoint(name) else { continue }
      if let checkpoint, Self.isSame(checkpoint, "\(path)/\(name)") { continue }
      try Self.removeDirectory("\(path)/\(name)")
    }
    // The directory itself stays: it is written to again at once, and others may keep files in it.
    for name in Self.names(in: eventsPath) where name.hasPrefix(EventFile.namePrefix) {
      try Self.remove("\(eventsPath)/\(name)")
    }
  }

  /// `checkpoint-N`, a partial work, and what was set aside of such a name.
  private static func isCheckpoint(_ name: String) -> Bool {
    let name = name.replacing(/\.damaged(-[0-9]+)?$/, with: "")
    return name.wholeMatch(of: /checkpoint-[0-9]+/) != nil || PartialWork(name: name) != nil
  }

  /// Removes what `run` wrote up to `step` and newer states have made superfluous: checkpoints beyond the newest
  /// `limit`, those that were not asked for by step or epoch, and partial works that a newer checkpoint or two newer
  /// ones outdate. Two whole checkpoints are always left (one, where the limit is one).
  /// - Throws: `WriteError`.
  package func prune(of run: String, upTo step: Int, keeping limit: Int?, isAskedFor: (Int) -> Bool) throws {
    let spared = min(limit ?? 2, 2)
    let own = checkpointSteps.filter { step >= $0 && Checkpoint.writer(of: checkpointPath(step: $0)) == run }
    // Verifying reads every byte: not where nothing would go anyway.
    if own.count > limit ?? .max || own.dropFirst(spared).contains(where: { !isAskedFor($0) }) {
      var (whole, kept) = (0, 0)
      for step in own {
        let path = checkpointPath(step: step)
        if whole < spared {
          if (try? Checkpoint.state(of: path)) != nil { whole += 1 }
        } else if !isAskedFor(step) || kept >= limit ?? .max {
          try Self.removeCheckpoint(path)
          continue
        }
        kept += 1
      }
    }
    let works = partials.filter { Checkpoint.writer(of: path(of: $0)) == run && $0.base <= step }
    let outdated = works.filter { $0.base < step } + works.filter { $0.base == step }.dropFirst(2)
    for partial in outdated { try Self.removeCheckpoint(path(of: partial)) }
  }

  /// Removes a directory, under a name that shows it should the removal be cut short.
  private static func removeCheckpoint(_ path: String) throws {
    let old = "\(path).tmp-\(getpid())"
    guard rename(path, old) == 0 else { throw WriteError(path: path, action: "rename", code: errno) }
    try removeDirectory(old)
  }

  /// Removes what a run that was killed had not finished writing. Under the directory's lock alone: no other run is
  /// writing any of it.
  func removeLeftovers() {
    let files =
      LineFile.allCases.map(\.rawValue) + [
        "config.yaml", "run.json", "debug.jsonl", "gradients.safetensors", AdapterDirectory.weightsName,
        AdapterDirectory.configurationName,
      ]
    for name in entries {
      guard let match = name.wholeMatch(of: /(.+)\.tmp-[0-9]+(-[0-9]+)?/) else { continue }
      let leftover = "\(path)/\(name)"
      var status = stat()
      guard lstat(leftover, &status) == 0 else { continue }
      if files.contains(String(match.1)) {
        unlink(leftover)
      } else if Self.isCheckpoint(String(match.1)), status.st_mode & S_IFMT == S_IFDIR {
        for file in Checkpoint.fileNames + PartialWork.fileNames { unlink("\(leftover)/\(file)") }
        // Whatever else lies there keeps it.
        rmdir(leftover)
      }
    }
  }

  /// Renames a checkpoint that cannot be used to `checkpoint-N.damaged`, or the next free name, for a person to look at.
  /// - Throws: `WriteError`.
  func setAside(_ old: String) throws {
    var new = old + ".damaged"
    var count = 1
    while HubFiles.exists(new) {
      count += 1
      new = "\(old).damaged-\(count)"
    }
    guard rename(old, new) == 0 else { throw WriteError(path: old, action: "rename", code: errno) }
  }

  private static func remove(_ path: String) throws {
    guard unlink(path) == 0 else { throw WriteError(path: path, action: "remove", code: errno) }
  }

  /// Removes a flat directory.
  private static func removeDirectory(_ path: String) throws {
    for name in names(in: path) { try remove("\(path)/\(name)") }
    guard rmdir(path) == 0 else { throw WriteError(path: path, action: "remove", code: errno) }
  }

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
