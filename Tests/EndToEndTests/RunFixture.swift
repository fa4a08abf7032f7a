// A directory for one test with data and a configuration for the tiny model, and access to the output of runs.

import Checkpoints
import Foundation
import TestSupport
import Testing

/// A directory for one test, removed with the last copy.
struct RunFixture: TestDirectory {
  private let directory: TemporaryDirectory
  var path: String { directory.path }
  /// Pairs of the data set: batches of 5 leave a smaller one at the end of an epoch.
  static let pairs = 13

  init(pairs: Int = Self.pairs) throws {
    directory = try TemporaryDirectory()
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

  /// A copy of another fixture in its present state.
  init(copyOf other: RunFixture) throws { directory = try TemporaryDirectory(copyOf: other.path) }

  /// Copies a directory of the tiny fixture and returns its path.
  func copy(_ source: String, as name: String) throws -> String {
    try FileManager.default.copyItem(atPath: TinyFixture.path(source), toPath: path(name))
    return path(name)
  }

  /// Copies a run's directory as it was when it wrote a checkpoint, to resume from there.
  func copyRun(_ run: String, as name: String, upTo checkpoint: String) throws {
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    for entry in ["config.yaml", checkpoint] {
      try FileManager.default.copyItem(atPath: path("\(run)/\(entry)"), toPath: path("\(name)/\(entry)"))
    }
  }

  // MARK: Programs

  /// Runs `shoal train` on the configuration to its end.
  func train(_ world: World = .alone, _ arguments: String..., environment: [String: String] = [:]) throws
    -> ProcessResult
  { try start(world, arguments, environment: environment).wait() }

  /// Starts `shoal train` on the configuration.
  func start(_ world: World = .alone, _ arguments: [String], environment: [String: String] = [:]) throws -> Job {
    let threads = world.threads.map { ["--threads", "\($0)"] } ?? []
    return try Job(
      world.launcher + ["train", path("config.yaml")] + threads + arguments, in: self, environment: environment)
  }

  /// Starts a run, asks it to stop after a few steps, and returns how it ended.
  func trainAndStop(_ world: World, _ arguments: String...) throws -> ProcessResult {
    let job = try start(world, arguments)
    // An earlier start may have left steps. Before this start has begun, a signal would kill it.
    try job.wait { job.toldSoFar.contains("plan: ") && steps().count >= 5 }
    job.send(SIGUSR1)
    return job.wait()
  }

  /// Runs any `shoal` command.
  func shoal(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try Job([Job.program] + arguments, in: self, input: input).wait()
  }

  // MARK: What runs left

  /// The weights that a run trained: its adapter, or without one its model.
  func adapter(_ run: String = "run") throws -> Data {
    let model = "\(run)/model.safetensors"
    return try bytes(
      FileManager.default.fileExists(atPath: path(model)) ? model : "\(run)/adapter_model.safetensors")
  }

  /// The readable lines of metrics.jsonl; a running job may have written half a line.
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

  // MARK: Data

  /// Pairs of some 200 tokens, always the same.
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
