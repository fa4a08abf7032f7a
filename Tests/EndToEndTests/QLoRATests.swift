// A frozen 4-bit base through the program: the same guarantees as for a stored base.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct QLoRATests {
    private static let base = "\(Repository.path)/demo/model"
    private static let settings = [
      "base_model=\(base)", "adapter=qlora", "load_in_4bit=true", "num_epochs=1", "save_steps=2",
    ]

    @Test func `ranks and interruptions change nothing, and the base is quantised once`() throws {
      let fixture = try RunFixture()
      func train(_ world: World, _ name: String, _ settings: [String] = Self.settings, cache: String = "cache") throws
        -> ProcessResult
      {
        let ending = try fixture.start(
          world, settings + ["output_dir=\(name)"], environment: ["SHOAL_CACHE": fixture.path(cache)]
        ).wait()
        #expect(ending.code == 0, "\(world): \(ending.errors)")
        return ending
      }
      let made = try train(World(ranks: 3, threads: 1), "three")
      #expect(made.errors.contains("layers quantised"))
      let expected = try fixture.adapter("three")
      let found = try train(World(threads: 2), "first")
      #expect(!found.errors.contains("layers quantised"))
      #expect(try fixture.adapter("first") == expected)
      // With another cache: quantised again, by one thread, with live references.
      let live = Self.settings + ["precompute_ref_log_probs=false"]
      _ = try train(World(threads: 1), "live", live, cache: "other")
      #expect(try fixture.adapter("live") == expected)
      try fixture.copyRun("first", as: "again", upTo: "checkpoint-2")
      _ = try train(World(ranks: 2, threads: 1), "again")
      #expect(try fixture.adapter("again") == expected)
      #expect(fixture.metrics("first").first { $0["loss"] != nil }?["loss"]?.double == log(2))
      // The stored base is a different model and has its own reference.
      _ = try train(World(threads: 1), "stored", Self.settings + ["adapter=lora", "load_in_4bit=false"])
      #expect(try fixture.adapter("stored") != expected)
      #expect(fixture.metrics("stored").first { $0["loss"] != nil }?["loss"]?.double == log(2))
    }

    @Test func `scores tell the two bases apart, and one merged model from the other`() throws {
      let fixture = try RunFixture()
      let ending = try fixture.start(.alone, Self.settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      func scores(_ model: String, _ arguments: String...) throws -> [Double] {
        let out = fixture.path("scores-\(UUID().uuidString).jsonl")
        let job = try Job(
          [Job.program, "score", "--model", model, "--data", fixture.path("pairs.jsonl"), "--out", out] + arguments,
          in: fixture)
        let ending = job.wait()
        #expect(ending.code == 0, "\(ending.errors)")
        return try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").flatMap {
          let line = try JSONValue.parse(String($0))
          return ["chosen", "rejected"].compactMap { line[$0]?["logp"]?.double }
        }
      }
      func distance(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).map { abs($0 - $1) }.max() ?? 0 }
      // In 4 bits, as it was trained.
      let trained = try scores(Self.base, "--adapter", fixture.path("run"))
      #expect(try scores(Self.base, "--adapter", fixture.path("run"), "--load-in-4bit") == trained)
      for target in ["original", "dequantized"] {
        let export = try fixture.shoal(
          "export", "--model", Self.base, "--adapter", fixture.path("run"), "--format", "merged", "--merge-into",
          target, "--dtype", "f32", "--out", fixture.path(target))
        #expect(export.code == 0, "\(export.errors)")
      }
      #expect(trained.count == 26)
      #expect(distance(try scores(fixture.path("dequantized")), trained) < 1e-3)
      #expect(distance(try scores(fixture.path("original")), trained) > 0.1)
      #expect(
        distance(
          try scores(Self.base, "--adapter", fixture.path("run"), "--no-load-in-4bit"),
          try scores(fixture.path("original"))) < 1e-3)

      let asked = ["--model", Self.base, "--adapter", fixture.path("run")]
      func errors(_ arguments: [String]) throws -> String {
        let ending = try Job([Job.program] + arguments + asked, in: fixture).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        return ending.errors
      }
      let generate = ["generate", "--prompt", "a", "--max-new-tokens", "1"]
      #expect(try !errors(generate).contains("warning"))
      let warning = "was trained on a base in 4 bits (NF4), but"
      #expect(try errors(generate + ["--no-load-in-4bit"]).contains(warning))
      let export = ["export", "--format", "merged", "--out"]
      #expect(try errors(export + [fixture.path("usual")]).contains("is merged into the original weights"))
      #expect(try errors(export + [fixture.path("asked"), "--merge-into", "original"]).contains(warning))
    }
  }
}
