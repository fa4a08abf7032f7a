// A directory for one test with data and a configuration for the tiny model, and a look at what runs left there.

import Checkpoints
import Foundation
import TestSupport
import Testing

/// A directory for one test, removed with the object.
final class Workplace: Sendable {
  let root: String
  /// Pairs of the data set: batches of 5 leave a smaller one at the end of an epoch.
  static let pairs = 13

  init(pairs: Int = Workplace.pairs) throws {
    root = FileManager.default.temporaryDirectory.path + "/shoal-e2e-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    try write("pairs.jsonl", Self.lines(pairs))
    try write(
      "config.yaml",
      """
      base_model: \(TinyFixture.path("model"))
      adapter: lora
      lora_r: 4
      lora_alpha: 8
      lora_dropout: 0.1
      lora_target_linear: true
      rl: dpo
      datasets:
        - path: pairs.jsonl
          ds_type: json
      sequence_len: 512
      micro_batch_size: 5
      learning_rate: 1e-3
      lr_scheduler: cosine
      num_epochs: 2
      output_dir: run
      """)
  }

  /// A copy of another one as it is now.
  init(copyOf other: Workplace) throws {
    root = FileManager.default.temporaryDirectory.path + "/shoal-e2e-\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: other.root, toPath: root)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func write(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path(name))) }

  func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }

  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// Changes the bytes of a file.
  func edit(_ name: String, _ change: (inout Data) throws -> Void) throws {
    var data = try bytes(name)
    try change(&data)
    try data.write(to: URL(fileURLWithPath: path(name)))
  }

  /// Replaces a text that must be in the file.
  func replace(_ old: String, by new: String, in name: String) throws {
    try edit(name) { data in
      let range = try #require(data.range(of: Data(old.utf8)), "\(name) has no \(old)")
      data.replaceSubrange(range, with: Data(new.utf8))
    }
  }

  /// Flips a bit in the middle of a file.
  func damage(_ name: String) throws { try edit(name) { $0[$0.count / 2] ^= 0x10 } }

  /// A copy of a fixture's directory; returns its path.
  func copy(_ fixture: String, as name: String) throws -> String {
    try FileManager.default.copyItem(atPath: TinyFixture.path(fixture), toPath: path(name))
    return path(name)
  }

  /// A run's directory as it was when it wrote a checkpoint, to go on from there.
  func copyRun(_ run: String, as name: String, upTo checkpoint: String) throws {
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    for entry in ["config.yaml", checkpoint] {
      try FileManager.default.copyItem(atPath: path("\(run)/\(entry)"), toPath: path("\(name)/\(entry)"))
    }
  }

  // MARK: Programs

  /// Runs `shoal train` on the configuration to its end.
  func train(_ world: World = .alone, _ arguments: String..., environment: [String: String] = [:]) throws -> Ending {
    try start(world, arguments, environment: environment).wait()
  }

  /// Starts `shoal train` on the configuration.
  func start(_ world: World = .alone, _ arguments: [String], environment: [String: String] = [:]) throws -> Job {
    let threads = world.threads.map { ["--threads", "\($0)"] } ?? []
    return try Job(
      world.launcher + ["train", path("config.yaml")] + threads + arguments, in: self, environment: environment)
  }

  /// Starts a run, asks it to stop when it has done a few steps, and returns how it ended.
  func trainAndStop(_ world: World, _ arguments: String...) throws -> Ending {
    let job = try start(world, arguments)
    // An earlier start may have left steps; before this one has begun, a signal ends it.
    try job.wait { job.toldSoFar.contains("plan: ") && steps().count >= 5 }
    job.send(SIGUSR1)
    return job.wait()
  }

  /// Runs any `shoal` command.
  func shoal(_ arguments: String..., input: String = "") throws -> Ending {
    try Job([Job.program] + arguments, in: self, input: input).wait()
  }

  // MARK: What runs left

  func adapter(_ run: String = "run") throws -> Data { try bytes("\(run)/adapter_model.safetensors") }

  /// The lines of metrics.jsonl that can be read; a run under way may have left half a line.
  func metrics(_ run: String = "run") -> [JSONValue] {
    ((try? text("\(run)/metrics.jsonl")) ?? "").split(separator: "\n").compactMap { try? JSONValue.parse(String($0)) }
  }

  /// The training steps of metrics.jsonl, in order.
  func steps(_ run: String = "run") -> [Int] {
    metrics(run).filter { $0["loss"] != nil }.compactMap { $0["step"]?.int }
  }

  /// The step of the newest checkpoint.
  func lastCheckpoint(_ run: String = "run") -> Int? {
    (try? names(run))?.compactMap { $0.hasPrefix("checkpoint-") ? Int($0.dropFirst("checkpoint-".count)) : nil }.max()
  }

  /// Names in a directory.
  func names(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(directory)).sorted()
  }

  // MARK: Data

  /// Pairs of some 200 tokens, always the same ones.
  static func lines(_ count: Int) -> String {
    let words = [
      "shoal", "river", "sea", "net", "tide", "fish", "turns", "together", "under", "moon", "7,200", "café", "blue",
      "nobody", "leads", "because", "summer", "stone", "wind", "returns",
    ]
    var state: UInt64 = 1
    func text(_ range: ClosedRange<Int>) -> String {
      func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
      }
      return (0..<range.lowerBound + next(range.count)).map { _ in words[next(words.count)] }.joined(separator: " ")
    }
    return (0..<count).map { _ in
      "{\"prompt\": \"\(text(10...50))\", \"chosen\": \" \(text(3...20))\", \"rejected\": \" \(text(3...20))\"}\n"
    }.joined()
  }
}
