// Rank 0's output files of a run: run.json, a line per step and evaluation, checkpoints, the final adapter.

import Checkpoints
import Corpus
import Glibc
import Model
import Runtime
import Tensors

/// The writing half of rank 0's part.
final class RunRecorder {
  private let configuration: RunConfiguration
  private let files: RunDirectory
  /// Held for the whole run; nil when the run writes nothing.
  private let lock: DirectoryLock?
  private let start: RunStart
  private let inputs: [String: String]
  private let order: ExampleOrder
  private let overwrites: Bool
  /// The names of the files that this run writes at the top of its directory.
  private let fileNames: Set<String>
  /// Checkpoints that were skipped as damaged.
  private let damaged: [String]
  private let checkpoints: RunCheckpoints
  private let inference: InferenceFiles
  private let skippedRecords: [RecordMistake]
  private let progress: (RunProgress) -> Void
  private var record: JSONValue
  private var tokens: Int
  private var best: BestModel
  /// The state before the evaluation after the last step, because checkpoints are written before that evaluation.
  private var bestBefore: BestModel
  private var lastEvaluation: BestModel.Evaluation?
  /// Set when the run has begun.
  private var log: RunLog?

  /// Writes nothing yet.
  init(
    _ configuration: RunConfiguration, _ resumption: Resumption, files: RunDirectory, lock: DirectoryLock?,
    inputs: [String: String], order: String, overwrites: Bool, fileNames: [String], schedule: StepSchedule,
    inference: InferenceFiles, skippedRecords: [RecordMistake], record: JSONValue,
    progress: @escaping (RunProgress) -> Void
  ) {
    (self.configuration, self.files, self.lock, self.inputs) = (configuration, files, lock, inputs)
    (self.overwrites, self.inference, self.record, self.progress) = (overwrites, inference, record, progress)
    (self.fileNames, self.skippedRecords) = (Set(fileNames), skippedRecords)
    start = resumption.start
    self.order = ExampleOrder(hash: order, startsAfter: start.orderStartsAfter)
    damaged = resumption.damaged
    tokens = start.tokens
    (best, bestBefore) = (start.best, start.bestBefore)
    checkpoints = RunCheckpoints(
      files, of: start.run, configuration, isScheduled: schedule.saves(after:), last: start.checkpoint, best: best
    ) { progress(.notice($0)) }
  }

  /// Cleans the directory and writes the configuration and the record of the run.
  /// - Parameter seconds: the forecast.
  /// - Throws: `WriteError`.
  func begin(privateBytes: Int, seconds: JSONValue?) throws {
    record = RunRecord.planned(record, privateBytes: privateBytes, seconds: seconds)
    let proof = RunProof(files)
    let isAlone = lock?.isExclusive == true
    if isAlone { files.removeLeftovers(proof) }
    // First of all, so that whatever comes after it is known to be this run's.
    let processes = (isAlone ? [] : proof.processes ?? []).union([Int(getpid())])
    record = RunRecord.claiming(record, names: fileNames.union(proof.names), processes: processes)
    record = RunRecord.claiming(record, adapter: proof.adapter)
    try files.write(record: record)
    if overwrites {
      let left = try files.removeRun(keeping: start.checkpoint)
      if !left.isEmpty { progress(.notice("stays, because nothing proves that Shoal wrote it: \(shortList(left))")) }
      record = RunRecord.claiming(
        RunRecord.claiming(record, names: fileNames, processes: processes), adapter: [])
      try files.write(record: record)
    }
    for path in damaged { try files.setAside(path) }
    let lines = RunDirectory.LineFile.allCases.filter { overwrites ? false : proof.names.contains($0.rawValue) }
    try files.trimLines(toStep: start.step, withEvaluation: start.partial?.kind == .step, of: lines)
    try files.write(configuration)
    if configuration.skipBadRecords > 0 { try files.write(skipped: skippedRecords) }
    // An evaluation comes after the checkpoint of its step. The evaluation before the first step counts as step 0.
    let evaluatesFirst = start.partial?.kind != .step
    let log = try RunLog(files, firstStep: evaluatesFirst ? start.step : start.step + 1) { [progress] in
      progress(.notice($0))
    }
    if evaluatesFirst { log.repeatEvents(ofStep: start.step) }
    self.log = log
  }

