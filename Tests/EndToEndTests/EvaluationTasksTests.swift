// Tests the tasks that evaluations of a training run make.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct EvaluationTasksTests {
    private func fixture() throws -> RunFixture {
      let fixture = try RunFixture()
      try fixture.write(
        "arc.jsonl",
        (0..<20).map { place in
          """
          {"id": "q\(place)", "question": "What turns in shoal \(place)?", "choices": {"text": ["the river", "a fish", \
          "nobody", "the moon \(place)"], "label": ["A", "B", "C", "D"]}, "answerKey": "\(["A", "B", "C", "D"][place % 4])"}

          """
        }.joined())
      try fixture.write(
        "sums.jsonl",
        (0..<6).map { "{\"question\": \"\($0) fish?\", \"answer\": \"They are.\\n#### \($0)\"}\n" }.joined())
      try fixture.write(
        "config.yaml",
        try fixture.text("config.yaml") + """

          eval_steps: 2
          max_steps: 6
          eval_tasks:
            - arc_easy=arc.jsonl
            - task: gsm8k
              path: sums.jsonl
              num_fewshot: 1
              limit: 4
            - preference=pairs.jsonl
          """)
      return fixture
    }

    private func evaluations(_ fixture: RunFixture, _ run: String) -> [JSONValue] {
      fixture.metrics(run).filter { $0["eval_arc_easy_acc"] != nil }
    }

    @Test func `tasks at evaluations are what evaluate finds, on any number of ranks, and change no weight`() throws {
      let fixture = try fixture()
      #expect(try fixture.train(.alone, "output_dir=plain", "eval_tasks=").code == 0)
      #expect(try fixture.train(.alone, "output_dir=one", "save_steps=2").code == 0)
      #expect(try fixture.train(World(ranks: 3, threads: 1), "output_dir=three").code == 0)
      #expect(try fixture.adapter("plain") == fixture.adapter("one"))
      #expect(try fixture.adapter("plain") == fixture.adapter("three"))
      let found = evaluations(fixture, "one")
      #expect(found == evaluations(fixture, "three"))
      #expect(found.compactMap { $0["step"]?.int } == [0, 2, 4, 6])
      let ending = try fixture.shoal(
        "evaluate", "one", "--checkpoints", "--task", "arc_easy=arc.jsonl", "--task", "preference=pairs.jsonl",
        "--base", "--out", "r.json")
      #expect(ending.code == 0, "\(ending.errors)")
      for (line, name) in zip(found, ["r.base.json", "r.checkpoint-2.json", "r.checkpoint-4.json", "r.json"]) {
        let results = try JSONValue.parse(try fixture.text(name))["results"]
        for (key, task, metric) in [
          ("eval_arc_easy_acc", "arc_easy", "acc,none"), ("eval_arc_easy_acc_stderr", "arc_easy", "acc_stderr,none"),
          ("eval_arc_easy_acc_norm", "arc_easy", "acc_norm,none"),
          ("eval_preference_margin", "preference", "margin,none"),
        ] {
          let value = try #require(results?[task]?[metric]?.double)
          #expect(line[key]?.double == value, "\(name) \(key)")
        }
        #expect(line["eval_gsm8k_exact_match_flexible-extract"]?.double != nil)
      }
      // A comparison of all of them, as a table.
      #expect(ending.output.contains("| task       | metric        | base"), "\(ending.output)")
      #expect(ending.output.split(separator: "\n").allSatisfy { $0.count { $0 == "|" } == 8 }, "\(ending.output)")
    }

    @Test func `evaluations of tasks alone are stopped, go on, and choose the best`() throws {
      let fixture = try fixture()
      let best = ["metric_for_best_model=preference_margin", "load_best_model_at_end=true", "save_steps=2"]
      func train(_ run: String) throws -> Job { try fixture.start(.alone, ["output_dir=\(run)"] + best) }
      #expect(try train("whole").wait().code == 0)
      let margins = evaluations(fixture, "whole").dropFirst().compactMap { $0["eval_preference_margin"]?.double }
      let record = try JSONValue.parse(try fixture.text("whole/run.json"))
      #expect(record["best"]?["value"]?.double == margins.max(), "\(margins) \(record["best"] ?? .null)")
      for _ in 0..<4 {
        let job = try train("cut")
        try? job.wait { job.toldSoFar.contains("plan: ") && evaluations(fixture, "cut").count > 1 }
        job.send(SIGUSR1)
        let ending = job.wait()
        #expect([0, 75].contains(ending.code), "\(ending.errors)")
      }
      #expect(try train("cut").wait().code == 0)
      #expect(try fixture.adapter("cut") == fixture.adapter("whole"))
      #expect(evaluations(fixture, "cut") == evaluations(fixture, "whole"))
    }

    @Test func `a diverged run tells that its tasks have no metrics`() throws {
      let fixture = try fixture()
      for tasks in ["[arc_easy=arc.jsonl]", "[gsm8k=sums.jsonl]"] {
        let ending = try fixture.train(
          World(ranks: 2, threads: 1), "eval_tasks=\(tasks)", "learning_rate=1e30", "max_grad_norm=0", "max_steps=2",
          "eval_steps=1", "output_dir=run\(tasks.count)")
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.errors.contains("step 1: no metrics of tasks"), "\(ending.errors)")
        #expect(fixture.metrics("run\(tasks.count)").filter { $0["eval_arc_easy_acc"] != nil }.count <= 1)
      }
    }

    @Test func `mistakes in tasks are told before the work`() throws {
      let fixture = try fixture()
      for (arguments, word) in [
        (["eval_tasks=[arc_easy=none.jsonl]"], "none.jsonl"), (["eval_tasks=[gsm8k=arc.jsonl]"], "answer"),
        (["metric_for_best_model=arc_easy_f1"], "eval_arc_easy_acc"),
        (["eval_tasks=[arc_easy=arc.jsonl, arc_easy=arc.jsonl]"], "twice"),
      ] {
        let ending = try fixture.start(.alone, ["output_dir=bad"] + arguments).wait()
        #expect(ending.code == 64 && ending.errors.contains(word), "\(arguments): \(ending.errors)")
        #expect(!FileManager.default.fileExists(atPath: fixture.path("bad/run.json")))
      }
    }
  }
}
