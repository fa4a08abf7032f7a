// Large data are tokenised once and mapped: a run is the same, to the last bit, whether their examples come from the file
// or from the records.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct LargeDataTests {
    private let fixture: RunFixture
    private static let settings = [
      "dataset_prepared_path=prepared", "max_steps=6", "val_set_size=3", "eval_steps=3", "save_steps=2",
    ]

    /// Few examples of large records: a field that nobody reads makes them so.
    init() throws {
      fixture = try RunFixture()
      let padding = String(repeating: "x", count: 1 << 20)
      let lines = try fixture.text("pairs.jsonl").split(separator: "\n")
      try fixture.write("large.jsonl", lines.map { $0.dropLast() + ",\"notes\":\"\(padding)\"}\n" }.joined())
    }

    private func train(
      _ run: String, data: String = "large.jsonl", _ world: World = .alone, _ settings: [String] = [],
      environment: [String: String] = [:]
    ) throws -> ProcessResult {
      // References are computed anew, so that examples are read for them too.
      let own = ["SHOAL_CACHE": fixture.path("cache-\(run)")].merging(environment) { $1 }
      return try fixture.start(
        world, Self.settings + ["datasets.0.path=\(data)", "output_dir=\(run)"] + settings, environment: own
      ).wait()
    }

    private var files: [String] { (try? fixture.names("prepared")) ?? [] }

    @Test(arguments: ["dpo", "kto"]) func `a file changes no bit`(objective: String) throws {
      let settings = ["rl=\(objective)"] + (objective == "kto" ? ["metric_for_best_model=eval_loss"] : [])
      let plain = try train("plain", data: "pairs.jsonl", .alone, settings)
      #expect(plain.code == 0 && files.isEmpty, "\(plain.errors)")
      let first = try train("first", .alone, settings)
      #expect(first.code == 0 && files.count == 1, "\(first.errors)")
      let second = try train("second", World(ranks: 3), settings)
      #expect(second.code == 0 && files.count == 1, "\(second.errors)")
      let expected = try fixture.adapter("plain")
      #expect(try fixture.adapter("first") == expected && fixture.adapter("second") == expected)
      #expect(fixture.metrics("plain").map { $0["eval_loss"] } == fixture.metrics("second").map { $0["eval_loss"] })
    }

    @Test func `a run resumes from the other source of its examples`() throws {
      let whole = try train("whole")
      #expect(whole.code == 0, "\(whole.errors)")
      for (name, sources) in [("to", ["pairs.jsonl", "large.jsonl"]), ("from", ["large.jsonl", "pairs.jsonl"])] {
        try fixture.write("data.jsonl", try fixture.text(sources[0]))
        #expect(try train(name, data: "data.jsonl").code == 0)
        try fixture.copyRun(name, as: "\(name)-again", upTo: "checkpoint-2")
        try fixture.write("data.jsonl", try fixture.text(sources[1]))
        let resumed = try train("\(name)-again", data: "data.jsonl")
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(fixture.steps("\(name)-again").first == 3)
        #expect(try fixture.adapter("\(name)-again") == fixture.adapter("whole"))
      }
    }

    @Test func `damaged examples end the run, and the next start makes them again`() throws {
      #expect(try train("whole").code == 0)
      let name = try #require(files.first)
      try fixture.damage("prepared/\(name)") { _ in 9 }
      let ending = try train("run")
      #expect(ending.code == 1 && ending.errors.contains("have changed since they were written"), "\(ending.errors)")
      #expect(files.isEmpty)
      let again = try train("run")
      #expect(again.code == 0 && files == [name], "\(again.errors)")
      #expect(try fixture.adapter("run") == fixture.adapter("whole"))
    }

    @Test func `a full disk costs the file and nothing else`() throws {
      #expect(try train("whole", data: "pairs.jsonl").code == 0)
      for call in [1, 2, 3] {
        let run = "run-\(call)"
        let ending = try train(run, environment: FaultInjector.fullDisk(from: call, under: fixture.path("prepared")))
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.errors.contains("the examples stay in memory") && files.isEmpty, "\(files) \(ending.errors)")
        #expect(try fixture.adapter(run) == fixture.adapter("whole"))
      }
    }

    @Test func `scores are the same`() throws {
      func scores(_ data: String) throws -> String {
        let ending = try fixture.shoal(
          "score", "--model", TinyFixture.path("model"), "--data", data, "--out", "\(data).scores")
        #expect(ending.code == 0, "\(ending.errors)")
        return try fixture.text("\(data).scores")
      }
      let plain = try scores("pairs.jsonl")
      #expect(try scores("large.jsonl") == plain)
      #expect(try fixture.names("cache/examples").count == 1)
      #expect(plain.split(separator: "\n").count == RunFixture.pairs)
    }
  }
}
