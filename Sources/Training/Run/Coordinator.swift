// Rank 0's exclusive part of a run: it holds the data and the references and writes all files.

import Checkpoints
import Collectives
import Corpus
import Model
import Runtime
import Tensors

/// Rank 0's part of a run.
package final class Coordinator {
  package let data: TrainingData
  let references: References
  /// What the tasks of evaluations ask for.
  let tasks: TaskRequests?
  let recorder: RunRecorder
  /// The data that all ranks need.
  package let setup: RunSetup
  let schedule: StepSchedule
  /// Messages for the user before the run starts.
  let notices: [String]
  private let configuration: RunConfiguration
  private let files: RunDirectory, progress: (RunProgress) -> Void

  /// Facts about a run that are known before its data are read.
  struct Inputs {
    let directory: ModelDirectory
    /// SHA-256 of the base's files.
    let baseHash: String
    /// The same, of the base in the form that is trained on.
    let modelHash: String
    let build: BuildIdentity
    let lock: DirectoryLock?
    let ranks, threads: Int
  }

  /// Reads the data and finds where the run starts. Writes nothing.
  /// - Throws: errors of the user: `CorpusError`, `TokenizerError`, `ContentError`, `FileError`, `RunRefusal`.
  init(
    _ configuration: RunConfiguration, _ request: RunRequest, _ inputs: Inputs,
    progress: @escaping (RunProgress) -> Void
  ) throws {
    (self.configuration, self.progress) = (configuration, progress)
    let model = inputs.directory.configuration
    let starting = try configuration.adapter.flatMap { _ in configuration.startingAdapterDirectory }.map {
      try AdapterDirectory($0, model: model)
    }
    if let starting { try configuration.requireStatedAdapter(starting) }
    try configuration.requireTrainedWeights(model)
    var data = try TrainingData(configuration, model: model, program: inputs.build.binary)
    tasks = try TaskRequests(configuration, data, model)
    try Self.requireMetric(configuration, data, tasks)
    let hashes = try Self.hashes(configuration, inputs, data, starting, tasks)
    files = RunDirectory(configuration.outputDirectory)
    let crashes = CrashReports(files, data: data.hash)
    let order = data.orderHash(configuration)
    var resumption = try Resumption(
      files, configuration: configuration, mode: request.resume, overwrites: request.overwrites, inputs: hashes,
      order: order, quarantine: request.overwrites ? Quarantine() : data.present(crashes.repeated))
    schedule = StepSchedule(
      configuration, examples: data.training.count, lengths: data.lengths,
      startsAfter: resumption.start.orderStartsAfter)
    try resumption.requireSteps(schedule)
    let fileNames = RunDirectory.fileNames(configuration, debugs: request.debugs)
    if !resumption.isFinished { try files.requireOwn(fileNames) }
    let start = resumption.start
    data.exclude(start.quarantine)
    self.data = data
    let referenceHash = configuration.refersToStartingAdapter ? hashes["lora_model_dir"].map { " \($0)" } : nil
    references = try References(
      configuration, data, schedule.plan, modelHash: inputs.modelHash + (referenceHash ?? ""))
    var demand = PassDemand()
    demand.includeSteps(schedule.plan, configuration.objective) { [data] in data.stepOutlines($0) }
    demand.includeScoring { [data, references, schedule] in
      references.forEachScoredTree(of: data, schedule.plan, $0)
    }
    setup = RunSetup(
      adapter: Self.adapter(configuration, starting), exampleCount: data.training.count,
      lengths: data.lengths, heldOutCount: data.heldOut.count, dataHash: data.hash, demand: demand,
      samples: SamplePlan(data.heldOut, count: configuration.sampleDocuments, context: model.maximumPositions),
      taskBytes: tasks?.byteCount(Self.adapter(configuration, starting), model, ranks: inputs.ranks) ?? 0,
      endIDs: data.endIDs, start: start, quarantinedPositions: data.quarantinedPositions.sorted(),
      startsFromFiles: start.checkpoint != nil || starting != nil, isFinished: resumption.isFinished)
    let record = RunRecord.json(
      configuration, build: inputs.build, inputs: hashes, data: data, schedule: schedule,
      quarantine: start.quarantine, trunk: resumption.trunk, ranks: inputs.ranks, threads: inputs.threads)
    let inference = Self.inferenceFiles(configuration, inputs, data)
    if !resumption.isFinished { try inference.requireReadable() }
    recorder = RunRecorder(
      configuration, resumption, files: files, lock: inputs.lock, inputs: hashes, order: order,
      overwrites: request.overwrites, fileNames: fileNames, schedule: schedule,
      inference: inference, skippedRecords: data.skipped, record: record, progress: progress)
    notices =
      resumption.notices
      + (request.overwrites ? [] : crashes.notices(start.quarantine, data, in: files))
      + Self.notices(configuration, data, demand, model, ranks: inputs.ranks)
      + PackingNotices.texts(configuration, data, schedule)
      + HeldOutNotices.texts(configuration, data, schedule)
      + (try Self.sampleNotices(configuration, model)) + (try Self.mismatches(configuration, inputs))
      + [Self.metricNotice(configuration, tasks)].compactMap(\.self)
  }

  private static func requireMetric(
    _ configuration: RunConfiguration, _ data: TrainingData, _ tasks: TaskRequests?
  ) throws {
    if configuration.comparesByTask, let tasks {
      let names = tasks.directions.keys.map { "eval_\($0)" }
      guard !names.contains(configuration.metricForBestModel) else { return }
      throw RunRefusal.taskMetricMissing(name: configuration.metricForBestModel, names: names.sorted())
    }
    let labels = Set(data.heldOut.map { $0.label ?? true })
    guard case .kto = configuration.objective, !labels.isEmpty else { return }
    let names = configuration.objective.evaluationMetricNames(labels: labels).map { "eval_\($0)" }
    guard names.contains(configuration.metricForBestModel) else {
      throw RunRefusal.metricMissing(name: configuration.metricForBestModel)
    }
  }

  /// SHA-256 of every input that the result depends on.
  private static func hashes(
    _ configuration: RunConfiguration, _ inputs: Inputs, _ data: TrainingData, _ starting: AdapterDirectory?,
    _ tasks: TaskRequests?
  ) throws -> [String: String] {
    var hashes = [
      "model": inputs.modelHash, "tokenizer": try ModelDirectory.tokenizerHash(directory: configuration.baseDirectory),
      "data": data.hash,
    ]
    if let starting { hashes["lora_model_dir"] = try starting.contentHash() }
    // Where the result depends on what evaluations find.
    if let tasks, configuration.comparesByTask, configuration.dependsOnEvaluations { hashes["eval_tasks"] = tasks.hash }
    return hashes
  }

  /// The starting adapter's configuration if there is one, otherwise the adapter of the run's configuration, if it has
  /// one.
  private static func adapter(
    _ configuration: RunConfiguration, _ starting: AdapterDirectory?
  ) -> AdapterConfiguration? {
    guard configuration.adapter != nil else { return nil }
    var adapter =
      starting?.configuration
      ?? AdapterConfiguration(
        rank: configuration.loraRank, alpha: configuration.loraAlpha, dropout: configuration.loraDropout,
        usesRankStabilizedScaling: configuration.usesRSLoRA,
        modules: configuration.loraTargetModules.compactMap(LinearModule.init(rawValue:)), baseModel: nil)
    if starting == nil {
      adapter.savedModules = configuration.savedModules
      adapter.form =
        configuration.usesDoRA ? .decomposed : configuration.initialisation.relativeStart == nil ? .plain : .relative
    }
    adapter.dropout = configuration.loraDropout
    adapter.baseModel = configuration.baseModel
    adapter.baseRevision = HubCache.isLookedFor(configuration.baseModel) ? configuration.baseRevision : nil
    return adapter
  }

  /// The files that say beside the adapter how it was trained.
  private static func inferenceFiles(
    _ configuration: RunConfiguration, _ inputs: Inputs, _ data: TrainingData
  ) -> InferenceFiles {
    InferenceFiles(
      base: configuration.baseDirectory,
      origin: AdapterOrigin(
        baseModel: configuration.baseModel, baseHash: inputs.baseHash, storage: configuration.weightStorage,
        prompts: data.areTexts ? .text : .chat, endOfSequence: data.tokenizer.endOfSequenceToken),
      template: data.promptTemplate, endIDs: data.endIDs)
  }

  // MARK: Where the run starts

  /// Fills the values from the checkpoint, or from `lora_model_dir`.
  /// - Returns: the checkpoint's moments.
  func readState(into trainer: Trainer, _ form: PolicyForm) throws -> Checkpoint.Moments? {
    guard let checkpoint = setup.start.checkpoint else {
      try readStartingAdapter(into: trainer.values, trainer.layout)
      return nil
    }
    try Checkpoint.readValues(checkpoint, form, trainer.layout, into: trainer.values, of: trainer.policy)
    return try Checkpoint.Moments(checkpoint, trainer.layout.parameters, count: trainer.moments.all.count)
  }

  /// Fills the sums from the partial work, if there is any.
  func readPartialWork(into sums: [UnsafeMutableBufferPointer<Int64>]) throws {
    if let partial = setup.start.partial { try PartialWork.read(files.path(of: partial), into: sums) }
  }

  /// Fills parameters from `lora_model_dir`.
  func readStartingAdapter(into values: Storage, _ layout: PolicyLayout) throws {
    guard let path = configuration.startingAdapterDirectory else { return }
    try AdapterDirectory(path, model: layout.configuration).fill(values, layout)
  }

  // MARK: Steps and evaluations

  /// The examples of a step, with their references if these are already known.
  /// - Throws: `DamagedExamples`.
  func stepExamples(_ positions: [Int]) throws -> [Trainer.StepExample] {
    try data.stepTrees(positions).map { Trainer.StepExample(tree: $0, reference: references.sums(ofStepTree: $0)) }
  }

  /// The report of a step.
  func report(
    step: Int, _ outcome: Trainer.StepOutcome, examples: [ExampleTree], norms: AdapterNorms?, seconds: Double,
    remainingSeconds: Double
  ) -> StepReport {
    let objective = configuration.objective
    let stepTokens = examples.reduce(0) { $0 + objective.trainedTree($1).tokenCount }
    return StepReport(
      step: step, totalSteps: schedule.totalSteps, epoch: schedule.plan.epoch(afterSteps: step),
      examples: examples.count,
      metrics: outcome.skip == nil ? objective.metrics(outcome.examples) : ObjectiveMetrics(), norms: norms,
      gradientNorm: outcome.gradientNorm, learningRate: outcome.learningRate, skip: outcome.skip,
      tokens: recorder.count(tokens: stepTokens), stepTokens: stepTokens, seconds: seconds,
      remainingSeconds: remainingSeconds)
  }

  /// Computes the held-out metrics after a step and writes them.
  /// - Parameter tasks: the metrics of tasks.
  func evaluate(
    _ sums: [[Double]], _ tasks: ObjectiveMetrics, step: Int, skipped: SkippedSteps
  ) throws -> ObjectiveMetrics {
    let objective = configuration.objective
    let examples = try zip(data.heldOut, sums).map { tree, sums in
      guard let reference = objective.usesReference ? references.sums(of: tree) : [] else { throw DamagedMessage() }
      return ExampleSums(tree, policy: sums, reference: reference)
    }
    let bad = zip(data.heldOut, examples).filter { !$1.isFinite }.map { $0.0.index }
    if !bad.isEmpty { progress(.notice("warning: step \(step): no finite log-probs of held-out \(recordList(bad))")) }
    let heldOut = examples.isEmpty ? ObjectiveMetrics() : objective.evaluationMetrics(examples)
    let metrics = heldOut + tasks
    let epoch = schedule.plan.epoch(afterSteps: step)
    recorder.append(evaluation: metrics, step: step, epoch: epoch, skipped: skipped)
    return metrics
  }

  /// Writes the model's answers and returns the text of the first.
  func write(_ samples: [Sample], step: Int) -> String? {
    for sample in samples { recorder.append(sample, to: data.heldOut[sample.place], step: step, data.tokenizer) }
    return samples.first.map { TextStream.text(of: $0.ids, data.tokenizer) }
  }
}
