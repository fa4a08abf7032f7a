// Tasks that are evaluated together: their requests' texts, made for a model.

import Checkpoints
package import Corpus
package import Model
import Tensors

/// What prompts depend on of a model.
package struct TaskPrompting {
  package let tokenizer: Tokenizer
  /// Of chats.
  private let found: Result<ChatTemplate, any Error>
  /// The same for chats of data, which bring prefills of their own.
  let dataTemplate: ChatTemplate?

  package init(_ prompting: Prompting) {
    (tokenizer, dataTemplate) = (prompting.tokenizer, prompting.dataTemplate)
    found = Result { try prompting.template() }
  }

  /// - Parameter template: nil: the model has none.
  package init(_ tokenizer: Tokenizer, _ template: ChatTemplate?) {
    self.tokenizer = tokenizer
    dataTemplate = try? template?.withPrefill("")
    found = Result {
      guard let template else {
        throw EvaluationError(tokenizer.path, "there is no chat template; `chat_template` names one")
      }
      return template
    }
  }

  /// - Throws: if the model has no template, or a malformed one.
  package func template() throws -> ChatTemplate { try found.get() }

  /// The rendering of prompts as chats.
  /// - Throws: as `template`.
  package func chat() throws -> ChatRendering { ChatRendering(try template(), .init(), tokenizer) }
}

/// Tasks with their requests.
package struct TaskSet {
  package private(set) var runs: [TaskRun] = []
  package private(set) var groups: [TaskGroup] = []

  package init() {}

  /// Reads a task's documents and makes its requests.
  /// - Parameters:
  ///   - settings: of the evaluation; what the choice says goes before it.
  ///   - pool: the file that the examples of a task are drawn from, where the choice names none.
  ///   - metric: the metric of a task that compares texts, and the most tokens of an answer.
  /// - Throws: `EvaluationError`, `CorpusError`, `ParquetError`, what `metric` throws.
  package mutating func add(
    _ choice: TaskChoice, for prompting: TaskPrompting, _ settings: EvaluationSettings,
    pool: (_ task: String) -> String? = { _ in nil },
    metric: (String) throws -> (any TextMetric, maximumTokens: Int)
  ) throws {
    var settings = settings
    settings.shotCount = choice.shotCount ?? settings.shotCount
    settings.limit = choice.limit ?? settings.limit
    if choice.appliesChatTemplate { settings.chat = try prompting.chat() }
    if let problem = choice.problem { throw EvaluationError("tasks", problem) }
    switch choice.name {
    case "":
      guard let file = choice.file else { throw EvaluationError("tasks", "a task has neither a name nor a file") }
      let task = try TaskFile(path: file)
      runs.append(try task.run(shots: choice.shots ?? pool(task.definition.name), settings))
    case TaskRun.preferenceName:
      let encoder = ExampleEncoder(
        tokenizer: prompting.tokenizer, template: prompting.dataTemplate, templateKey: "--chat-template")
      runs.append(
        try .preference(
          TaskDocuments(path: choice.data), encoder, tokenizer: prompting.tokenizer, data: choice.data, settings))
    case let name where TaskChoice.textMetrics.contains(name):
      let (metric, maximumTokens) = try metric(name)
      let answers = try AnswerSettings(
        [.init("max_gen_toks", .integer(Int64(maximumTokens))), .init("do_sample", false)], repeats: 1)
      runs.append(
        try .texts(
          metric, TaskDocuments(path: choice.data), answers: answers, chat: try? prompting.chat(), data: choice.data,
          settings))
    default:
      let (runs, groups) = try BuiltInTasks.runs(
        choice.name, data: choice.data, shots: choice.shots ?? pool(choice.name), settings)
      self.runs += runs
      self.groups += groups
    }
    var names: Set<String> = []
    for run in runs where !names.insert(run.name).inserted { throw RepeatedTask(name: run.name) }
  }
}

/// Two tasks of one name would share their results.
private struct RepeatedTask: UserError {
  let name: String

  var description: String { "the task \(name) is asked for twice: name it once, or give the other another name" }
}
