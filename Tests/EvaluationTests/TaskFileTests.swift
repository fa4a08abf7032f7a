import Checkpoints
import Corpus
import Evaluation
import Foundation
import TestSupport
import Testing

struct TaskFileTests {
  private let directory: TemporaryDirectory

  private static let task = """
    task: own
    output_type: multiple_choice
    dataset_path: json
    dataset_kwargs:
      data_files: {test: data.jsonl}
    test_split: test
    doc_to_text: "Q: {{q}}"
    doc_to_choice: ["no", "yes"]
    doc_to_target: a
    metadata: {version: 1.0}

    """

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("data.jsonl", "{\"q\":\"x\",\"a\":1}\n{\"q\":\"y\",\"a\":0}\n")
  }

  private func refusal(_ yaml: String) -> String {
    do {
      _ = try TaskFile(path: directory.write("t.yaml", yaml)).run(EvaluationSettings())
      return "no refusal"
    } catch {
      return "\(error)"
    }
  }

  @Test func `a file is read, with what it includes`() throws {
    try directory.write("base", Self.task)
    let path = try directory.write(
      "t.yaml", "include: base\ntask: child\nnum_fewshot: 1\nfewshot_split: test\n")
    let run = try TaskFile(path: path).run(EvaluationSettings())
    #expect(run.name == "child")
    #expect(
      run.items[0].requests == [
        .likelihood(context: "Q: y no\n\nQ: x", continuation: " no"),
        .likelihood(context: "Q: y no\n\nQ: x", continuation: " yes"),
      ])
    #expect(run.configuration["num_fewshot"] == 1)
    #expect(run.configuration["dataset_kwargs"]?["data_files"]?["test"]?.string == directory.path("data.jsonl"))
  }

  @Test(arguments: [
    (
      "doc_to_text: !function utils.text\n",
      "t.yaml:1: !function names code of Python, which is not run: utils.text (line 1)"
    ),
    (task + "doc_to_imge: x\n", "t.yaml:11: doc_to_imge: a task has nothing of this name"),
    (task + "group: g\n", "groups of tasks are not read"), (task + "use_prompt: p\n", "promptsource is not read"),
    (task + "metric_list: [{metric: bleu}]\n", "the metric \"bleu\" is not built for multiple_choice"),
    (task + "metric_list: [{metric: acc, aggregation: best}]\n", "the aggregation \"best\" of acc is not built"),
    (task.replacing("\"no\"", with: "no"), "data.jsonl:1 (task own): the choices are not all texts"),
    (task + "output_type: chat\n", "expected one of multiple_choice"),
    (task + "filter_list: [{name: f, filter: [{function: custom}]}]\n", "the filter \"custom\" is not built"),
    (task + "fewshot_config: {sampler: best}\n", "expected the sampler default or first_n"),
    (task + "include: t.yaml\n", "it includes itself"), (task + "include: none.yaml\n", "none.yaml"),
    ("a: [1, 2\n", "not YAML that can be read"), ("- 1\n", "expected a task"),
    (task.replacing("{{q}}", with: "{{q"), "the tag has no end"),
  ])
  func `what cannot be is refused with its place`(yaml: String, reason: String) {
    let text = refusal(yaml)
    #expect(text.contains(reason), "\(text)")
  }

  @Test func `a bomb of aliases ends`() {
    var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1..<20 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      yaml += "a\(level): &a\(level) [\(aliases)]\n"
    }
    #expect(refusal(yaml).contains("more than 100000 values"))
    #expect(refusal(String(repeating: "[", count: 5000)).contains("not YAML"))
  }

  @Test func `documents that do not fit are named`() throws {
    try directory.write("data.jsonl", "{\"q\":\"x\",\"a\":1}\n{\"q\":\"y\",\"a\":\"?\"}\n{\"a\":\n")
    #expect(refusal(Self.task).contains("data.jsonl:3"))
    try directory.write("data.jsonl", "{\"q\":\"x\",\"a\":1}\n{\"p\":\"y\",\"a\":0}\n")
    let strict = refusal(Self.task.replacing("Q: {{q}}", with: "{{q.strip()}}"))
    #expect(strict.contains("data.jsonl:2 (task own)"), "\(strict)")
    try directory.write("data.jsonl", "{\"q\":\"x\",\"a\":1}\n")
    let few = refusal(Self.task + "num_fewshot: 3\nfewshot_split: test\n")
    #expect(few.contains("the prompt needs 4 documents to draw examples from, there are 1"), "\(few)")
  }
}
