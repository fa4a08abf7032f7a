// A frozen base in 4 bits through the program: the same promises as for a stored one.

import Checkpoints
import Foundation
import Testing

extension EndToEnd {
  @Suite struct QLoRATests {
    private static let base = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("demo/model").path
    private static let settings = [
      "base_model=\(base)", "adapter=qlora", "load_in_4bit=true", "num_epochs=1", "save_steps=2",
    ]

    @Test func `ranks and interruptions change nothing, and the base is quantised once`() throws {
      let place = try Workplace()
      func train(_ world: World, _ name: String, _ settings: [String] = Self.settings, cache: String = "cache") throws
        -> Ending
      {
        let ending = try place.start(
          world, settings + ["output_dir=\(name)"], environment: ["SHOAL_CACHE": place.path(cache)]
        ).wait()
        #expect(ending.code == 0, "\(world): \(ending.errors)")
        return ending
      }
      let made = try train(World(ranks: 3, threads: 1), "three")
      #expect(made.errors.contains("layers quantised"))
      let expected = try place.adapter("three")
      let found = try train(World(threads: 2), "first")
      #expect(!found.errors.contains("layers quantised"))
      #expect(try place.adapter("first") == expected)
      // Another cache: quantised again, by one thread, with live references.
      let live = Self.settings + ["precompute_ref_log_probs=false"]
      _ = try train(World(threads: 1), "live", live, cache: "other")
      #expect(try place.adapter("live") == expected)
      try place.copyRun("first", as: "again", upTo: "checkpoint-2")
      _ = try train(World(ranks: 2, threads: 1), "again")
      #expect(try place.adapter("again") == expected)
      #expect(place.metrics("first").first { $0["loss"] != nil }?["loss"]?.double == log(2))
      // The stored base is another model, with a reference of its own.
      _ = try train(World(threads: 1), "stored", Self.settings + ["adapter=lora", "load_in_4bit=false"])
      #expect(try place.adapter("stored") != expected)
      #expect(place.metrics("stored").first { $0["loss"] != nil }?["loss"]?.double == log(2))
    }

    @Test func `scores tell the two bases apart, and one merged model from the other`() throws {
      let place = try Workplace()
      let ending = try place.start(.alone, Self.settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      func scores(_ model: String, _ arguments: String...) throws -> [Double] {
        let out = place.path("scores-\(UUID().uuidString).jsonl")
        let job = try Job(
          [Job.program, "score", "--model", model, "--data", place.path("pairs.jsonl"), "--out", out] + arguments,
          in: place)
        let ending = job.wait()
        #expect(ending.code == 0, "\(ending.errors)")
        return try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").flatMap {
          let line = try JSONValue.parse(String($0))
          return ["chosen", "rejected"].compactMap { line[$0]?["logp"]?.double }
        }
      }
      func distance(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).map { abs($0 - $1) }.max() ?? 0 }
      let trained = try scores(Self.base, "--adapter", place.path("run"), "--load-in-4bit")
      for target in ["original", "dequantized"] {
        let export = try place.shoal(
          "export", "--model", Self.base, "--adapter", place.path("run"), "--format", "merged", "--merge-into", target,
          "--dtype", "f32", "--out", place.path(target))
        #expect(export.code == 0, "\(export.errors)")
      }
      #expect(trained.count == 26)
      #expect(distance(try scores(place.path("dequantized")), trained) < 1e-3)
      #expect(distance(try scores(place.path("original")), trained) > 0.1)
      #expect(
        distance(try scores(Self.base, "--adapter", place.path("run")), try scores(place.path("original"))) < 1e-3)
    }
  }
}
