// The state in a checkpoint besides weights and moments.

package import Checkpoints
package import Runtime

/// The state in a checkpoint besides weights and moments.
package struct TrainerState: Sendable, Equatable {
  /// Steps done.
  package var step: Int
  package var epoch: Double
  /// Rows computed so far.
  package var tokens: Int
  /// SHA-256 of the model, the tokenizer and the examples.
  package var inputs: [String: String]
  /// What the steps are made of; nil in checkpoints of versions that did not write it.
  package var order: ExampleOrder?
  package var best: BestModel
  package var skipped: SkippedSteps
  package var quarantine: Quarantine
  /// Identifies the run that wrote the checkpoint. It stays the same when the run is interrupted and resumed.
  package var run: String

  package init(
    step: Int, epoch: Double, tokens: Int, inputs: [String: String], run: String, order: ExampleOrder? = nil,
    best: BestModel = BestModel(),
    skipped: SkippedSteps = SkippedSteps(), quarantine: Quarantine = Quarantine()
  ) {
    (self.run, self.quarantine, self.skipped, self.step, self.epoch) = (run, quarantine, skipped, step, epoch)
    (self.tokens, self.inputs, self.best, self.order) = (tokens, inputs, best, order)
  }

  var json: JSONValue {
    .object([
      .init("global_step", .integer(Int64(step))), .init("epoch", .number(epoch)),
      .init("num_input_tokens_seen", .integer(Int64(tokens))),
      .init("metric_for_best_model", .string(best.metric.name)),
      .init("greater_is_better", .bool(best.metric.isGreaterBetter)),
      .init("best_metric", best.evaluation.map { .number($0.value) } ?? .null),
      .init("best_global_step", best.evaluation.map { .integer(Int64($0.step)) } ?? .null),
      .init(
        "best_model_checkpoint", best.checkpoint.map { .string($0.name) } ?? .null),
      .init("best_model_checkpoint_metric", best.checkpoint.map { .number($0.evaluation.value) } ?? .null),
      .init("best_steps", .array(best.improvements.map { .integer(Int64($0)) })),
      .init("evaluations_without_improvement", .integer(Int64(best.failures))),
      .init("skipped_steps", .integer(Int64(skipped.count))),
      .init("skipped_recently", .array(skipped.recent.map { .integer(Int64($0)) })),
      .init("quarantined", quarantine.json),
      .init("inputs", .object(inputs.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
      .init("run", .string(run)), .init("order", .string(order?.hash ?? "")),
      .init("order_starts_after", .integer(Int64(order?.startsAfter ?? 0))),
    ])
  }

  /// Reads the content of `trainer_state.json`.
  /// - Parameter path: the name of the file in error messages.
  /// - Throws: `ContentError`.
  package init(json: JSONValue, path: String) throws(ContentError) {
    let failures = json["evaluations_without_improvement"]?.int ?? 0
    // These bounds ensure that later counting cannot overflow.
    guard let step = json["global_step"]?.int, 0...(1 << 53) ~= step, let epoch = json["epoch"]?.double,
      let tokens = json["num_input_tokens_seen"]?.int, 0...(1 << 60) ~= tokens, 0...(1 << 53) ~= failures,
      let members = json["inputs"]?.members, let run = json["run"]?.string,
      let skipped = json["skipped_steps"]?.int, 0...step ~= skipped, let recent = json["skipped_recently"]?.array,
      let quarantine = json["quarantined"].flatMap(Quarantine.init)
    else {
      throw ContentError(
        path, "is not a trainer state",
        expected: "global_step, epoch, num_input_tokens_seen, inputs, run, skipped_steps, skipped_recently, quarantined"
      )
    }
    self.init(step: step, epoch: epoch, tokens: tokens, inputs: [:], run: run)
    self.skipped = SkippedSteps(count: skipped, recent: recent.compactMap(\.int))
    self.quarantine = quarantine
    if let hash = json["order"]?.string, !hash.isEmpty {
      let startsAfter = json["order_starts_after"]?.int ?? 0
      guard 0...step ~= startsAfter else {
        throw ContentError(path, "is not a trainer state", expected: "order_starts_after from 0 to global_step")
      }
      order = ExampleOrder(hash: hash, startsAfter: startsAfter)
    }
    for member in members { inputs[member.name] = member.value.string }
    func evaluation(_ metric: String, at step: Int?) -> BestModel.Evaluation? {
      guard let value = json[metric]?.double, let step else { return nil }
      return BestModel.Evaluation(step: step, value: value)
    }
    let checkpoint = json["best_model_checkpoint"]?.string.flatMap { name in
      evaluation("best_model_checkpoint_metric", at: CheckpointName(name)?.step).map {
        BestModel.Saved(evaluation: $0, name: name)
      }
    }
    // Earlier versions compared losses.
    var metric = BestModel.Metric()
    if let name = json["metric_for_best_model"]?.string { metric.name = name }
    if case .bool(let isGreaterBetter)? = json["greater_is_better"] { metric.isGreaterBetter = isGreaterBetter }
    best = BestModel(
      metric: metric, evaluation: evaluation("best_metric", at: json["best_global_step"]?.int), checkpoint: checkpoint,
      failures: failures, improvements: json["best_steps"]?.array?.compactMap(\.int) ?? [])
  }
}
