// What is evaluated, by what, and where the results go.

import ArgumentParser
import Checkpoints
import Evaluation
import Foundation
import Model

struct EvaluationArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp("Runs: each one's base and adapter, or its weights; several are compared.", valueName: "run"))
  var runs: [String] = []

  @Option(help: ArgumentHelp("The model: a directory, or a name of the hub that its cache has.", valueName: "dir"))
  var model: String?

  @Flag(help: "Evaluate each checkpoint of the run too, into OUT with checkpoint-N before its ending.")
  var checkpoints = false

  @Flag(help: "Evaluate the base of the runs too, and compare.")
  var base = false

  @Flag(help: "Tell how long it will take and how much memory, and stop there.")
  var plan = false

  @Option(help: ArgumentHelp("A task and its documents; may be given again.", valueName: "name=file"))
  var task: [String] = []

  @Option(help: ArgumentHelp("A task of lm-evaluation-harness, in YAML; may be given again.", valueName: "file"))
  var taskFile: [String] = []

  @Option(help: ArgumentHelp("The file of results.", valueName: "file"))
  var out: String

  @Option(
    help: ArgumentHelp("A directory for samples_TASK.jsonl: each document's requests and scores.", valueName: "dir"))
  var samples: String?

  @Flag(help: "Replace the files that --out and --samples name.")
  var overwrite = false

  @Option(help: ArgumentHelp("Examples in each prompt; by default as the task says.", valueName: "n"))
  var numFewshot: Int?

  @Option(
    help: ArgumentHelp(
      "Where examples are drawn from: a file for all tasks, or NAME=FILE for one; by default the task's own documents.",
      valueName: "file"))
  var fewshot: [String] = []

  @Option(help: ArgumentHelp("Only the first documents of each task, or below 1 that share of them.", valueName: "n"))
  var limit: Double?

  @Option(help: ArgumentHelp("Seed of the examples' draws and of sampled answers.", valueName: "n"))
  var seed = 1234

  @Flag(
    name: [.customLong("apply-chat-template"), .customLong("apply_chat_template")],
    help: "Render prompts as chats of the model's template.")
  var applyChatTemplate = false

  @Flag(
    name: [.customLong("fewshot-as-multiturn"), .customLong("fewshot_as_multiturn")], inversion: .prefixedNo,
    help: "In chats, examples are turns of their own; so they are by default.")
  var fewshotAsMultiturn: Bool?

  @Flag(help: "Run the programs that the model writes, contained by the kernel (humaneval).")
  var allowCodeExecution = false

  @OptionGroup var texts: TextMetricArguments

  @OptionGroup var inference: InferenceArguments

  func validate() throws {
    guard !task.isEmpty || !taskFile.isEmpty else { throw ValidationError("Give --task or --task-file.") }
    _ = try tasks()
    if !runs.isEmpty, model != nil || inference.adapter != nil {
      throw ValidationError("A run brings its model: it goes without --model and --adapter.")
    }
    if runs.isEmpty {
      if checkpoints { throw ValidationError("--checkpoints goes with a run.") }
      if base { throw ValidationError("--base goes with runs; --model alone is the base.") }
    }
    if model == nil, runs.isEmpty {
      if plan { throw ValidationError("--plan goes with a model or a run.") }
      let others = try tasks().map(\.name).filter { !TaskChoice.textMetrics.contains($0) }
      guard others.isEmpty, taskFile.isEmpty else {
        throw ValidationError("Give --model, or a run: only rouge and bertscore judge given texts.")
      }
      if inference.adapter != nil { throw ValidationError("--adapter goes with --model.") }
    }
    if let numFewshot, !(0...10_000 ~= numFewshot) {
      throw ValidationError("--num-fewshot is \(numFewshot), expected 0 to 10000.")
    }
    if let limit, !(limit > 0) { throw ValidationError("--limit is \(limit), expected a number above 0.") }
    if fewshotAsMultiturn != nil, !applyChatTemplate {
      throw ValidationError("--fewshot-as-multiturn goes with --apply-chat-template.")
    }
    try texts.validate(tasks: tasks().map(\.name))
    if taskFile.isEmpty {
      let names = try tasks().map(\.name)
      for name in fewshot.compactMap({ Self.pool($0).name }) where !names.contains(name) {
        throw ValidationError("--fewshot names the task \(name), which --task does not.")
      }
      let rendersChats =
        applyChatTemplate || names.contains { ([TaskRun.preferenceName] + TaskChoice.textMetrics).contains($0) }
      if !rendersChats, inference.chat.choice.template != nil || inference.chat.choice.system != nil {
        throw ValidationError(
          "--chat-template and --system go with --apply-chat-template: these tasks' prompts are texts.")
      }
    }
  }

  /// The tasks. `pool` says what their examples are drawn from.
  func tasks() throws -> [TaskChoice] {
    var choices = try task.map { text in
      guard let choice = TaskChoice(text) else {
        throw ValidationError("--task is \"\(text)\", expected NAME=FILE.")
      }
      if let problem = choice.problem { throw ValidationError("--task: \(problem).") }
      return choice
    }
    for file in taskFile {
      var choice = TaskChoice()
      choice.file = file
      choices.append(choice)
    }
    return choices
  }

  /// The files of tasks, which no output may be.
  var dataFiles: [InputPath] {
    ((try? tasks()) ?? []).filter { !$0.name.isEmpty }.map { InputPath($0.data, "--task") }
      + taskFile.map { InputPath($0, "--task-file") }
      + fewshot.map { InputPath(Self.pool($0).file, "--fewshot") }
  }

  /// `[NAME=]FILE`.
  static func pool(_ text: String) -> (name: String?, file: String) {
    guard let separator = text.firstIndex(of: "="), !FileManager.default.fileExists(atPath: text) else {
      return (nil, text)
    }
    return (String(text[..<separator]), String(text[text.index(after: separator)...]))
  }

  /// The file that a task's examples are drawn from.
  func pool(of task: String) -> String? {
    let pools = fewshot.map(Self.pool)
    return pools.last { $0.name == task }?.file ?? pools.last { $0.name == nil }?.file
  }
}
