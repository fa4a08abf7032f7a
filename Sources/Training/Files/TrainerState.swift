// The state in a checkpoint besides weights and moments.

package import Checkpoints

/// The state in a checkpoint besides weights and moments.
package struct TrainerState: Sendable, Equatable {
  /// Steps done.
  package var step: Int
  package var epoch: Double
  /// Rows computed so far.
  package var tokens: Int
  /// SHA-256 of the model, the tokenizer and the examples.
  package var inputs: [String: String]
  package var earlyStopping: EarlyStopping
  package var skipped: SkippedSteps
  package var quarantine: Quarantine
  /// Identifies the run that wrote the checkpoint. It stays the same when the run is interrupted and resumed.
  package var run: String

  package init(
    step: Int, epoch: Double, tokens: Int, inputs: [String: String], run: String,
    earlyStopping: EarlyStopping = EarlyStopping(),
    skipped: SkippedSteps = SkippedSteps(), quarantine: Quarantine = Quarantine()
  ) {
    (self.run, self.quarantine, self.skipped, self.step, self.epoch) = (run, quarantine, skipped, step, epoch)
    (self.tokens, self.inputs, self.earlyStopping) = (tokens, inputs, earlyStopping)
  }

  var json: JSONValue {
    .object([
      .init("global_step", .integer(Int64(step))), .init("epoch", .number(epoch)),
      .init("num_input_tokens_seen", .integer(Int64(tokens))),
      .init("best_metric", earlyStopping.lowestLoss.map { .number($0) } ?? .null),
      .init("evaluations_without_improvement", .integer(Int64(earlyStopping.failures))),
      .init("skipped_steps", .integer(Int64(skipped.count))),
      .init("skipped_recently", .array(skipped.recent.map { .integer(Int64($0)) })),
      .init("quarantined", quarantine.json),
      .init("inputs", .object(inputs.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
      .init("run", .string(run)),
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
    for member in members { inputs[member.name] = member.value.string }
    earlyStopping = EarlyStopping(lowestLoss: json["best_metric"]?.double, failures: failures)
  }
}