  // MARK: Lines

  /// Counts a step's tokens and returns those of the run so far.
  func count(tokens stepTokens: Int) -> Int {
    tokens += stepTokens
    return tokens
  }

  /// Writes the metrics line of a step.
  func append(_ report: StepReport) {
    bestBefore = best
    var line: [(name: String, value: JSONValue)] = [("epoch", .number(report.epoch))]
    if let skip = report.skip {
      line += [
        ("skipped", true), ("skipped_examples", .array(skip.examples.map { .integer(Int64($0)) })),
        ("skipped_reason", .string(skip.reason)),
      ]
    } else {
      line += report.metrics.entries.map { ($0.name, .number($0.value)) }
      line.append(("grad_norm", .number(report.gradientNorm)))
    }
    let rate = configuration.objective.exampleKind == .pair ? "pairs_per_second" : "samples_per_second"
    line += [
      ("learning_rate", .number(report.learningRate)),
      ("num_tokens", .integer(Int64(report.tokens))), ("step_seconds", .number(report.seconds)),
      (rate, .number(Double(report.examples) / report.seconds)),
      ("tokens_per_second", .number(Double(report.stepTokens) / report.seconds)),
    ]
    line += (report.norms?.entries ?? []).map { ($0.name, .number($0.value)) }
    log?.append(step: report.step, line)
  }

  /// Writes the metrics line of an evaluation and notes whether it is the best so far.
  func append(evaluation metrics: ObjectiveMetrics, step: Int, epoch: Double, skipped: SkippedSteps) {
    var line: [(name: String, value: JSONValue)] = [("epoch", .number(epoch))]
    for entry in metrics.entries {
      line.append(("eval_\(entry.name)", .number(entry.value)))
      if let error = entry.standardError { line.append(("eval_\(entry.name)_stderr", .number(error))) }
    }
    log?.append(step: step, line)
    guard step > 0, let value = metrics[String(best.metric.name.dropFirst("eval_".count))] else { return }
    let found = BestModel.Evaluation(step: step, value: value)
    best.take(found, checkpoint: checkpoints.candidate(for: step))
    lastEvaluation = found
    checkpoints.spare(best, after: step, skipped)
  }

  /// Writes the model's answer to a held-out example.
  func append(_ sample: Sample, to tree: ExampleTree, step: Int, _ tokenizer: Tokenizer) {
    let completion = configuration.objective.exampleKind == .pair ? "chosen" : "completion"
    log?.append(
      sample: [
        ("step", .integer(Int64(step))), ("index", .integer(Int64(tree.index))),
        ("prompt", .string(tokenizer.decode(tree.prompt))),
        (completion, .string(TextStream.text(of: tree.completions[0], tokenizer))),
        ("answer", .string(TextStream.text(of: sample.ids, tokenizer))),
        ("finish_reason", .string(sample.finishReason.rawValue)),
      ])
  }

  /// Whether the held-out loss has not improved for the configured number of evaluations.
  var endsEarly: Bool { best.isExhausted(configuration.earlyStoppingPatience) }

  // MARK: Checkpoints

  /// The checkpoint from which a run that ends early can be resumed.
  var lastCheckpoint: String? { checkpoints.last }

  /// Writes a checkpoint.
  /// - Parameter isLastChance: whether this save is the last, so that a failure ends the run.
  /// - Returns: its path; nil when an undamaged one exists already, or when writing failed with a warning.
  /// - Throws: `SaveFailure`.
  func save(
    step: Int, epoch: Double, trainer: Trainer, _ form: PolicyForm, isLastChance: Bool
  ) throws -> String? {
    let state = state(step: step, epoch: epoch, trainer, bestBefore)
    return try checkpoints.save(state, isLastChance: isLastChance) { path in
      try Checkpoint.write(
        state, trainer.state, form, inference, to: path)
    }
  }

  /// Writes the partial work after the last saved state. Otherwise like the save of a checkpoint.
  func save(
    _ partial: PartialWork, _ sums: [UnsafeMutableBufferPointer<Int64>], epoch: Double, trainer: Trainer,
    isLastChance: Bool
  ) throws -> String? {
    let state = state(step: partial.base, epoch: epoch, trainer, partial.kind == .step ? best : bestBefore)
    return try checkpoints.save(partial, after: state, isLastChance: isLastChance) { path in
      try partial.write(sums, state, to: path)
    }
  }

