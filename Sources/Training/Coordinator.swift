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
  private var references: ReferenceCache
  private var tokens: Int
  private let overwrites: Bool
  private let damagedSteps: [Int]
  /// TensorBoard's copy of metrics.jsonl; there once the run has begun.
  private var events: EventFile?

  /// Reads the data and finds where the run starts; writes nothing.
  /// - Throws: what the caller can mend: `CorpusError`, `TokenizerError`, `ContentError`, `FileError`, `RunRefusal`.
  init(
    _ configuration: RunConfiguration, request: RunRequest, directory: ModelDirectory, modelHash: String,
    build: BuildIdentity, ranks: Int, threads: Int
  ) throws {
    self.configuration = configuration
    model = directory.configuration
    overwrites = request.overwrites
    let startingAdapter = try configuration.startingAdapter.map {
      try AdapterDirectory($0, model: directory.configuration)
    }
    adapterConfiguration = try Self.adapter(configuration, starting: startingAdapter)
    data = try TrainingData(configuration, model: directory.configuration)
    var inputs = [
      "model": modelHash, "tokenizer": try ModelDirectory.tokenizerHash(directory: configuration.baseModel),
      "data": data.hash,
    ]
    if let startingAdapter { inputs["lora_model_dir"] = try startingAdapter.contentHash() }
    self.inputs = inputs
    references = ReferenceCache(
      directory: configuration.referenceLogProbsCache ?? CacheDirectory.path.map { "\($0)/reference-logps" },
      modelHash: modelHash)
    files = RunDirectory(configuration.outputDirectory)
    let schedule = StepSchedule(configuration, examples: data.training.count)
    var demand = PassDemand()
    demand.includeSteps(schedule.plan, data.training)
    demand.includeScoring(data.training + data.heldOut)
    let resumption = try Resumption(
      files, configuration: configuration, request: request, inputs: inputs, totalSteps: schedule.totalSteps)
    notices = resumption.notices
    start = resumption.start
    tokens = resumption.start.tokens
    damagedSteps = resumption.damagedSteps
    setup = RunSetup(
      exampleCount: data.training.count, heldOutCount: data.heldOut.count, demand: demand, startStep: start.step,
      startsFromFiles: start.step > 0 || startingAdapter != nil, isFinished: resumption.isFinished)
    record = RunRecord.json(
      configuration, build: build, inputs: inputs, data: data, schedule: schedule, ranks: ranks, threads: threads)
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
        "\(ranks) ranks, but a step has at most \(demand.mostMicroBatches) micro-batches: the others wait")
    }
    if configuration.loraDropout > 0 {
      notices.append("lora_dropout \(configuration.loraDropout) is active (TRL's DPO trainer turns it off)")
    }
    if configuration.startingAdapter != nil {
      notices.append("rank, alpha and targets are those of lora_model_dir")
    }
  }

  // MARK: The run

  /// Makes the directory and writes what is run.
  /// - Throws: `WriteError`.
  func begin(resumingAt step: Int, memory: MemoryPlan, forecast: Forecast?) throws {
    record = RunRecord.planned(record, memory: memory, seconds: forecast?.json(startingAfter: step))
    try files.create()
    if overwrites { try files.removeRun(keeping: start.checkpoint) }
    for step in damagedSteps { try files.setAside(step: step) }
    try files.trimMetrics(toStep: step == 0 ? -1 : step)
    try files.write(configuration)
    try files.write(record: record)
    // The evaluation before the first step counts as step 0.
    events = try files.eventFile(firstStep: step == 0 ? 0 : step + 1)
  }

  func readState(into adapter: Adapter, moments: Trainer.Moments) throws {
    if let checkpoint = start.checkpoint {
      try Checkpoint.read(checkpoint, into: adapter, moments: moments)
    } else if let path = configuration.startingAdapter {
      let starting = try Adapter(AdapterDirectory(path, model: model), model: model)
      adapter.weights.base.update(from: starting.weights.base, count: adapter.layout.count)
    }
  }

  /// The examples of a step, with their references where they are known.
  func stepExamples(_ positions: [Int]) -> [Trainer.StepExample] {
    positions.map {
      let tree = data.training[$0]
      return Trainer.StepExample(
        tree: tree, reference: configuration.precomputesReferenceLogProbs ? references.sums(of: tree) : nil)
    }
  }

  /// Trees whose reference is needed before the run and not in the cache; each content once.
  func treesWithoutReference() -> [ExampleTree] {
    var seen = Set<[UInt8]>()
    return ((configuration.precomputesReferenceLogProbs ? data.training : []) + data.heldOut).filter {
      references.sums(of: $0) == nil && seen.insert($0.contentDigest).inserted
    }
  }

  /// Keeps a portion's reference sums, on disk where that is possible.
  /// - Throws: `TrainingError.notFinite` when the model itself yields no number.
  func insertReferences(_ sums: [[Double]], for trees: [ExampleTree]) throws {
    for (tree, sums) in zip(trees, sums) {
      guard sums.allSatisfy(\.isFinite) else { throw TrainingError.notFinite(step: 0, examples: [tree.index]) }
      references.insert(sums, for: tree)
    }
    // A cache that cannot be written costs time in the next run, nothing else.
    try? references.save()
  }

  func report(
    step: Int, _ outcome: Trainer.StepOutcome, examples: [ExampleTree], trainer: Trainer, schedule: StepSchedule,
    seconds: Double, remainingSeconds: Double
  ) -> StepReport {
    let stepTokens = examples.reduce(0) { $0 + $1.tokenCount }
    tokens += stepTokens
    return StepReport(
      step: step, totalSteps: schedule.totalSteps, epoch: schedule.plan.epoch(afterSteps: step),
      metrics: trainer.metrics(policy: outcome.policy, reference: outcome.reference, trees: examples),
      gradientNorm: outcome.gradientNorm, learningRate: outcome.learningRate, tokens: tokens, stepTokens: stepTokens,
      seconds: seconds, remainingSeconds: remainingSeconds)
  }

  func append(_ report: StepReport) throws {
    var line: [(name: String, value: JSONValue)] = [("epoch", .number(report.epoch))]
    line += report.metrics.values.map { ($0.name, .number($0.value)) }
    line += [
      ("grad_norm", .number(report.gradientNorm)), ("learning_rate", .number(report.learningRate)),
      ("num_tokens", .integer(Int64(report.tokens))), ("step_seconds", .number(report.seconds)),
      ("pairs_per_second", .number(Double(report.metrics.pairs) / report.seconds)),
      ("tokens_per_second", .number(Double(report.stepTokens) / report.seconds)),
    ]
    try append(step: report.step, line)
  }

  /// Adds a line to metrics.jsonl and the same numbers to the event file.
  private func append(step: Int, _ line: [(name: String, value: JSONValue)]) throws {
    try files.append(metrics: [("step", .integer(Int64(step)))] + line)
    try events?.append(step: step, line.compactMap { entry in entry.value.double.map { (entry.name, $0) } })
  }

  /// The held-out metrics of a step, written as those of training are.
  func evaluate(_ sums: [[Double]], step: Int, trainer: Trainer, schedule: StepSchedule) throws -> PreferenceMetrics {
    func pair(_ sums: [Double]) -> DPO.Pair { DPO.Pair(chosen: sums[0], rejected: sums[1]) }
    let known = try data.heldOut.map { tree in
      guard let sums = references.sums(of: tree) else { throw DamagedMessage() }
      return pair(sums)
    }
    let metrics = trainer.metrics(policy: sums.map(pair), reference: known, trees: data.heldOut)
    var line: [(name: String, value: JSONValue)] = [
      ("epoch", .number(schedule.plan.epoch(afterSteps: step)))
    ]
    line += metrics.values.map { ("eval_\($0.name)", .number($0.value)) }
    line.append(("eval_logps/accuracies", .number(metrics.logProbabilityAccuracy)))
    try append(step: step, line)
    return metrics
  }

  /// Writes a checkpoint; nil when it is there already, whole.
  func save(
    step: Int, epoch: Double, adapter: Adapter, _ adapterConfiguration: AdapterConfiguration, moments: Trainer.Moments
  ) throws -> String? {
    let path = files.checkpointPath(step: step)
    let state = TrainerState(step: step, epoch: epoch, tokens: tokens, inputs: inputs)
    if HubFiles.exists(path) {
      // Left by the same run, which went on from an older one: the same bytes, unless they were damaged since.
      if let found = try? Checkpoint.state(of: path), found == state { return nil }
      try files.setAside(step: step)
    }
    try Checkpoint.write(state, adapter: adapter, adapterConfiguration, moments: moments, to: path)
    if let limit = configuration.saveTotalLimit { try files.prune(keeping: limit, upTo: step) }
    return path
  }

  /// Writes the final adapter and says in run.json that the run is done.
  func finish(_ adapter: Adapter, _ adapterConfiguration: AdapterConfiguration, seconds: [PhaseSeconds]) throws {
    try files.writeFinal(adapter, adapterConfiguration)
    try files.write(record: RunRecord.finished(record, seconds: seconds))
  }
}
