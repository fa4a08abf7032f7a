// Packed samples: the same result on any ranks and after interruptions, and what a run says of its rows.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct PackingTests {
    /// Answers of some 10 to 60 tokens, several to a row.
    private static func fixture() throws -> RunFixture {
      let fixture = try RunFixture(pairs: 60)
      let answers = try fixture.text("pairs.jsonl").replacingOccurrences(of: "\"chosen\"", with: "\"completion\"")
      try fixture.write("answers.jsonl", answers)
      return fixture
    }

    private static let settings = [
      "rl=null", "datasets.0.path=answers.jsonl", "sequence_len=400", "sample_packing=true", "micro_batch_size=2",
      "gradient_accumulation_steps=2", "num_epochs=3",
    ]

    @Test func `ranks and interruptions change nothing`() throws {
      let fixture = try Self.fixture()
      func train(_ world: World, _ more: String...) throws -> ProcessResult {
        try fixture.start(world, Self.settings + more).wait()
      }
      let whole = try train(World(threads: 1), "output_dir=whole")
      try #require(whole.code == 0, "\(whole.errors)")
      for ranks in 2...3 {
        let ending = try train(World(ranks: ranks, threads: 1), "output_dir=run-\(ranks)")
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(try fixture.adapter("run-\(ranks)") == fixture.adapter("whole"))
      }
      // Stopped again and again, each time within a step, and resumed on other ranks.
      var (stops, isDone) = (0, false)
      for round in 0..<20 where !isDone {
        let job = try fixture.start(
          World(ranks: [nil, 2, 3][round % 3], threads: 1), Self.settings + ["save_minutes=0"])
        let before = fixture.steps().count
        try job.wait { !job.isRunning || job.toldSoFar.contains("plan: ") && fixture.steps().count > before }
        job.send(SIGUSR1)
        let ending = job.wait()
        #expect([0, 75].contains(ending.code), "\(ending.errors)")
        isDone = ending.code == 0
        if !isDone { stops += 1 }
      }
      #expect(isDone && stops >= 2)
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == fixture.steps("whole"))
    }

    @Test func `the plan and the run tell the rows`() throws {
      let fixture = try Self.fixture()
      let planned = try fixture.start(.alone, Self.settings + ["--plan"]).wait()
      try #require(planned.code == 0, "\(planned.errors)")
      let plan = try JSONValue.parse(planned.output)
      let packing = try #require(plan["sample_packing"])
      let (rows, tokens) = (
        try #require(packing["rows_per_epoch"]?.int), try #require(packing["tokens_per_epoch"]?.int)
      )
      #expect(plan["rows_per_step"]?.int == 4 && plan["examples_per_step"] == nil)
      #expect(packing["tokens_per_row"]?.int == 400)
      #expect(packing["fill"]?.double == Double(tokens) / Double(rows * 400))
      #expect(try #require(packing["fill"]?.double) > 0.8)
      let perEpoch = try #require(plan["steps_per_epoch"]?.int)
      #expect(perEpoch == (rows / 2 + 1) / 2)
      let total = try #require(plan["total_steps"]?.int)
      #expect(total == rows / 4 * 3)
      #expect(planned.errors.contains("sample_packing: 60 examples packed into \(rows) rows of 400 tokens, "))

      let run = try fixture.start(.alone, Self.settings).wait()
      #expect(run.code == 0, "\(run.errors)")
      #expect(fixture.steps() == Array(1...total))
      let record = try JSONValue.parse(fixture.text("run/run.json"))
      #expect(record["plan"]?["sample_packing"]?["rows_per_epoch"]?.int == rows)
    }

    @Test func `pieces of texts are packed too`() throws {
      let fixture = try Self.fixture()
      let texts = try fixture.text("pairs.jsonl").replacingOccurrences(of: "\"prompt\"", with: "\"text\"")
      try fixture.write("texts.jsonl", texts)
      let settings = [
        "rl=null", "datasets=[{path: texts.jsonl, type: completion}]", "sequence_len=100", "sample_packing=true",
        "flash_attention=true", "micro_batch_size=2", "bf16=true",
      ]
      let ending = try fixture.start(World(ranks: 2), settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(ending.errors.contains(" rows of 200 tokens, "), "\(ending.errors)")
      #expect(ending.errors.contains("a row is as long as micro_batch_size 2 of sequence_len"))
      #expect(ending.errors.contains("accepted and without effect here: bf16\n"))
      let plan = try JSONValue.parse(fixture.text("run/run.json"))["plan"]
      #expect(plan?["rows_per_step"]?.int == 1)
      #expect(try #require(plan?["sample_packing"]?["examples_per_epoch"]?.int) > 60, "long texts are divided")
    }

    @Test func `preference data are never packed`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, "output_dir=plain").code == 0)
      let ending = try fixture.train(.alone, "sample_packing=true")
      #expect(ending.code == 0 && ending.errors.contains("sample_packing (preference data are never packed)"))
      #expect(try fixture.adapter() == fixture.adapter("plain"))
    }
  }
}
