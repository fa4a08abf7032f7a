// The evaluation of one model: its tasks' requests, and the files of results.

import ArgumentParser
import Checkpoints
import Collectives
import Corpus
import Evaluation
import Foundation
import Model
import Runtime
import Tensors

/// One rank's part in an evaluation.
struct EvaluationJob {
  private let arguments: EvaluationArguments
  let subject: EvaluationSubject
  private let world: any Communicator
  private let output: OutputTarget?
  private let start = Date().timeIntervalSince1970
  private let inputs: [InputPath]
  /// On rank 0, when the model has answered.
  private(set) var outcomes: [TaskOutcome] = []
  /// Seconds that the evaluation was forecast to take.
  private(set) var plannedSeconds = 0.0
  /// The text of results, and who keeps the answers until it is written.
  private var report = ""
  private var asked: InferenceJob?

  /// What rank 0 prepares.
  private struct Preparation {
    var evaluation: Evaluation
    var groups: [TaskGroup]
    var remarks: [JSONValue.Member]
    /// Seconds of comparing texts.
    var comparing: Double
  }

  /// Checks where results go. Collective.
  /// - Parameter inputs: what is read, for this model and others.
  init(
    _ arguments: EvaluationArguments, _ subject: EvaluationSubject, inputs: [InputPath], world: any Communicator
  ) throws {
    (self.arguments, self.subject, self.inputs, self.world) = (arguments, subject, inputs, world)
    output =
      try world.onCoordinator { () throws -> OutputTarget? in
        guard !arguments.plan else { return nil }
        return try OutputTarget(file: subject.output(arguments.out), overwrites: arguments.overwrite, inputs: inputs)
      } ?? nil
  }

  /// Asks the model. Collective.
  /// - Returns: the exit code.
  mutating func run() throws -> Int32 {
    guard let path = subject.model else {
      try world.agree { if world.rank == 0 { try judgeTexts() } }
      return 0
    }
    let opened = try world.agree {
      try OpenedModel(arguments.inference.request(path, adapter: subject.adapter))
    }
    let preparation = try world.onCoordinator { try prepare(opened) }
    let model = try LoadedModel(opened, threads: arguments.inference.threads, world: world, build: .running())
    let job = try InferenceJob(model, world: world, output: output, what: "evaluation")
    let (code, found) = try job.ask { session in
      guard let preparation else { return (seconds: 0.0, outcomes: [TaskOutcome]()) }
      let evaluation = preparation.evaluation
      let forecast = try session.forecast(evaluation.likelihoods, evaluation.answers)
      job.tell(forecast, more: preparation.comparing, always: arguments.plan)
      return (forecast.seconds + preparation.comparing, arguments.plan ? [] : try evaluation.outcomes(session))
    }
    guard code == 0, let preparation, let found else { return code }
    (plannedSeconds, outcomes) = found
    guard !arguments.plan else { return 0 }
    (report, asked) = (report(preparation.groups, preparation.remarks), job)
    return 0
  }

  /// Writes the results. On rank 0.
  func finish() throws {
    guard !arguments.plan else { return }
    try writeSamples()
    if let asked { try asked.finish(report) } else { try output?.write(report) }
  }

  /// Prints the results. On rank 0.
  func tell() { for outcome in outcomes { Console.print(Self.line(outcome)) } }

  // MARK: Tasks

  private func prepare(_ model: OpenedModel) throws -> Preparation {
    for notice in try model.notices() { Console.print(notice) }
    let prompting = TaskPrompting(model.prompting)
    let settings = try settings(prompting)
    var tasks = TaskSet()
    var metrics: [any TextMetric] = []
    for choice in try arguments.tasks() {
      try tasks.add(choice, for: prompting, settings, pool: arguments.pool) { name in
        let metric = try arguments.texts.metric(name, threads: threads)
        metrics.append(metric)
        return (metric, arguments.texts.maxNewTokens ?? 512)
      }
    }
    for run in tasks.runs {
      Console.print("\(run.name): \(run.items.count) documents, \(run.requests.count) requests")
      try requireSamples(run.name)
      let strange = run.withoutRightChoice
      if let first = strange.first {
        Console.print(
          "\(run.name): of \(strange.count) documents the answer is none of the choices (the first: \(first.location)); "
            + "there every choice counts as wrong")
      }
    }
    let length = model.configuration.maximumPositions
    let evaluation = try Evaluation(
      tasks.runs, RequestTokens(prompting.tokenizer, maximumLength: length),
      stopIDs: model.prompting.generation(model.configuration).stopIDs, settings)
    for (name, count) in evaluation.cut.sorted(by: { $0.key < $1.key }) {
      Console.print(
        "\(name): \(count) of the prompts do not fit the model's \(length) positions and lose their beginnings")
    }
    let comparing = try metrics.reduce(0) { sum, metric in
      let texts = tasks.runs.first { $0.name == metric.name }?.items.map(\.references) ?? []
      return try sum + metric.seconds(references: texts)
    }
    return Preparation(
      evaluation: evaluation, groups: tasks.groups,
      remarks: EvaluationReport.remarks(
        prompting.tokenizer, maximumLength: length, template: try? prompting.template(), settings),
      comparing: comparing)
  }

