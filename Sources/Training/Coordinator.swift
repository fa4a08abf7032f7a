// Rank 0's part of a run: data, references, files.

import Checkpoints
import Corpus
package import Model
import Tensors

/// What only the coordinating rank has.
package final class Coordinator {
  package let data: TrainingData
  package let adapterConfiguration: AdapterConfiguration
  package let setup: RunSetup
  package let start: RunStart
  /// Lines worth reading before the run.
  package private(set) var notices: [String] = []
  private let configuration: RunConfiguration
  private let files: RunDirectory
  private let model: ModelConfiguration
  private var record: JSONValue
  private let inputs: [String: String]
  /// Held for the life of the run; nil where nothing is written.
  private let lock: DirectoryLock?
  private let checkpoints: RunCheckpoints
  private let progress: (RunProgress) -> Void
  private var references: ReferenceCache
  /// Trees whose reference the run needs beforehand.
  private let referenceTrees: [ExampleTree]
  private var tokens: Int
  private var earlyStopping: EarlyStopping
  /// As it was before the evaluation after the last step: checkpoints are of before.
  private var earlyStoppingBefore: EarlyStopping
  private let overwrites: Bool
  private let damaged: [String]
  /// There once the run has begun.
  private var log: RunLog?

  /// Reads the data and finds where the run starts; writes nothing.
  /// - Throws: what the caller can mend: `CorpusError`, `TokenizerError`, `ContentError`, `FileError`, `RunRefusal`.
  init(
    _ configuration: RunConfiguration, request: RunRequest, directory: ModelDirectory, modelHash: String,
    build: BuildIdentity, lock: DirectoryLock?, ranks: Int, threads: Int,
    progress: @escaping (RunProgress) -> Void
  ) throws {
    (self.lock, self.progress) = (lock, progress)
    self.configuration = configuration
    model = directory.configuration
    overwrites = request.overwrites
    let startingAdapter = try configuration.startingAdapter.map {
      try AdapterDirectory($0, model: directory.configuration)
    }
    adapterConfiguration = try Self.adapter(configuration, starting: startingAdapter)
    var data = try TrainingData(configuration, model: directory.configuration)
    var inputs = [
      "model": modelHash, "tokenizer": try ModelDirectory.tokenizerHash(directory: configuration.baseModel),
      "data": data.hash,
    ]
    if let startingAdapter { inputs["lora_model_dir"] = try startingAdapter.contentHash() }
    self.inputs = inputs
    let referenceHash = configuration.refersToStartingAdapter ? inputs["lora_model_dir"].map { " \($0)" } : nil
    references = ReferenceCache(
      directory: configuration.referenceLogProbsCache ?? CacheDirectory.path.map { "\($0)/reference-logps" },
      modelHash: modelHash + (referenceHash ?? ""))
    files = RunDirectory(configuration.outputDirectory)
    let schedule = StepSchedule(configuration, examples: data.training.count)
    let crashes = CrashReports(files, data: data.hash)
    let resumption = try Resumption(
      files, configuration: configuration, request: request, inputs: inputs, totalSteps: schedule.totalSteps,
      quarantine: request.overwrites ? Quarantine() : crashes.repeated.limited(to: data))
    start = resumption.start
    notices = resumption.notices
    if !request.overwrites { notices += crashes.notices(start.quarantine, data, in: files) }
    data.exclude(start.quarantine)
    self.data = data
    var demand = PassDemand()
    demand.includeSteps(schedule.plan, configuration.objective) { [data] in data.stepTrees($0) }
    referenceTrees =
      configuration.objective.usesReference
      ? (configuration.precomputesReferenceLogProbs ? data.allTrees(of: schedule.plan) : []) + data.heldOut : []
    demand.includeScoring(referenceTrees + data.heldOut)
    tokens = resumption.start.tokens
    earlyStopping = resumption.start.earlyStopping
    earlyStoppingBefore = earlyStopping
    damaged = resumption.damaged
    checkpoints = RunCheckpoints(
      files, limit: configuration.saveTotalLimit, isAskedFor: schedule.saves(after:), last: start.checkpoint
    ) { progress(.notice($0)) }
    setup = RunSetup(
      exampleCount: data.training.count, heldOutCount: data.heldOut.count, demand: demand,
      samples: SamplePlan(data.heldOut, count: configuration.sampleDocuments, context: model.maximumPositions),
      startStep: start.step, partial: start.partial?.kind, skipped: start.skipped,
      quarantinedPositions: data.quarantinedPositions.sorted(),
      startsFromFiles: start.checkpoint != nil || startingAdapter != nil, isFinished: resumption.isFinished)
    record = RunRecord.json(
      configuration, build: build, inputs: inputs, data: data, schedule: schedule, quarantine: start.quarantine,
      ranks: ranks, threads: threads)
    addNotices(schedule, demand, ranks: ranks)
  }

  /// The adapter that the configuration describes, or the starting adapter's own where there is one.
  private static func adapter(
    _ configuration: RunConfiguration, starting: AdapterDirectory?
  ) throws -> AdapterConfiguration {
    if let starting {
      var adapter = starting.configuration
      adapter.dropout = configuration.loraDropout
      adapter.baseModel = configuration.baseModel
      return adapter
    }
    return AdapterConfiguration(
      rank: configuration.loraRank, alpha: Double(configuration.loraAlpha), dropout: configuration.loraDropout,
      usesRankStabilizedScaling: configuration.usesRSLoRA,
      modules: configuration.loraTargetModules.compactMap(LinearModule.init(rawValue:)),
      baseModel: configuration.baseModel)
  }

  private func addNotices(_ schedule: StepSchedule, _ demand: PassDemand, ranks: Int) {
    if !configuration.ignoredKeys.isEmpty {
      notices.append("accepted and without effect here: \(configuration.ignoredKeys.joined(separator: ", "))")
    }
    notices.append(data.report.description)
    if let report = data.heldOutReport { notices.append("held out: \(report.description)") }
    if demand.mostMicroBatches < ranks {
      notices.append(
        "\(ranks) ranks, but a step has at most \(demand.mostMicroBatches) micro-batch\(demand.mostMicroBatches == 1 ? "" : "es"): the others wait"
      )
    }
    if configuration.loraDropout > 0 {
      notices.append(
        "lora_dropout \(configuration.loraDropout) is active (axolotl's preference runs turn dropout off, as TRL's do)")
    }
    if configuration.startingAdapter != nil {
      notices.append("rank, alpha and targets are those of lora_model_dir")
    }
    if configuration.initialisation == .initB {
      notices.append("peft_init_lora_weights: init_b: A starts at zero and B is drawn, so at first A alone learns")
    }
  }

  // MARK: The run

  /// Tidies the directory up and writes what is run.
  /// - Throws: `WriteError`.
  func begin(resumingAt step: Int, memory: MemoryPlan, forecast: Forecast?) throws {
    record = RunRecord.planned(record, memory: memory, seconds: forecast?.json(startingAfter: step))
    if lock?.isExclusive == true { files.removeLeftovers() }
    if overwrites { try files.removeRun(keeping: start.checkpoint) }
    for path in damaged { try files.setAside(path) }
    try files.trimLines(toStep: step, withEvaluation: start.partial?.kind == .step)
    try files.write(configuration)
    try files.write(record: record)
    // The evaluation after a checkpoint follows it; the one before the first step counts as step 0.
    let evaluatesFirst = start.partial?.kind != .step
    let log = try RunLog(files, firstStep: evaluatesFirst ? step : step + 1) { [progress] in progress(.notice($0)) }
    if evaluatesFirst { log.repeatEvents(ofStep: step) }
    self.log = log
  }

  func readState(into adapter: Adapter, moments: Trainer.Moments) throws {
    if let checkpoint = start.checkpoint {
      try Checkpoint.read(checkpoint, into: adapter, moments: moments)
    } else {
      try readStartingAdapter(into: adapter)
    }
  }

  /// Fills the sums of what was under way.
  func readPartialWork(into sums: UnsafeMutableBufferPointer<Int64>) throws {
    if let partial = start.partial { try PartialWork.read(files.path(of: partial), into: sums) }
  }

  /// Fills an adapter from `lora_model_dir`.
  func readStartingAdapter(into adapter: Adapter) throws {
    guard let path = configuration.startingAdapter else { return }
    let starting = try Adapter(AdapterDirectory(path, model: model), model: model)
    adapter.weights.base.update(from: starting.weights.base, count: adapter.layout.count)
  }

  /// The examples of a step, with their references where they are known.
  func stepExamples(_ positions: [Int]) -> [Trainer.StepExample] {
    let knows = configuration.objective.usesReference && configuration.precomputesReferenceLogProbs
    return data.stepTrees(positions).map {
      Trainer.StepExample(tree: $0, reference: knows ? references.sums(of: $0) : nil)
    }
  }

  /// Trees whose reference is needed before the run and not in the cache; each content once.
  func treesWithoutReference() -> [ExampleTree] {
    var seen = Set<[UInt8]>()
    return referenceTrees.filter {
      references.sums(of: $0) == nil && seen.insert($0.contentDigest).inserted
    }
  }

  /// Keeps a portion's reference sums, on disk where that is possible.
  func insertReferences(_ sums: [[Double]], for trees: [ExampleTree]) {
    for (tree, sums) in zip(trees, sums) { references.insert(sums, for: tree) }
    // A cache that cannot be written costs time in the next run, nothing else.
    try? references.save()
  }

  func report(
    step: Int, _ outcome: Trainer.StepOutcome, examples: [ExampleTree], norms: AdapterNorms?, schedule: StepSchedule,
    seconds: Double, remainingSeconds: Double
  ) -> StepReport {
    let stepTokens = examples.reduce(0) { $0 + configuration.objective.trainedTree($1).tokenCount }
    tokens += stepTokens
    earlyStoppingBefore = earlyStopping
    return StepReport(
      step: step, totalSteps: schedule.totalSteps, epoch: schedule.plan.epoch(afterSteps: step),
      examples: examples.count,
      metrics: outcome.skip == nil ? configuration.objective.metrics(outcome.examples) : ObjectiveMetrics(),
      norms: norms,
      gradientNorm: outcome.gradientNorm, learningRate: outcome.learningRate, skip: outcome.skip, tokens: tokens,
      stepTokens: stepTokens, seconds: seconds, remainingSeconds: remainingSeconds)
  }

  func append(_ report: StepReport) {
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

  /// The held-out metrics of a step, written as those of training are.
  func evaluate(_ sums: [[Double]], step: Int, schedule: StepSchedule) throws -> ObjectiveMetrics {
    let objective = configuration.objective
    let examples = try zip(data.heldOut, sums).map { tree, sums in
      guard let reference = objective.usesReference ? references.sums(of: tree) : [] else { throw DamagedMessage() }
      return ExampleSums(tree, policy: sums, reference: reference)
    }
    let bad = zip(data.heldOut, examples).filter { !$1.isFinite }.map { $0.0.index }
    if !bad.isEmpty {
      progress(
        .notice("warning: step \(step): no finite log-probs of held-out \(recordList(bad))"))
    }
    let metrics = objective.evaluationMetrics(examples)
    var line: [(name: String, value: JSONValue)] = [
      ("epoch", .number(schedule.plan.epoch(afterSteps: step)))
    ]
    line += metrics.entries.map { ("eval_\($0.name)", .number($0.value)) }
    log?.append(step: step, line)
    if step > 0, let loss = metrics["loss"] { earlyStopping.take(loss) }
    return metrics
  }

  /// Writes what the model answered, and returns the first answer's text.
  func write(_ samples: [Sample], step: Int) -> String? {
    let tokenizer = data.tokenizer
    let kind = configuration.objective.exampleKind
    for sample in samples {
      let tree = data.heldOut[sample.place]
      log?.append(
        sample: [
          ("step", .integer(Int64(step))), ("index", .integer(Int64(tree.index))),
          ("prompt", .string(tokenizer.decode(tree.prompt))),
          (kind == .pair ? "chosen" : "completion", .string(TextStream.text(of: tree.completions[0], tokenizer))),
          ("answer", .string(TextStream.text(of: sample.ids, tokenizer))),
          ("finish_reason", .string(sample.finishReason.rawValue)),
        ])
    }
    return samples.first.map { TextStream.text(of: $0.ids, tokenizer) }
  }

  /// Whether the held-out loss has stood still for as long as the configuration allows.
  var endsEarly: Bool { earlyStopping.isExhausted(configuration.earlyStoppingPatience) }

  /// Writes a checkpoint.
  /// - Parameter isLastChance: whether no later save could make up for a failure.
  /// - Returns: its path; nil when it is there already, whole, or a warning has told why it is not.
  /// - Throws: `SaveFailure`.
  func save(
    step: Int, epoch: Double, trainer: Trainer, _ adapterConfiguration: AdapterConfiguration, isLastChance: Bool
  ) throws -> String? {
    let state = state(step: step, epoch: epoch, trainer, earlyStoppingBefore)
    return try checkpoints.save(state, isLastChance: isLastChance) { path in
      try Checkpoint.write(
        state, adapter: trainer.adapter, adapterConfiguration, moments: trainer.moments, to: path)
    }
  }

  /// Writes what is under way after the state that was saved last; otherwise the same.
  func save(
    _ partial: PartialWork, _ sums: UnsafeBufferPointer<Int64>, epoch: Double, trainer: Trainer, isLastChance: Bool
  ) throws -> String? {
    let state = state(
      step: partial.base, epoch: epoch, trainer, partial.kind == .step ? earlyStopping : earlyStoppingBefore)
    return try checkpoints.save(partial, after: state, isLastChance: isLastChance) { path in
      try partial.write(sums, state, to: path)
    }
  }

  private func state(step: Int, epoch: Double, _ trainer: Trainer, _ earlyStopping: EarlyStopping) -> TrainerState {
    TrainerState(
      step: step, epoch: epoch, tokens: tokens, inputs: inputs, run: start.run, earlyStopping: earlyStopping,
      skipped: trainer.skipped, quarantine: start.quarantine)
  }

  /// Where a run that ends early can be taken up.
  var lastCheckpoint: String? { checkpoints.last }

  /// Writes the final adapter and says in run.json that the run is done.
  /// - Throws: `SaveFailure`.
  func finish(
    _ trainer: Trainer, _ adapterConfiguration: AdapterConfiguration, step: Int, seconds: [PhaseSeconds]
  ) throws {
    do {
      try files.writeFinal(trainer.adapter, adapterConfiguration)
      try files.write(
        record: RunRecord.finished(
          record, adapter: files.finalHashes(), seconds: seconds, skippedSteps: trainer.skipped.count,
          failedSaves: checkpoints.failures, lostLines: log?.lostLines ?? 0))
    } catch {
      throw SaveFailure(step: step, count: 1, reason: "\(error)", last: checkpoints.last)
    }
    if let loss = log?.loss { progress(.notice("warning: \(loss)")) }
  }
}
