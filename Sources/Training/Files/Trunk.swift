// Another run whose checkpoint a run starts from: a branch. What the two must have in common, and what the branch does
// not share with the steps that it did not make.

import Checkpoints
import Model

/// A run that another goes on from, at one of its checkpoints.
struct Trunk {
  /// Keys of which a branch has its trunk's values: they say what the parameters are, and what the optimizer's moments
  /// are the moments of.
  private static let sharedKeys: Set<String> = [
    "adapter", "unfrozen_parameters", "lora_r", "lora_alpha", "lora_target_modules", "lora_modules_to_save",
    "peft_use_rslora", "rl", "optimizer", "random_init",
  ]
  /// Inputs that may be others.
  private static let ownInputs: Set<String> = ["data"]

  let checkpoint: String
  let state: TrainerState
  private let directory: RunDirectory
  /// Nil when the trunk's directory has none.
  private let configuration: Result<RunConfiguration?, any Error>

  init(_ checkpoint: String, _ state: TrainerState) {
    (self.checkpoint, self.state) = (checkpoint, state)
    let directory = RunDirectory(parentDirectory(of: withoutTrailingSlashes(checkpoint)))
    self.directory = directory
    configuration = Result { try directory.configuration() }
  }

  /// - Throws: `RunRefusal` when a run cannot go on from here.
  func requireFit(_ branch: RunConfiguration, _ inputs: [String: String]) throws(RunRefusal) {
    let names = inputs.filter { !Self.ownInputs.contains($0.key) && state.inputs[$0.key] != $0.value }.map(\.key)
    guard names.isEmpty else {
      throw .inputsDiffer(checkpoint: checkpoint, names: names.sorted(), comparison: comparison(with: branch))
    }
    guard case .success(let trunk?) = configuration else { return }
    let differences = branch.namedDifferences(from: trunk).filter { Self.sharedKeys.contains($0.name) }
    guard differences.isEmpty else {
      throw .branchDiffers(checkpoint: checkpoint, differences: differences.map(\.text))
    }
  }

  /// Whether the branch's inputs are the trunk's.
  func hasSameData(_ inputs: [String: String]) -> Bool { state.inputs["data"] == inputs["data"] }

  /// The steps before the first of the branch's order: those that the trunk's order has too, or all so far.
  /// - Parameter hash: of the branch's order.
  func orderStartsAfter(hash: String, _ inputs: [String: String]) -> Int {
    // Earlier versions wrote no order, and took branches of the same data only.
    guard let order = state.order else { return hasSameData(inputs) ? 0 : state.step }
    return order.hash == hash ? order.startsAfter : state.step
  }

  /// Says in what a branch differs.
  func comparison(with branch: RunConfiguration) -> String {
    switch configuration {
    case .success(nil):
      return "\(directory.path) has no config.yaml: whether this run differs from the checkpoint's is not known"
    case .success(let trunk?):
      let differences = branch.differences(from: trunk)
      guard !differences.isEmpty else { return "this run has the same configuration as the checkpoint's" }
      return "this run differs from the checkpoint's:\n" + differences.map { "  \($0)" }.joined(separator: "\n")
    case .failure(let error): return "the configuration of the checkpoint's run cannot be read: \(error)"
    }
  }

  /// Says whether the rates of the steps so far are those of the branch's schedule, which decides whether the branch
  /// ends as a run that had this schedule from its start; nil if the trunk's schedule is not known.
  func rateNotice(_ branch: RunConfiguration, totalSteps: Int) -> String? {
    guard case .success(let trunk?) = configuration, let record = try? directory.record(),
      let trunkSteps = record["plan"]?["total_steps"]?.int
    else { return nil }
    return Self.rateNotice(
      of: branch, totalSteps: totalSteps, after: trunk, totalSteps: trunkSteps, in: directory, steps: state.step)
  }

  /// - Parameters:
  ///   - earlier: the configuration of the steps so far.
  ///   - files: the directory of the run that made them.
  static func rateNotice(
    of run: RunConfiguration, totalSteps: Int, after earlier: RunConfiguration, totalSteps earlierSteps: Int,
    in files: RunDirectory, steps: Int
  ) -> String {
    let (new, old) = (
      LearningRateSchedule(run, totalSteps: totalSteps), LearningRateSchedule(earlier, totalSteps: earlierSteps)
    )
    func rate(_ step: Int) -> Double { run.learningRate * new.multiplier(after: step - 1) }
    func differs(_ step: Int, _ before: Double) -> String? {
      guard rate(step) != before else { return nil }
      return
        "the learning rate of step \(step) was \(before), this configuration says \(rate(step)): the result is not that "
        + "of a run that had this configuration from its start"
    }
    // A run that was trained further, or is a branch itself, had another schedule before.
    for line in files.lines(.metrics) {
      guard let step = line["step"]?.int, 1...max(1, steps) ~= step, let rate = line["learning_rate"]?.double else {
        continue
      }
      if let text = differs(step, rate) { return text }
    }
    let first = (try? files.record())?[RunRecord.trunk]?["step"]?.int ?? 0
    for step in (first + 1)..<max(first + 1, steps + 1) {
      if let text = differs(step, earlier.learningRate * old.multiplier(after: step - 1)) { return text }
    }
    let which = first == 0 ? "of the \(steps) steps so far" : "of steps \(first + 1) to \(steps), which that run made,"
    return "the learning rates \(which) are those that this configuration gives them"
  }

  /// For run.json: where the branch left, with what identifies it.
  func json(orderStartsAfter: Int) -> JSONValue {
    let manifest = "\(withoutTrailingSlashes(checkpoint))/\(manifestName)"
    let hash = try? ContentHash(cacheDirectory: nil).sha256(ofFile: manifest)
    return .object([
      .init("checkpoint", .string(checkpoint)), .init("step", .integer(Int64(state.step))),
      .init("run", .string(state.run)), .init(Self.manifestHash, hash.map { .string($0) } ?? .null),
      .init(Self.orderStart, .integer(Int64(orderStartsAfter))),
    ])
  }

  /// In run.json: the hash of the checkpoint's manifest, which has those of all its files.
  private static let manifestHash = "manifest_sha256"
  /// In run.json: the steps before the order of the examples begins.
  private static let orderStart = "order_starts_after"

  /// Whether a run's record says that it left its trunk at this checkpoint.
  static func isOrigin(_ checkpoint: String, of record: JSONValue?) -> Bool {
    guard let known = record?[RunRecord.trunk]?[manifestHash]?.string else { return false }
    let manifest = "\(withoutTrailingSlashes(checkpoint))/\(manifestName)"
    return (try? ContentHash(cacheDirectory: nil).sha256(ofFile: manifest)) == known
  }

  /// The steps before the order of a branch begins, by its record.
  static func orderStartsAfter(of record: JSONValue?) -> Int { record?[RunRecord.trunk]?[orderStart]?.int ?? 0 }
}
