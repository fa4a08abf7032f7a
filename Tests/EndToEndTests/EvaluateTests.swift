// Tests `shoal evaluate` and `shoal generate --file` from the user's side.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct EvaluateTests {
    private static let model = "\(Repository.path)/demo/model"

    private static let questions = (0..<24).map { place in
      """
      {"id": "q\(place)", "question": "What turns \(["first", "last", "never"][place % 3]) in shoal \(place)?", \
      "choices": {"text": ["the river", "a fish \(place)", "nobody", "the moon"], "label": ["A", "B", "C", "D"]}, \
      "answerKey": "\(["A", "B", "C", "D"][place % 4])"}

      """
    }.joined()
    private static let sums = (0..<8).map { place in
      """
      {"question": "\(place) fish and \(place + 1) fish are how many?", "answer": "They are.\\n#### \(2 * place + 1)"}

      """
    }.joined()

    private func evaluate(_ fixture: RunFixture, _ arguments: String..., on world: World = .alone) throws
      -> ProcessResult
    { try Job(world.launcher + ["evaluate", "--model", Self.model] + arguments, in: fixture).wait() }

    /// results.json without times.
    private static func lines(_ text: String) -> [Substring] {
      text.split(separator: "\n").filter {
        !$0.contains("\"date\":") && !$0.contains("\"total_evaluation_time_seconds\":")
      }
    }

    private func files() throws -> RunFixture {
      let fixture = try RunFixture()
      try fixture.write("arc.jsonl", Self.questions)
      try fixture.write("sums.jsonl", Self.sums)
      return fixture
    }

    @Test func `results are the same bytes on any number of ranks, and are as the harness has them`() throws {
      let fixture = try files()
      var texts: [[Substring]] = []
      var samples: [Data] = []
      for (place, world) in [World.alone, World(ranks: 2, threads: 1), World(ranks: 3, threads: 1)].enumerated() {
        let ending = try evaluate(
          fixture, "--task", "arc_challenge=arc.jsonl", "--task", "gsm8k=sums.jsonl", "--task",
          "preference=pairs.jsonl", "--num-fewshot", "2", "--out", "r\(place).json", "--samples", "s\(place)",
          on: world)
        #expect(ending.code == 0, "\(ending.errors)")
        texts.append(Self.lines(try fixture.text("r\(place).json")))
        samples.append(
          try fixture.bytes("s\(place)/samples_arc_challenge.jsonl") + fixture.bytes("s\(place)/samples_gsm8k.jsonl"))
      }
      #expect(texts[0] == texts[1] && texts[0] == texts[2] && texts[0].count > 100)
      #expect(samples[0] == samples[1] && samples[0] == samples[2])
      #expect(!FileManager.default.fileExists(atPath: fixture.path("r0.json.partial")))
      let results = try JSONValue.parse(try fixture.text("r0.json"))
      let arc = results["results"]?["arc_challenge"]
      #expect(arc?["acc,none"]?.double != nil && arc?["acc_stderr,none"]?.double != nil)
      #expect(results["n-samples"]?["gsm8k"]?["effective"]?.int == 8 && results["n-shot"]?["gsm8k"]?.int == 2)
      #expect(results["results"]?["preference"]?["ece,none"]?.double != nil)
      // The same numbers as `shoal score`.
      _ = try fixture.shoal("score", "--model", Self.model, "--data", "pairs.jsonl", "--out", "scores.jsonl")
      let margins = try fixture.text("scores.jsonl").split(separator: "\n").map { line in
        let value = try JSONValue.parse(String(line))
        return (value["chosen"]?["logp"]?.double ?? 0) - (value["rejected"]?["logp"]?.double ?? 0)
      }
      let mean = margins.reduce(0, +) / Double(margins.count)
      #expect(abs((results["results"]?["preference"]?["margin,none"]?.double ?? 0) - mean) < 1e-3)
    }

    @Test func `a command that was stopped or killed goes on`() throws {
      let fixture = try files()
      let arguments = ["--task", "gsm8k=sums.jsonl", "--num-fewshot", "3", "--out", "r.json"]
      _ = try evaluate(fixture, "--task", "gsm8k=sums.jsonl", "--num-fewshot", "3", "--out", "whole.json")
      var starts = 0
      for signal in [SIGUSR1, SIGTERM, SIGUSR1, SIGKILL] {
        let job = try Job([Job.program, "evaluate", "--model", Self.model] + arguments, in: fixture)
        // The third is stopped in the midst of the first answers.
        starts += 1
        try? job.wait {
          ((try? fixture.text("r.json.partial")) ?? "").split(separator: "\n").count > (starts == 3 ? 0 : 2)
        }
        job.send(signal)
        let ending = job.wait()
        // It may have been too fast.
        if FileManager.default.fileExists(atPath: fixture.path("r.json")) {
          try FileManager.default.removeItem(atPath: fixture.path("r.json"))
        } else {
          #expect(ending.isSignalled || ending.code == 75, "\(ending.code): \(ending.errors)")
        }
      }
      let ending = try evaluate(fixture, "--task", "gsm8k=sums.jsonl", "--num-fewshot", "3", "--out", "r.json")
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(Self.lines(try fixture.text("r.json")) == Self.lines(try fixture.text("whole.json")))
    }

    @Test func `programs run only when asked for`() throws {
      let fixture = try RunFixture()
      try fixture.write(
        "humaneval.jsonl",
        #"{"task_id": "T/0", "prompt": "def one():\n", "canonical_solution": "    return 1\n", "#
          + #""test": "def check(f):\n    assert f() == 1\n", "entry_point": "one"}"# + "\n")
      let refused = try evaluate(fixture, "--task", "humaneval=humaneval.jsonl", "--out", "r.json")
      #expect(refused.code == 64 && refused.errors.contains("--allow-code-execution"), "\(refused.errors)")
      let ending = try evaluate(
        fixture, "--task", "humaneval=humaneval.jsonl", "--out", "r.json", "--allow-code-execution")
      #expect(ending.code == 0, "\(ending.errors)")
      let results = try JSONValue.parse(try fixture.text("r.json"))
      #expect(results["results"]?["humaneval"]?["pass@1,create_test"]?.double == 0)
    }

    @Test func `given texts need no model`() throws {
      let fixture = try RunFixture()
      try fixture.write(
        "texts.jsonl",
        #"{"prediction": "the fish turns", "reference": "the fish turns"}"# + "\n"
          + #"{"prediction": "the moon", "reference": ["a stone", "the sea"]}"# + "\n")
      let encoder = Repository.fixture("bert/roberta")
      let ending = try fixture.shoal(
        "evaluate", "--task", "rouge=texts.jsonl", "--task", "bertscore=texts.jsonl", "--encoder", encoder, "--layer",
        "1", "--out", "r.json")
      #expect(ending.code == 0, "\(ending.errors)")
      let results = try JSONValue.parse(try fixture.text("r.json"))["results"]
      #expect(results?["rouge"]?["rouge1,none"]?.double == 0.75 && results?["rouge"]?["rouge2,none"]?.double == 0.5)
      #expect((results?["bertscore"]?["bertscore_f1,none"]?.double ?? 0) > 0)
    }

    @Test func `mistakes are told before the work`() throws {
      let fixture = try files()
      try fixture.write("own.yaml", "task: own\ndataset_path: json\nprocess_docs: !function utils.f\n")
      for (arguments, word) in [
        (["--task", "arc=arc.jsonl"], "arc_challenge"), (["--task", "arc_challenge"], "NAME=FILE"),
        (["--task", "gsm8k=arc.jsonl"], "answer"), (["--task", "arc_easy=none.jsonl"], "none.jsonl"),
        (["--task-file", "own.yaml"], "utils.f"), (["--task", "arc_easy=arc.jsonl", "--limit", "0"], "--limit"),
        (["--task", "bertscore=arc.jsonl"], "--encoder"),
        (["--task", "arc_easy=arc.jsonl", "--task", "arc_easy=arc.jsonl"], "twice"),
      ] {
        let ending = try Job(
          [Job.program, "evaluate", "--model", Self.model, "--out", "r.json"] + arguments, in: fixture
        ).wait()
        #expect(ending.code == 64 && ending.errors.contains(word), "\(arguments): \(ending.code) \(ending.errors)")
        #expect(try !fixture.names(".").contains { $0.hasPrefix("r.json") }, "\(arguments)")
      }
      let input = try evaluate(fixture, "--task", "arc_easy=arc.jsonl", "--out", "arc.jsonl", "--overwrite")
      #expect(try input.code == 64 && fixture.text("arc.jsonl") == Self.questions)
    }

    @Test func `a run and its checkpoints`() throws {
      let fixture = try files()
      #expect(try fixture.train(.alone, "max_steps=4", "save_steps=2").code == 0)
      let ending = try fixture.shoal(
        "evaluate", "run", "--checkpoints", "--task", "preference=pairs.jsonl", "--out", "r.json")
      #expect(ending.code == 0, "\(ending.errors)")
      let names = try fixture.names(".").filter { $0.hasPrefix("r.") }.sorted()
      #expect(names == ["r.checkpoint-2.json", "r.checkpoint-4.json", "r.json"])
      let texts = try names.map { try JSONValue.parse(try fixture.text($0))["results"] }
      #expect(texts[1] == texts[2] && texts[0] != texts[1])
    }

    @Test func `many prompts are answered as each is alone`() throws {
      let fixture = try RunFixture()
      let prompts = ["The sea?", "The sea turns because", "A fish.", "The sea?"]
      try fixture.write("prompts.jsonl", prompts.map { "{\"prompt\": \"\($0)\"}\n" }.joined())
      var outputs: [String] = []
      for (place, world) in [World.alone, World(ranks: 3, threads: 1)].enumerated() {
        let ending = try Job(
          world.launcher + [
            "generate", "--model", TinyFixture.path("model"), "--file", "prompts.jsonl", "--out", "a\(place).jsonl",
            "--max-new-tokens", "12",
          ], in: fixture
        ).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        outputs.append(try fixture.text("a\(place).jsonl"))
      }
      #expect(outputs[0] == outputs[1])
      let lines = try outputs[0].split(separator: "\n").map { try JSONValue.parse(String($0)) }
      #expect(lines.compactMap { $0["index"]?.int } == [0, 1, 2, 3] && lines[0]["ids"] == lines[3]["ids"])
      for (prompt, line) in zip(prompts, lines) {
        let alone = try fixture.shoal(
          "generate", "--model", TinyFixture.path("model"), "--prompt", prompt, "--max-new-tokens", "12", "--json")
        let answer = try JSONValue.parse(alone.output)
        #expect(line["ids"] == answer["ids"] && line["text"] == answer["text"])
      }
      try fixture.write("bad.jsonl", "{\"prompt\": \"a\"}\n{\"messages\": 3}\n")
      let bad = try fixture.shoal(
        "generate", "--model", TinyFixture.path("model"), "--file", "bad.jsonl", "--out", "b.jsonl")
      #expect(bad.code == 64 && bad.errors.contains("bad.jsonl") && bad.errors.contains("2"), "\(bad.errors)")
      #expect(try !fixture.names(".").contains { $0.hasPrefix("b.jsonl") })
    }
  }
}
