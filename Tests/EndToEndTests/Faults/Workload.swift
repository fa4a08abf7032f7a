// Runs for fault injection, and their results without disturbance.

import Checkpoints
import Foundation
import Synchronization
import TestSupport
import Testing

/// A way to start a run.
enum LaunchMode: Sendable, Hashable, CustomStringConvertible {
  case alone(threads: Int)
  case ranks(Int)
  /// Through launch/local.sh.
  case launcher(Int)

  var description: String {
    switch self {
    case .alone(let threads): "alone, \(threads) threads"
    case .ranks(let count): "mpirun, \(count) ranks"
    case .launcher(let count): "launch/local.sh, \(count) ranks"
    }
  }

  /// A way to start that takes about the same time.
  var typical: LaunchMode {
    switch self {
    case .alone: .alone(threads: 1)
    case .ranks, .launcher: .ranks(2)
    }
  }

  func command(in fixture: RunFixture) -> [String] {
    let configuration = fixture.path("config.yaml")
    return switch self {
    case .alone(let threads): [Job.program, "train", configuration, "--threads", "\(threads)"]
    case .ranks(let count): World(ranks: count).launcher + ["train", configuration, "--threads", "1"]
    case .launcher(let count): [fixture.path("launch/local.sh"), "-n", "\(count)", "-t", "1", configuration]
    }
  }
}

/// What a run trains, and saves.
enum Trained: String, CaseIterable, Sendable {
  case adapter
  /// All weights, in memory that ranks share.
  case model

  var long: Workload { self == .adapter ? .long : .longFull }
  var brief: Workload { self == .adapter ? .brief : .briefFull }

  var name: String { self == .adapter ? "an adapter" : "a model" }

  /// The file beside the weights that describes them.
  var configurationName: String { self == .adapter ? "adapter_config.json" : "config.json" }
  /// What a run ends with.
  var resultNames: [String] {
    [self == .adapter ? "adapter_model.safetensors" : "model.safetensors", configurationName]
  }
  /// Sizes of a disk, up to that at which everything fits. A model is not written where the tokenizers of large models
  /// would have no room.
  var diskKibibytes: Range<Int> { self == .adapter ? 40..<2400 : 32_800..<40_000 }
  /// Limits of a file's size, up to that at which everything fits.
  var fileKibibytes: Range<Int> { self == .adapter ? 4..<200 : 4..<800 }
}

/// A run that is short enough to be repeated hundreds of times.
struct Workload: Sendable {
  let name: String
  var trained = Trained.adapter
  let model: String
  let settings: String
  let steps: Int
  let stepsPerSave: Int
  let stepsPerEvaluation: Int
  /// 0: saves depend on steps only, so that every run makes the same calls.
  let minutesPerSave: Double

  /// A second of steps, saves and evaluations.
  static let long = Workload(
    name: "long", model: TinyFixture.path("model"), settings: "\(lora)\nlora_r: 8\nlora_target_linear: true",
    steps: 24, stepsPerSave: 4, stepsPerEvaluation: 8, minutesPerSave: 0.001)
  /// As few calls as possible, but of every kind.
  static let brief = Workload(
    name: "brief", model: TinyFixture.path("model"),
    settings: "\(lora)\nlora_r: 2\nlora_target_modules: [v_proj]", steps: 4, stepsPerSave: 1,
    stepsPerEvaluation: 2, minutesPerSave: 0)
  /// With a 4-bit base, which is stored in the cache.
  static let quantized = Workload(
    name: "quantized", model: "\(Repository.path)/demo/model",
    settings: "adapter: qlora\nload_in_4bit: true\n\(scale)\nlora_r: 2\nlora_target_modules: [v_proj]",
    steps: 6, stepsPerSave: 2, stepsPerEvaluation: 3, minutesPerSave: 0.001)
  /// The same with all weights, on one to three ranks that have a part of the optimizer's state.
  static let longFull = Workload(
    name: "long full", trained: .model, model: TinyFixture.path("model"), settings: full, steps: 24, stepsPerSave: 4,
    stepsPerEvaluation: 8, minutesPerSave: 0.001)
  static let briefFull = Workload(
    name: "brief full", trained: .model, model: TinyFixture.path("model"), settings: full, steps: 4, stepsPerSave: 1,
    stepsPerEvaluation: 2, minutesPerSave: 0)

