// Tasks of an evaluation: lm-eval's task files, and the documents of the built-in tasks.

import Checkpoints
import Corpus
import Evaluation
import Foundation
import Model
import Runtime
import Tensors

extension FileParsers {
  /// The documents that task files are tried with.
  static let taskDocuments = """
    {"question":"Which floats?","choices":["lead","cork (A)","it's \\"gold\\""],"options":["red","grün","c"],"answer":1,\
    "label":"B","color":"grün","text":"The cat sat, 12.","word":"cat","answers":["cat","(B)"],"hint":"","n":1.5,\
    "target":"12","first":"a 12","second":"b","same":1}
    {"question":"Ties?\\n","choices":["same","same"],"options":["a","b"],"answer":0,"label":"A","color":"a",\
    "text":"[x] é 🙂","word":"é","answers":["[","{{"],"hint":"h","n":-3,"target":"The answer is 7.","first":"","second":"","same":0}
    {"question":" ","choices":["x","y"],"options":["x","z"],"answer":1,"label":2,"color":"x","text":"","word":"w",\
    "answers":["7"],"n":true,"first":"1","second":"1","same":true}

    """

  private static let base = "task: base\ntest_split: test\ndoc_to_text: \"{{question}}\"\ndoc_to_target: \"{{word}}\"\n"

  /// A task file, one that it includes, or one for chats, up to the first NUL; then the answers of the model.
  func taskFile(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, content) = split(bytes, among: 3) else { return }
    let parts = content.split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
    try write(choice == 1 ? parts[0] : Array(Self.base.utf8), "task/base.yaml")
    let child = Array("include: base.yaml\nmetadata: {version: 1}\n".utf8)
    try write(choice == 1 ? child : parts[0], "task/task.yaml")
    try refusingAsUser {
      let file = try TaskFile(path: path("task/task.yaml"))
      let settings = settings(shots: min(file.definition.shotCount ?? 0, 2), hasChat: choice == 2)
      // Files that are named are read where they are the task's own.
      let isOwn = !file.files.isEmpty && file.files.allSatisfy { $0.paths.allSatisfy { $0.hasPrefix(path("task/")) } }
      let run = try file.run(data: isOwn ? nil : path("task/documents.jsonl"), settings)
      let answers = parts.dropFirst().map { String(decoding: $0, as: UTF8.self) }
      try evaluate([run], answers: answers.isEmpty ? ["#### 12. The answer is (B)", "cat"] : answers, settings)
    }
  }

  /// Documents of a built-in task, or of one that compares them with texts or as pairs.
  func taskDocuments(_ bytes: UnsafeRawBufferPointer) throws {
    let count = BuiltInTasks.names.count + 2
    guard let (choice, content) = split(bytes, among: 3 * count) else { return }
    try write(content, "task/data.jsonl")
    let settings = settings(shots: choice >= count ? 1 : 0, hasChat: choice >= 2 * count)
    try refusingAsUser {
      var (runs, groups): ([TaskRun], [TaskGroup]) = ([], [])
      if choice % count < BuiltInTasks.names.count {
        let name = BuiltInTasks.names[choice % count]
        (runs, groups) = try BuiltInTasks.runs(name, data: path("task/data.jsonl"), settings)
      } else {
        let documents = try TaskDocuments(path: path("task/data.jsonl"))
        runs = [
          choice % count == count - 1
            ? try .preference(documents, encoder, tokenizer: tokenizer, data: "data", settings)
            : try .texts(
              EqualTexts(), documents, answers: try AnswerSettings([], repeats: 1),
              chat: ChatRendering(.qwen2, .init(), tokenizer), data: "data", settings)
        ]
      }
      try evaluate(runs, groups, answers: ["#### 12", "The answer is -7.", "    return x\n"], settings)
    }
  }

  private func settings(shots: Int, hasChat: Bool) -> EvaluationSettings {
    var settings = EvaluationSettings()
    (settings.shotCount, settings.bootstraps, settings.programRunner) = (shots, 20, FailingPrograms())
    if hasChat {
      settings.chat = ChatRendering(.qwen2, .init(), tokenizer)
      settings.systemInstruction = "Be brief."
    }
    return settings
  }

  /// What is refused is a user's mistake.
  private func refusingAsUser(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      precondition(error is any UserError, "\(type(of: error)) is no error of a user: \(error)")
      throw error
    }
  }

  /// The results with made-up responses. A real model would take long for what is left out here.
  private func evaluate(
    _ runs: [TaskRun], _ groups: [TaskGroup] = [], answers: [String], _ settings: EvaluationSettings
  ) throws {
    let requests = runs.flatMap(\.requests)
    guard requests.count <= 256, runs.allSatisfy({ ($0.answers?.repeats ?? 1) <= 64 }),
      requests.reduce(0, { $0 + $1.byteCount }) <= 1 << 18
    else { return }
    let tokens = try RequestTokens(tokenizer, maximumLength: 2048)
    let evaluation = Evaluation(runs, tokens, stopIDs: [], settings)
    let outcomes = try evaluation.outcomes(MadeUpModel(answers.prefix(16).map { tokenizer.encode($0) }))
    let report = EvaluationReport(outcomes, groups: groups).text(date: 0, seconds: 1)
    precondition((try? JSONValue.parse(Array(report.utf8), by: .data)) != nil, "the results are no JSON")
    for outcome in outcomes {
      _ = EvaluationReport.samples(outcome)
      for metric in outcome.metrics {
        let isShare = metric.name.hasPrefix("acc") || metric.name == "exact_match"
        precondition(!isShare || !(metric.value < 0 || metric.value > 1), "\(metric.key) is \(metric.value)")
        precondition(!metric.name.hasPrefix("pass@") || metric.value == 0, "a program passed")
      }
    }
  }
}

extension TaskRequest {
  fileprivate var byteCount: Int {
    switch self {
    case .likelihood(let context, let continuation): context.utf8.count + continuation.utf8.count
    case .rolling(let text), .answer(let text): text.utf8.count
    case .tokens(let context, let continuation, _): context.count + continuation.count
    }
  }
}

/// A model whose responses are made of ids: log-probs with infinities and NaNs, and given answers.
private final class MadeUpModel: Inference {
  private let answers: [[Int32]]

  init(_ answers: [[Int32]]) { self.answers = answers }

  func logLikelihoods(_ requests: [LikelihoodRequest]) -> [Likelihood] {
    requests.map { request in
      let values = request.continuation.map { id in
        id % 61 == 0 ? .nan : id % 31 == 0 ? -.infinity : -Double(id % 97) / 7
      }
      return Likelihood(tokens: values, isGreedy: request.continuation.count % 2 == 0)
    }
  }

  func generate(_ requests: [GenerationRequest]) -> [Answer] {
    requests.enumerated().map { place, request in
      let ids = answers[(place + request.prompt.count) % answers.count]
      return Answer(ids: Array(ids.prefix(request.options.maximumNewTokens)), finishReason: .stop)
    }
  }
}

/// No program passes.
private struct FailingPrograms: ProgramRunner {
  func run(_ programs: [String]) -> [ProgramOutcome] { programs.map { _ in .failed("by rule") } }
}

/// Compares texts byte by byte.
private struct EqualTexts: TextMetric {
  let name = "equal"
  let valueNames = ["exact_match"]

  func values(predictions: [String], references: [[String]]) -> [[Double]] {
    zip(predictions, references).map { [$1.contains($0) ? 1 : 0] }
  }
}