  private func state(step: Int, epoch: Double, _ trainer: Trainer, _ best: BestModel) -> TrainerState {
    TrainerState(
      step: step, epoch: epoch, tokens: tokens, inputs: inputs, run: start.run, order: order, best: best,
      skipped: trainer.skipped, quarantine: start.quarantine)
  }

  /// Whether the evaluation after a step was the best so far, and its state is not saved as such.
  func lacksBest(of step: Int) -> Bool { best.evaluation?.step == step && best.checkpoint?.evaluation.step != step }

  /// Notes that the state of the best evaluation has just been saved.
  func takeBest(of step: Int, _ skipped: SkippedSteps) {
    guard let evaluation = best.evaluation, evaluation.step == step, let name = checkpoints.name(of: step) else {
      return
    }
    best.checkpoint = BestModel.Saved(evaluation: evaluation, name: name)
    checkpoints.spare(best, after: step, skipped)
  }

  /// Writes the final adapter and marks the run as finished in run.json.
  /// - Throws: `SaveFailure`; `TrainingError.bestIsLost`.
  func finish(
    _ trainer: Trainer, _ form: PolicyForm, step: Int, seconds: [PhaseSeconds]
  ) throws {
    // A start that was killed between a save and the removal of what that save outdates left it.
    checkpoints.tidy(after: step, trainer.skipped)
    let finalStep = configuration.endsWithBest ? try readBest(into: trainer, form, after: step) : step
    let ending = bestOfRun(step: step, finalStep: finalStep)
    do {
      // During the run others may have put files of these names there.
      try files.requireOwn(RunDirectory.finalNames)
      try files.writeFinal(trainer.state, form, inference) { hashes in
        record = RunRecord.claiming(record, adapter: hashes)
        try files.write(record: record)
      }
      try files.write(
        record: RunRecord.finished(
          record, best: ending, seconds: seconds, skippedSteps: trainer.skipped.count,
          failedSaves: checkpoints.failures, lostLines: log?.lostLines ?? 0))
    } catch {
      throw SaveFailure(step: step, count: 1, reason: "\(error)", last: checkpoints.last)
    }
    if configuration.endsWithBest { checkpoints.tidy(after: step, trainer.skipped, isOver: true) }
    if let loss = log?.loss { progress(.notice("warning: \(loss)")) }
    if let ending, configuration.evaluations != .never { progress(.best(ending)) }
  }

  /// Replaces the last state, which is saved, by the best one that is.
  /// - Returns: its step.
  private func readBest(into trainer: Trainer, _ form: PolicyForm, after step: Int) throws -> Int {
    guard let best = best.checkpoint else {
      progress(.notice("warning: no evaluation has a finite \(best.metric.name): the run ends with its last state"))
      return step
    }
    guard best.evaluation.step != step else { return step }
    let path = "\(files.path)/\(best.name)"
    do {
      _ = try Checkpoint.state(of: path)
      try Checkpoint.readValues(path, form, trainer.layout, into: trainer.values, of: trainer.policy)
      trainer.policy.parametersChanged()
    } catch {
      throw TrainingError.bestIsLost(path: path, reason: "\(error)")
    }
    return best.evaluation.step
  }

  /// The best evaluation, and the best of the states that the directory has now; nil without evaluations.
  private func bestOfRun(step: Int, finalStep: Int) -> BestOfRun? {
    guard let evaluation = best.evaluation else { return nil }
    var kept = best.checkpoint.flatMap { checkpoints.holds($0.name) ? $0 : nil }
    if !configuration.endsWithBest, let final = lastEvaluation, final.step == step, final.value.isFinite,
      kept.map({ best.metric.prefers(final.value, to: $0.evaluation.value) || $0.evaluation.step == step }) ?? true
    {
      kept = BestModel.Saved(evaluation: final, name: BestOfRun.finalName)
    }
    return BestOfRun(metric: best.metric, evaluation: evaluation, kept: kept, finalStep: finalStep)
  }
}