  private static let lora = "adapter: lora\n\(scale)"
  private static let scale = "lora_alpha: 8\nlora_dropout: 0.1"
  private static let full = "neftune_noise_alpha: 5\nweight_decay: 0.01"

  /// A directory with everything that the run needs, even a copy of the model, and no absolute path in its settings.
  /// - Parameter linksModel: whether to link the model to a directory of old files, whose hashes are remembered.
  func fixture(linksModel: Bool = false) throws -> RunFixture {
    let fixture = try RunFixture(pairs: 27)
    if linksModel {
      try FileManager.default.createSymbolicLink(atPath: fixture.path("model"), withDestinationPath: model)
    } else {
      try FileManager.default.copyItem(atPath: model, toPath: fixture.path("model"))
    }
    try fixture.write(
      "config.yaml",
      """
      base_model: model
      \(settings)
      rl: dpo
      datasets:
        - path: pairs.jsonl
          ds_type: json
      sequence_len: 512
      val_set_size: 3
      eval_steps: \(stepsPerEvaluation)
      micro_batch_size: 8
      learning_rate: 1e-3
      lr_scheduler: cosine
      max_steps: \(steps)
      save_steps: \(stepsPerSave)
      save_total_limit: 3
      load_best_model_at_end: true
      save_minutes: \(minutesPerSave)

      """)
    try FileManager.default.copyItem(atPath: "\(Repository.path)/launch", toPath: fixture.path("launch"))
    try FileManager.default.createDirectory(atPath: fixture.path(".build/release"), withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: fixture.path(".build/release/shoal"), withDestinationPath: Job.program)
    return fixture
  }

  // MARK: Undisturbed

  /// The result of an undisturbed run.
  struct GoldenRun: Sendable {
    /// Of the best state.
    let adapter: Data
    /// Of the last state.
    let lastAdapter: Data
    let lastMoments: Data
    /// The file that describes the weights.
    let configuration: String
    /// The lines of metrics.jsonl for every step and evaluation, without clock values.
    let lines: [Line]
  }

  /// The numbers of a line that do not depend on clocks.
  struct Line: Sendable, Equatable {
    let step: Int
    let numbers: [Double?]

    init?(_ json: JSONValue) {
      guard let step = json["step"]?.int else { return nil }
      self.step = step
      numbers = ["epoch", "loss", "grad_norm", "logps/chosen", "num_tokens", "eval_loss"].map { json[$0]?.double }
    }
  }

  private struct Record: Sendable {
    var golden: GoldenRun
    var seconds: [LaunchMode: Double] = [:]
  }

  private static let records = Mutex<[String: Record]>([:])

  /// - Throws: when an undisturbed run fails, or another world gives a different result.
  func goldenRun() throws -> GoldenRun { try measured(.alone(threads: 1)).golden }

  /// The duration of an undisturbed run.
  /// - Throws: as `goldenRun()`.
  func seconds(_ start: LaunchMode) throws -> Double { try measured(start).seconds[start] ?? 0 }

  private func measured(_ start: LaunchMode) throws -> Record {
    if let record = Self.records.withLock({ $0[name] }), record.seconds[start] != nil { return record }
    let fixture = try fixture()
    let began = ContinuousClock.now
    let ending = try Job(start.command(in: fixture) + ["output_dir=run"], in: fixture).wait()
    let elapsed = ContinuousClock.now - began
    try #require(ending.code == 0, "\(start): \(ending.errors)")
    let golden = try GoldenRun(
      adapter: fixture.adapter(), lastAdapter: fixture.adapter("run/checkpoint-\(steps)"),
      lastMoments: fixture.bytes("run/checkpoint-\(steps)/optimizer.safetensors"),
      configuration: fixture.text("run/\(trained.configurationName)"),
      lines: fixture.metrics().compactMap(Line.init))
    return try Self.records.withLock { records in
      var record = records[name] ?? Record(golden: golden)
      try #require(record.golden.adapter == golden.adapter, "\(start) gives another adapter")
      try #require(record.golden.lastAdapter == golden.lastAdapter, "\(start) gives another last state")
      try #require(record.golden.lastMoments == golden.lastMoments, "\(start) gives other moments")
      try #require(record.golden.lines == golden.lines, "\(start) gives other metrics")
      record.seconds[start] = elapsed / .seconds(1)
      records[name] = record
      return record
    }
  }
}
