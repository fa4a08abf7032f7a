// The evaluation of one model: its tasks' requests, and the files of results.

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
  private let subject: EvaluationSubject
  private let world: any Communicator
  private let start = Date().timeIntervalSince1970

  private var inputs: [InputPath] {
    InferenceArguments.inputs(model: subject.model, adapter: subject.adapter) + arguments.dataFiles
  }

  /// What rank 0 prepares.
  private struct Tasks {
    var runs: [TaskRun] = []
    var groups: [TaskGroup] = []
    var settings = EvaluationSettings()
  }

  init(_ arguments: EvaluationArguments, _ subject: EvaluationSubject, world: any Communicator) {
    (self.arguments, self.subject, self.world) = (arguments, subject, world)
  }

  /// - Returns: the exit code.
  func run() throws -> Int32 {
    let output = try world.onCoordinator {
      try OutputTarget(file: subject.out, overwrites: arguments.overwrite, inputs: inputs)
    }
    guard let path = subject.model else {
      try world.agree { if let output { try judgeTexts(into: output) } }
      return 0
    }
    let opened = try world.agree {
      try OpenedModel(arguments.inference.request(path, adapter: subject.adapter))
    }
    let tasks = try world.onCoordinator { try prepare(opened) }
    let model = try LoadedModel(opened, threads: arguments.inference.threads, world: world, build: .running())
    return try InferenceJob(model, world: world, output: output, what: "evaluation").run { session in
      guard let tasks else { return "" }
      let stopIDs = try opened.prompting.generation(opened.configuration).stopIDs
      let evaluation = Evaluation(
        tasks.runs, try tokens(opened), stopIDs: stopIDs, tasks.settings, progress: Self.tell)
      let remarks = EvaluationReport.remarks(
        opened.prompting.tokenizer, maximumLength: opened.configuration.maximumPositions,
        template: try? opened.prompting.template(), tasks.settings)
      return try report(evaluation.outcomes(session), tasks.groups, remarks)
    }
  }

  private static func tell(_ progress: EvaluationProgress) {
    switch progress {
    case .prepared(let task, let documents, let requests):
      Console.print("\(task): \(documents) documents, \(requests) requests")
    case .scoring, .generating, .finished: break
    }
  }

  // MARK: Tasks

  private func prepare(_ model: OpenedModel) throws -> Tasks {
    for notice in try model.notices() { Console.print(notice) }
    let settings = try settings(model)
    var tasks = Tasks(settings: settings)
    for (name, file) in try arguments.tasks() {
      switch name {
      case "preference":
        let encoder = ExampleEncoder(
          tokenizer: model.prompting.tokenizer, template: model.prompting.dataTemplate, templateKey: "--chat-template")
        tasks.runs.append(
          try .preference(
            TaskDocuments(path: file), encoder, tokenizer: model.prompting.tokenizer, data: file, settings))
      case let name where TextMetricArguments.names.contains(name):
        tasks.runs.append(try texts(name, file, model, settings))
      default:
        let (runs, groups) = try BuiltInTasks.runs(name, data: file, shots: arguments.pool(of: name), settings)
        tasks.runs += runs
        tasks.groups += groups
      }
    }
    for path in arguments.taskFile {
      let file = try TaskFile(path: path)
      tasks.runs.append(try file.run(shots: arguments.pool(of: file.definition.name), settings))
    }
    var names: Set<String> = []
    for run in tasks.runs where !names.insert(run.name).inserted { throw RepeatedTask(name: run.name) }
    return tasks
  }

  private func texts(
    _ name: String, _ file: String, _ model: OpenedModel, _ settings: EvaluationSettings
  ) throws -> TaskRun {
    let metric = try arguments.texts.metric(name, threads: threads)
    let answers = try AnswerSettings(
      [.init("max_gen_toks", .integer(Int64(arguments.texts.maxNewTokens ?? 512))), .init("do_sample", false)],
      repeats: 1)
    let template = try? model.prompting.template()
    let chat = template.map { ChatRendering($0, .init(), model.prompting.tokenizer) }
    return try .texts(metric, TaskDocuments(path: file), answers: answers, chat: chat, data: file, settings)
  }

  private func settings(_ model: OpenedModel) throws -> EvaluationSettings {
    var settings = EvaluationSettings()
    (settings.shotCount, settings.limit, settings.seed) = (arguments.numFewshot, arguments.limit, arguments.seed)
    if arguments.applyChatTemplate {
      settings.chat = ChatRendering(
        try model.prompting.template(), .init(), model.prompting.tokenizer)
      settings.showsShotsAsTurns = arguments.fewshotAsMultiturn
    }
    if arguments.allowCodeExecution { settings.programRunner = try ContainedPython() }
    return settings
  }

  private func tokens(_ model: OpenedModel) throws -> RequestTokens {
    try RequestTokens(
      model.prompting.tokenizer, maximumLength: model.configuration.maximumPositions)
  }

  private func judgeTexts(into output: OutputTarget) throws {
    var settings = EvaluationSettings()
    settings.limit = arguments.limit
    let outcomes = try arguments.tasks().map { name, file in
      try TaskOutcome(
        TaskRun.texts(
          arguments.texts.metric(name, threads: threads), TaskDocuments(path: file), answers: nil, chat: nil,
          data: file,
          settings))
    }
    try output.write(report(outcomes, []))
  }

  /// Of what rank 0 does alone.
  private var threads: Int { arguments.inference.threads ?? ProcessorSet.boundCount }

  // MARK: Results

  private func report(
    _ outcomes: [TaskOutcome], _ groups: [TaskGroup], _ remarks: [JSONValue.Member] = []
  ) throws -> String {
    if let directory = arguments.samples { try write(outcomes, into: directory) }
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
    for outcome in outcomes { Console.print(Self.line(outcome)) }
    return report.text(date: start, seconds: Date().timeIntervalSince1970 - start)
  }

  private func write(_ outcomes: [TaskOutcome], into directory: String) throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    for outcome in outcomes {
      let target = try OutputTarget(
        file: "\(directory)/samples_\(outcome.name).jsonl", overwrites: arguments.overwrite,
        inputs: inputs)
      try target.write(EvaluationReport.samples(outcome))
    }
  }

  /// A task's metrics for people.
  private static func line(_ outcome: TaskOutcome) -> String {
    let metrics = outcome.metrics.map { metric in
      let error = metric.standardError.map { " ± \(digits($0))" } ?? ""
      return
        "\(metric.filter == "none" ? metric.name : "\(metric.name) (\(metric.filter))") \(digits(metric.value))\(error)"
    }
    return "\(outcome.name), \(outcome.shotCount) examples: \(metrics.joined(separator: ", "))"
  }

  private static func digits(_ number: Double) -> String { String(format: "%.4g", number) }
}

/// Two tasks of one name would share their results.
private struct RepeatedTask: UserError {
  let name: String

  var description: String { "the task \(name) is asked for twice: name it once, or give the other another name" }
}
