import Checkpoints
import Foundation
import Model
import Runtime
import Tensors
import TestSupport
import Testing
import Training

/// Files of a run: metrics are trimmed to a checkpoint; checkpoints are complete or refused.
@Suite struct RunFilesTests {
  static func lines(_ scratch: TemporaryDirectory) throws -> [String] {
    try String(contentsOfFile: scratch.path("metrics.jsonl"), encoding: .utf8).split(separator: "\n").map(String.init)
  }

  @Test func `metrics are cut after a step`() throws {
    let scratch = try TemporaryDirectory()
    let files = RunDirectory(scratch.path)
    try files.trimLines(toStep: 3, withEvaluation: true)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("metrics.jsonl")), "nothing to cut")
    for step in 0...5 {
      try files.append([("step", .integer(Int64(step))), ("loss", .number(0.5))], to: .metrics)
      try files.append([("step", .integer(Int64(step))), ("eval_loss", .number(0.25))], to: .metrics)
    }
    let all = try Self.lines(scratch)
    #expect(all.count == 12)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch.path("metrics.jsonl")))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(#"{"step": 2, "los"#.utf8))
    try handle.close()
    try files.trimLines(toStep: 9, withEvaluation: true)
    #expect(try Self.lines(scratch) == all, "a line cut short is none")
    try files.trimLines(toStep: 3, withEvaluation: true)
    #expect(try Self.lines(scratch) == Array(all[..<8]))
    try files.append([("step", .integer(4))], to: .metrics)
    #expect(try Self.lines(scratch).count == 9)
    try files.append([("step", .integer(4)), ("learning_rate", .number(1))], to: .metrics)
    try files.trimLines(toStep: 4, withEvaluation: false)
    #expect(try Self.lines(scratch).count == 9, "of the last step what training said")
    try files.trimLines(toStep: -1, withEvaluation: true)
    #expect(try Self.lines(scratch).isEmpty)
    try files.trimLines(toStep: 3, withEvaluation: true)
    #expect(try Self.lines(scratch).isEmpty, "an empty file stays one")
  }

  @Test func `old checkpoints are pruned and other files stay`() throws {
    let scratch = try TemporaryDirectory()
    // Of another run, or of none that Shoal knows.
    for name in ["checkpoint-1", "notes", "checkpoint-best"] {
      try FileManager.default.createDirectory(atPath: scratch.path(name), withIntermediateDirectories: false)
      try Data([1]).write(to: URL(fileURLWithPath: scratch.path("\(name)/file")))
    }
    for step in 2...7 { try Trained(step: step, run: step == 4 ? "other" : "own").write(in: scratch) }
    let files = RunDirectory(scratch.path)
    func steps() -> [Int] { files.checkpointNames.map(\.step) }
    try files.prune(of: "own", upTo: 7, keeping: 9) { _ in true }
    #expect(steps() == [7, 6, 5, 4, 3, 2, 1])
    try files.prune(of: "own", upTo: 5, keeping: 2) { _ in true }
    #expect(steps() == [7, 6, 5, 4, 3, 1], "later ones do not count")
    try Trained(step: 2, run: "own").write(in: scratch)
    // 6 is damaged, so 7 and 5 are the last two whole ones.
    try scratch.damage("checkpoint-6/optimizer.safetensors") { $0 / 2 }
    try files.prune(of: "own", upTo: 7, keeping: 2) { _ in true }
    #expect(steps() == [7, 6, 5, 4, 1])
    // Of the damaged one goes what is still as it was written.
    let left = try files.prune(of: "own", upTo: 7, keeping: 1) { _ in true }
    #expect(left == [scratch.path("checkpoint-6/optimizer.safetensors")])
    #expect(steps() == [7, 6, 4, 1])
    #expect(try scratch.names("checkpoint-6") == ["optimizer.safetensors"])
    #expect(
      files.entries
        == ["checkpoint-1", "checkpoint-4", "checkpoint-6", "checkpoint-7", "checkpoint-best", "notes"],
      "nothing half removed either")
  }

  /// As in transformers, the best counts among the limit but stays.
  @Test(arguments: [
    (limit: 1, best: 7, damaged: 0, left: [7]), (limit: 1, best: 3, damaged: 0, left: [7, 3]),
    (limit: 2, best: 3, damaged: 0, left: [7, 3]), (limit: 2, best: 7, damaged: 0, left: [7, 6]),
    (limit: 3, best: 3, damaged: 0, left: [7, 6, 3]), (limit: 3, best: 6, damaged: 0, left: [7, 6, 5]),
    (limit: 2, best: 9, damaged: 0, left: [7, 6]),
    // A damaged newest or best is no state to go on from.
    (limit: 1, best: 7, damaged: 7, left: [7, 6]), (limit: 2, best: 3, damaged: 7, left: [7, 6, 3]),
    (limit: 1, best: 3, damaged: 3, left: [7, 3]),
  ])
  func `the best checkpoint is never pruned`(limit: Int, best: Int, damaged: Int, left: [Int]) throws {
    let scratch = try TemporaryDirectory()
    for step in 2...7 { try Trained(step: step, run: "own").write(in: scratch) }
    if damaged > 0 { try scratch.damage("checkpoint-\(damaged)/optimizer.safetensors") { $0 / 2 } }
    let files = RunDirectory(scratch.path)
    for _ in 0..<2 {
      try files.prune(of: "own", upTo: 7, keeping: limit, best: ["checkpoint-\(best)"]) { _ in true }
      #expect(files.checkpointNames.map(\.step) == left)
    }
  }

  @Test func `without a limit the best checkpoint takes no place`() throws {
    let scratch = try TemporaryDirectory()
    for step in 2...7 { try Trained(step: step, run: "own").write(in: scratch) }
    let files = RunDirectory(scratch.path)
    try files.prune(of: "own", upTo: 7, keeping: nil, best: ["checkpoint-3"]) { $0 == 4 }
    #expect(files.checkpointNames.map(\.step) == [7, 6, 4, 3])
  }

  @Test func `what is only there to go on from goes when newer states are there`() throws {
    let scratch = try TemporaryDirectory()
    for step in 1...6 { try Trained(step: step, run: step == 1 ? "other" : "own").write(in: scratch) }
    let files = RunDirectory(scratch.path)
    for (step, kind, done) in [(5, "step", 2), (6, "evaluation", 3), (7, "step", 1), (7, "step", 2), (7, "step", 9)] {
      let partial = try #require(PartialWork(name: "partial-\(step)-\(kind)-\(done)"))
      try Self.write(partial, to: files.path(of: partial))
    }
    #expect(files.partials.map(\.name).first == "partial-7-step-9")
    try files.prune(of: "own", upTo: 6, keeping: nil) { $0 == 3 }
    #expect(files.checkpointNames.map(\.step) == [6, 5, 3, 1])
    #expect(files.partials.map(\.name) == ["partial-7-step-9", "partial-7-step-2"])
    #expect(files.entries.count == 6, "nothing half removed")
  }

  // MARK: Work under way

  static func write(_ partial: PartialWork, to path: String) throws {
    var sums = (0..<100).map { Int64($0) << 56 | Int64($0) }
    try sums.withUnsafeMutableBufferPointer {
      // In two pieces, as a gradient and its examples' words are.
      let pieces = [0..<90, 90..<100].map { [sums = $0] in UnsafeMutableBufferPointer(rebasing: sums[$0]) }
      try partial.write(pieces, Trained(step: partial.base).state, to: path)
    }
  }

  @Test func `work under way comes back, or is refused`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("partial-8-step-3")
    let partial = PartialWork(kind: .step, step: 8, done: 3, seconds: 0.1)
    #expect(partial.name == "partial-8-step-3" && PartialWork(name: partial.name)?.base == 7)
    for name in ["partial-0-step-1", "partial-8-step", "partial-8-step-3.damaged", "checkpoint-8"] {
      #expect(PartialWork(name: name) == nil, "\(name)")
    }
    try Self.write(partial, to: path)
    let (found, state) = try PartialWork.state(of: path)
    #expect(try found == partial && state == Trained().state)
    var sums = [Int64](repeating: 0, count: 100)
    try sums.withUnsafeMutableBufferPointer { try PartialWork.read(path, into: [$0]) }
    #expect(sums[99] == 99 << 56 | 99)
    #expect(throws: ContentError.self, "sums of another run") {
      try sums.withUnsafeMutableBufferPointer {
        try PartialWork.read(path, into: [UnsafeMutableBufferPointer(rebasing: $0[..<99])])
      }
    }
    let flips = FlippedBits()
    for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
      try flips.forEach(of: "\(path)/\(name)") { (try? PartialWork.state(of: path)) == nil }
    }
    #expect(flips.count > 10_000 && flips.missed == [], "\(flips.missed.prefix(5))")
  }

  @Test func `one whole checkpoint is left where one is asked for`() throws {
    let scratch = try TemporaryDirectory()
    for step in 1...3 { try Trained(step: step, run: "own").write(in: scratch) }
    try scratch.damage("checkpoint-3/adapter_model.safetensors") { $0 / 2 }
    let files = RunDirectory(scratch.path)
    try files.prune(of: "own", upTo: 3, keeping: 1) { _ in true }
    #expect(files.checkpointNames.map(\.step) == [3, 2])
  }

  struct Trained {
    let adapter: Adapter
    let form: PolicyForm
    let policy: PolicyState
    let moments: OptimizerMoments
    let state: TrainerState

    init(rank: Int? = nil, optimizer: OptimizerName = .adamW, step: Int = 7, run: String = "own") throws {
      let base = try TinyFixture("all").model
      let model = base.configuration
      let directory = try AdapterDirectory(TinyFixture.path("adapter"), model: model)
      var configuration = directory.configuration
      if let rank {
        configuration.rank = rank
        adapter = Adapter(layout: AdapterLayout(configuration, model: model))
        adapter.initializeUniform(seed: 3)
      } else {
        adapter = try Adapter(directory, model: model)
      }
      form = .adapter(configuration)
      moments = OptimizerMoments(count: adapter.layout.count, optimizer)
      policy = PolicyState(base, PolicyLayout(adapter.layout), values: adapter.weights, moments: moments)
      for i in 0..<adapter.layout.count {
        moments.first.base[i] = Float(i) * -0x1p-20
        moments.second?.base[i] = Float(i) * 0x1p-130
      }
      state = TrainerState(
        step: step, epoch: 0.1 + 0.2, tokens: 1 << 40, inputs: ["model": "a", "data": "b"], run: run,
        best: BestModel(
          metric: .init(name: "eval_rewards/margins", isGreaterBetter: true),
          evaluation: .init(step: 2, value: 0.1 + 0.2),
          checkpoint: .init(evaluation: .init(step: 3, value: 0.4), name: "checkpoint-3-2"),
          failures: 2, improvements: [1, 2]),
        skipped: SkippedSteps(count: min(step, 5), recent: [3, 6]),
        quarantine: Quarantine(training: [9, 2], heldOut: [1]))
    }

    func write(in scratch: TemporaryDirectory) throws { try write(to: scratch.path("checkpoint-\(state.step)")) }

    func write(to path: String) throws {
      let inference = try InferenceFiles(adapter: nil, base: TinyFixture.path("model"))
      try Checkpoint.write(state, policy, form, inference, to: path)
    }

    var arenas: [[UInt32]] {
      ([adapter.weights] + moments.all).map { arena in (0..<adapter.layout.count).map { arena.base[$0].bitPattern } }
    }
  }

  @Test(arguments: OptimizerName.allCases)
  func `a checkpoint brings everything back`(optimizer: OptimizerName) throws {
    let scratch = try TemporaryDirectory()
    let trained = try Trained(optimizer: optimizer)
    let path = scratch.path("checkpoint-7")
    try trained.write(to: path)
    #expect(try Checkpoint.state(of: path) == trained.state)
    let other = try Trained(optimizer: optimizer)
    for arena in [other.adapter.weights] + other.moments.all {
      arena.base.update(repeating: .nan, count: arena.count)
    }
    try Checkpoint.read(path, other.form, into: other.policy)
    #expect(other.arenas == trained.arenas)
  }

  @Test func `a checkpoint of another adapter is refused`() throws {
    let scratch = try TemporaryDirectory()
    let trained = try Trained()
    try trained.write(to: scratch.path("checkpoint-7"))
    let other = try Trained(rank: 2)
    let before = other.arenas
    #expect(throws: ContentError.self) {
      try Checkpoint.read(scratch.path("checkpoint-7"), other.form, into: other.policy)
    }
    #expect(other.arenas == before)
  }

  @Test func `numbers beyond reason are refused`() throws {
    let sound: [(String, JSONValue)] = [
      ("global_step", 1), ("epoch", 1), ("num_input_tokens_seen", 1), ("evaluations_without_improvement", 1),
      ("inputs", [:]), ("run", "own"), ("skipped_steps", 1), ("skipped_recently", []),
      ("quarantined", ["training": [1], "held_out": []]),
    ]
    _ = try TrainerState(json: .object(sound.map { .init($0.0, $0.1) }), path: "trainer_state.json")
    for (name, value) in [
      ("global_step", -1), ("skipped_steps", 2), ("global_step", Int64.max), ("num_input_tokens_seen", -1),
      ("num_input_tokens_seen", .max),
      ("evaluations_without_improvement", .max), ("evaluations_without_improvement", -1),
    ] {
      let members = sound.map { JSONValue.Member($0.0, $0.0 == name ? .integer(value) : $0.1) }
      #expect(throws: ContentError.self, "\(name) \(value)") {
        try TrainerState(json: .object(members), path: "trainer_state.json")
      }
    }
  }

  /// Bit by bit: whatever flips in a checkpoint, it is refused.
  @Test func `every flipped bit of a checkpoint is seen`() throws {
    let scratch = try TemporaryDirectory()
    let base = try TinyFixture("all").model
    let configuration = AdapterConfiguration(rank: 1, alpha: 2, dropout: 0, modules: [.query], baseModel: nil)
    let adapter = Adapter(layout: AdapterLayout(configuration, model: base.configuration))
    adapter.initializeUniform(seed: 3)
    let path = scratch.path("checkpoint-7")
    try Checkpoint.write(
      Trained().state,
      PolicyState(
        base, PolicyLayout(adapter.layout), values: adapter.weights,
        moments: OptimizerMoments(count: adapter.layout.count, .lion)), .adapter(configuration),
      InferenceFiles(adapter: nil, base: TinyFixture.path("model")), to: path)
    let flips = FlippedBits()
    for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
      try flips.forEach(of: "\(path)/\(name)") { (try? Checkpoint.state(of: path)) == nil }
    }
    #expect(flips.count > 30_000 && flips.missed == [], "\(flips.missed.prefix(5))")
    #expect(try Checkpoint.state(of: path).step == 7, "and whole again it is taken")
  }
}
