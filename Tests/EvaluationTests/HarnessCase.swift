// A case of the fixture: a task, the number of examples, the kind of prompt, and what lm-eval makes of it.

import Checkpoints
import Corpus
import Evaluation
import Foundation
import TestSupport
import Testing

struct HarnessCase: CustomTestStringConvertible, Sendable {
  static let directory = Repository.fixture("lm_eval")
  static let all = load()
  static let definitions = (try? JSONValue.read(file: "\(directory)/tasks.json")) ?? .null

  let value: JSONValue

  private static func load() -> [HarnessCase] {
    let text = (try? String(contentsOfFile: "\(directory)/cases.jsonl", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { try? JSONValue.parse(String($0)) }.map(HarnessCase.init)
  }

  var task: String { value["task"]?.string ?? "" }
  var chat: String { value["chat"]?.string ?? "" }
  var expected: JSONValue { value["expected"] ?? .null }

  var testDescription: String {
    let others = (value.members ?? []).filter { $0.name != "task" && $0.name != "expected" }
    return ([task] + others.map { "\($0.name) \($0.value.serialized())" }).joined(separator: ", ")
  }

  static let tokenizer = Result { try Tokenizer(directory: Repository.fixture("tokenizer")) }

  func settings() throws -> EvaluationSettings {
    var settings = EvaluationSettings()
    settings.shotCount = value["shots"]?.int
    settings.limit = value["limit"]?.double
    settings.seed = value["fewshot_random_seed"]?.int ?? 1234
    settings.systemInstruction = value["system_instruction"]?.string
    settings.bootstraps = value["bootstrap_iters"]?.int ?? 0
    settings.programRunner = HashedRunner()
    if chat != "text" {
      let tokenizer = try Self.tokenizer.get()
      let template = try ChatTemplate(directory: Repository.fixture("tokenizer"), tokenizer: tokenizer)
      settings.chat = ChatRendering(template, .init(), tokenizer)
      settings.showsShotsAsTurns = chat == "turns"
    }
    return settings
  }

  /// The runs of the task: a built-in one, or one of the fixture's task files.
  func runs() throws -> [TaskRun] {
    let data = "\(Self.directory)/\(task).jsonl"
    let shots = value["pool"]?.bool == true ? "\(Self.directory)/\(task).pool.jsonl" : nil
    if var definition = Self.definitions["tasks"]?[task] {
      definition = .object([.init("task", .string(task))] + (definition.members ?? []))
      let directory = try TemporaryDirectory()
      try definition.serialized().write(toFile: "\(directory.path)/t.yaml", atomically: false, encoding: .utf8)
      return [try TaskFile(path: "\(directory.path)/t.yaml").run(data: data, shots: shots, settings())]
    }
    let name =
      task.hasPrefix("mmlu") ? task.hasSuffix("_continuation") ? "mmlu_continuation" : "mmlu" : task
    return try BuiltInTasks.runs(name, data: data, shots: shots, settings()).runs
  }
}
