// Faults of bytes: damages files of an interrupted run before it resumes.

import Foundation
import Glibc
import TestSupport
import Testing

/// A kind of damage to a file.
enum Damage: String, CaseIterable {
  case bit = "a bit flipped"
  case cut = "cut short"
  case empty = "emptied"
  case gone = "removed"
  case zeros = "a part zeroed"
  case longer = "lengthened"
}

/// A kind of file that a run reads when it resumes.
enum FileKind: String, CaseIterable {
  case checkpoint = "the newest checkpoint"
  case partial = "the step under way"
  case configuration = "the run's config.yaml"
  case record = "run.json"
  case lines = "metrics.jsonl"
  case events = "event files"
  case references = "the reference cache"
  case hashes = "remembered hashes"
  case quantized = "the quantised base"
  case model = "the model"
  case tokenizer = "the tokenizer"
  case data = "the data"
  case result = "the weights of a finished run"

  /// Whether a run may refuse to resume instead of continuing without the file.
  var mayBeRefused: Bool { [.configuration, .model, .tokenizer, .data, .result].contains(self) }

  /// The files of this kind, by their paths in a fixture.
  func files(in fixture: RunFixture) throws -> [String] {
    let newest = fixture.lastCheckpoint().map { "run/checkpoint-\($0)/" } ?? "-"
    return try FileManager.default.subpathsOfDirectory(atPath: fixture.path).sorted().filter { path in
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: fixture.path(path), isDirectory: &isDirectory)
      // Locks are empty, and their content does not matter.
      return !isDirectory.boolValue && !path.hasSuffix(".lock") && contains(path, newest)
    }
  }

  private func contains(_ path: String, _ newest: String) -> Bool {
    switch self {
    case .checkpoint: path.hasPrefix(newest)
    case .partial: path.hasPrefix("run/partial-")
    case .configuration: path == "run/config.yaml"
    case .record: path == "run/run.json"
    case .lines: path == "run/metrics.jsonl"
    case .events: path.hasPrefix("run/tensorboard/")
    case .references: path.hasPrefix("cache/reference-logps/")
    case .hashes: path.hasPrefix("cache/hashes/")
    case .quantized: path.hasPrefix("cache/nf4/")
    case .model: path.hasPrefix("model/") && !path.hasPrefix("model/tokenizer")
    case .tokenizer: path.hasPrefix("model/tokenizer")
    case .data: path == "pairs.jsonl"
    case .result:
      path == "run/run.json" || Trained.allCases.flatMap(\.resultNames).contains { path == "run/\($0)" }
    }
  }

  func workload(_ trained: Trained) -> Workload { self == .quantized ? .quantized : trained.long }
}

extension FaultInjector {
  /// A run that was killed within a step, to be copied.
  func interrupted(_ workload: Workload) throws -> RunFixture {
    try template("interrupted \(workload.name)") {
      for _ in 0..<20 {
        let fixture = try workload.fixture()
        let job = try Job(LaunchMode.alone(threads: 1).command(in: fixture) + ["output_dir=run"], in: fixture)
        func isWithinStep() -> Bool {
          fixture.steps().last ?? 0 >= workload.steps / 2
            && (try? fixture.names("run"))?.contains { $0.wholeMatch(of: /partial-[0-9]+-step-[0-9]+/) != nil } == true
        }
        while job.isRunning, !isWithinStep() { usleep(1000) }
        job.send(SIGKILL)
        if job.wait().isSignalled, isWithinStep() { return fixture }
      }
      throw Unattained(what: "a run that is killed within a step")
    }
  }

  private func finished(_ workload: Workload) throws -> RunFixture {
    try template("finished \(workload.name)") {
      let fixture = try workload.fixture()
      let ending = try Job(LaunchMode.alone(threads: 1).command(in: fixture) + ["output_dir=run"], in: fixture).wait()
      try #require(ending.code == 0, "\(ending.errors)")
      return fixture
    }
  }

  struct Unattained: Error { let what: String }

  /// Damages a file of a kind at a random place and resumes the run.
  func damage(_ kind: FileKind, _ damage: Damage, of trained: Trained) throws {
    let name = damage == .bit ? "\(kind.rawValue): \(damage.rawValue)" : "\(kind.rawValue): other damage"
    let workload = kind.workload(trained)
    let template = try kind == .result ? finished(workload) : interrupted(workload)
    let files = try kind.files(in: template)
    guard !files.isEmpty else { return omit("\(kind.rawValue): there is no such file") }
    try self.damage(draw(files), kind, damage, of: workload, template, as: name)
  }

  private func damage(
    _ file: String, _ kind: FileKind, _ damage: Damage, of workload: Workload, _ template: RunFixture, as name: String
  ) throws {
    try disturb(name, attempts: 1, FaultyRun(workload, in: RunFixture(copyOf: template))) { run in
      run.mayLoseLines = kind == .lines
      let bytes = try run.fixture.bytes(file)
      let what = try apply(damage, to: file, in: run.fixture)
      let before = try run.files()
      let start = drawSmallStart()
      let ending = run.end(try run.start(start))
      if ending.code == 0 {
        try run.requireWhole(linesChanged: kind == .lines)
        if kind == .checkpoint, damage == .bit, !ending.errors.contains("is passed over") {
          run.complain("the bit is not seen: \(ending.errors)")
        }
      } else {
        run.isRefused = true
        run.requireClear(ending)
        if !kind.mayBeRefused || ending.code != 64 { run.complain("ended with \(ending.code): \(ending.errors)") }
        if try run.files() != before { run.complain("refused, and files of the run are others now") }
        try bytes.write(to: URL(fileURLWithPath: run.fixture.path(file)))
        try run.finish(start)
      }
      return ("\(file) \(what), \(start)", nil)
    }
  }

  /// - Returns: a description of the damage.
  private func apply(_ damage: Damage, to file: String, in fixture: RunFixture) throws -> String {
    let path = fixture.path(file)
    let size = try fixture.bytes(file).count
    let position = draw(0..<max(size, 1))
    switch damage {
    case .gone:
      try FileManager.default.removeItem(atPath: path)
      return damage.rawValue
    case .cut, .empty:
      let length = damage == .cut ? position : 0
      guard truncate(path, off_t(length)) == 0 else { throw Unattained(what: "a cut \(path)") }
      return "cut to \(length) of \(size) bytes"
    case .bit:
      let bit = draw(0..<8)
      try fixture.edit(file) { if !$0.isEmpty { $0[position] ^= 1 << UInt8(bit) } }
      return "bit \(bit) of byte \(position) of \(size) flipped"
    case .zeros:
      let end = min(size, position + 512)
      try fixture.edit(file) { if end > position { $0.resetBytes(in: position..<end) } }
      return "bytes \(position) to \(end) of \(size) zeroed"
    case .longer:
      let count = draw(1..<600)
      try fixture.edit(file) { $0.append(Data(repeating: 0x41, count: count)) }
      return "lengthened by \(count) bytes"
    }
  }
}
