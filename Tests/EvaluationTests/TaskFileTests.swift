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
    (task + "fewshot_config: first_n\n", "fewshot_config: expected a mapping"),
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

  @Test(arguments: [
    ("repeats: 1000000\n", "repeats: expected a whole number up to 1000"),
    ("metric_list: [{metric: acc}, {metric: acc}]\n", "metric_list: acc is there twice"),
    ("filter_list: [{name: f, filter: []}, {name: f, filter: []}]\n", "filter_list: f is there twice"),
    ("output_type: generate_until\ngeneration_kwargs: {temperature: .inf}\n", "sampling needs a temperature above 0"),
    (
      "output_type: generate_until\ngeneration_kwargs: {temperature: 1, top_p: -1}\n",
      "top_p is a number from 0 to 1"
    ),
    (
      "doc_to_choice: \"[{% for i in range(2000) %}'a',{% endfor %}]\"\n",
      "data.jsonl:1 (task own): there are 2000 choices, more than 1024"
    ),
    (
      "doc_to_choice: \"[{% for i in range(1000) %}'a',{% endfor %}]\"\ndescription: \"{{ 'x' * 100000 }}\"\n",
      "more than 67108864"
    ),
    (
      "doc_to_text: '0'\ndoc_to_choice: \"[{% for i in range(1000) %}'a',{% endfor %}]\"\n"
        + "description: \"{{ 'x' * 10000000 }}\"\n", "the document's prompts have 10000001000 bytes"
    ),
    (
      "num_fewshot: 9\nfewshot_config: {samples: [a, a, a, a, a, a, a, a, a, a], doc_to_text: \"{{ 'x' * 10000000 }}\", "
        + "doc_to_target: 0}\n", "the document's prompts have 70000"
    ),
  ])
  func `time and memory are bounded`(yaml: String, reason: String) {
    let names = yaml.split(separator: "\n").map { "\($0.prefix { $0 != ":" }):" }
    let kept = Self.task.split(separator: "\n").filter { line in !names.contains { line.hasPrefix($0) } }
    let text = refusal(kept.joined(separator: "\n") + "\n" + yaml)
    #expect(text.contains(reason), "\(text.prefix(300))")
  }

  @Test func `large files are refused soon`() {
    let names = (0..<49_000).map { "name\($0): 0\n" }.joined()
    let seconds = processorSeconds { #expect(refusal(names).contains("a task has nothing of this name")) }
    #expect(seconds < boundedSeconds)
    // Not cut at the limit.
    #expect(refusal(Self.task + String(repeating: "# long\n", count: 1 << 20)).contains("more than 4194304"))
  }

  @Test func `fields that others lack are bounded`() throws {
    let records = (0..<6000).map { "{\"field\($0)\": 1}\n" }.joined()
    try directory.write("data.jsonl", records)
    #expect(refusal(Self.task).contains("the 6000 documents have 6000 fields together, and lack 35994000 of them"))
    let wide = "{" + (0..<60_000).map { "\"f\($0)\":1" }.joined(separator: ",") + "}\n"
    try directory.write("data.jsonl", wide + "{\"f7\":2,\"q\":\"x\",\"a\":1}\n")
    let documents = try TaskDocuments(path: directory.path("data.jsonl"))
    #expect(documents.fields.count == 60_002 && documents.documents[1].value["f7"] == 2)
  }

  @Test func `patterns that are ignored have one limit`() throws {
    let text = String(repeating: "a", count: 500)
    func match(_ count: Int) throws -> ExactMatch {
      let patterns = [JSONValue](repeating: "(?:(?:a?){100}){100}b", count: count)
      return try ExactMatch([.init("regexes_to_ignore", .array(patterns))])
    }
    #expect(try match(1).holds(text, text))
    #expect(throws: DocumentProblem("regexes_to_ignore: a pattern takes too long to search for")) {
      try match(4).holds(text, text)
    }
  }

  @Test func `a number below 0 is no choice`() {
    let likelihoods = [-1.0, -2].map { TextLikelihood(sum: $0, isGreedy: true, tokenCount: 1) }
    for gold in [-5, -1, 2] as [JSONValue] {
      let metrics = ChoiceMetrics(choices: ["a", "b"], gold: gold, hasSeveralTargets: false)
      #expect(metrics.values(likelihoods, ["exact_match", "acc"]).map(\.value) == [.number(0), .integer(0)])
    }
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