  private func settings(_ prompting: TaskPrompting) throws -> EvaluationSettings {
    var settings = EvaluationSettings()
    (settings.shotCount, settings.limit, settings.seed) = (arguments.numFewshot, arguments.limit, arguments.seed)
    if arguments.applyChatTemplate {
      settings.chat = try prompting.chat()
      settings.showsShotsAsTurns = arguments.fewshotAsMultiturn
    }
    if arguments.allowCodeExecution { settings.programRunner = try ContainedPython() }
    return settings
  }

  private mutating func judgeTexts() throws {
    var settings = EvaluationSettings()
    settings.limit = arguments.limit
    outcomes = try arguments.tasks().map { task in
      try requireSamples(task.name)
      return try TaskOutcome(
        TaskRun.texts(
          arguments.texts.metric(task.name, threads: threads), TaskDocuments(path: task.data), answers: nil, chat: nil,
          data: task.data, settings))
    }
    report = report([], [])
  }

  /// Of what rank 0 does alone.
  private var threads: Int { arguments.inference.threads ?? ProcessorSet.boundCount }

  // MARK: Results

  private func report(_ groups: [TaskGroup], _ remarks: [JSONValue.Member]) -> String {
    let names = [
      subject.model.map { "pretrained=\($0)" }, subject.adapter.map { "peft=\($0)" },
    ].compactMap(\.self).joined(separator: ",")
    var report = EvaluationReport(
      outcomes, groups: groups,
      configuration: [
        .init("model", "shoal"), .init("model_args", .string(names)),
        .init("num_fewshot", arguments.numFewshot.map { .integer(Int64($0)) } ?? .null),
        .init("limit", arguments.limit.map(JSONValue.number) ?? .null),
        .init("fewshot_seed", .integer(Int64(arguments.seed))),
        .init("apply_chat_template", .bool(arguments.applyChatTemplate)),
      ])
    report.remarks = remarks
    return report.text(date: start, seconds: Date().timeIntervalSince1970 - start)
  }

  private var samplesDirectory: String? { arguments.plan ? nil : arguments.samples.map(subject.samples) }

  /// Where a task's samples go; nil: nowhere, or into a directory that is not there yet.
  private func samplesTarget(_ task: String) throws -> OutputTarget? {
    guard let directory = samplesDirectory, FileManager.default.fileExists(atPath: directory) else { return nil }
    return try OutputTarget(
      file: "\(directory)/samples_\(task).jsonl", overwrites: arguments.overwrite, inputs: inputs)
  }

  /// Requires, before any work, that a task's samples can be written.
  private func requireSamples(_ task: String) throws {
    guard let directory = samplesDirectory else { return }
    try OutputTarget.requireDirectory(directory, inputs: inputs)
    _ = try samplesTarget(task)
    let path = URL(fileURLWithPath: "\(directory)/samples_\(task).jsonl").standardizedFileURL
    if let output, URL(fileURLWithPath: output.path).standardizedFileURL == path {
      throw ValidationError("--out is \(output.path), where --samples puts the samples of \(task): name another file.")
    }
  }

  private func writeSamples() throws {
    guard let directory = samplesDirectory else { return }
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    for outcome in outcomes { try samplesTarget(outcome.name)?.write(EvaluationReport.samples(outcome)) }
  }

  /// A task's metrics for people.
  private static func line(_ outcome: TaskOutcome) -> String {
    let metrics = outcome.metrics.map { "\($0.title) \($0.text)" }
    return "\(outcome.name), \(outcome.shotCount) examples: \(metrics.joined(separator: ", "))"
  }
}
