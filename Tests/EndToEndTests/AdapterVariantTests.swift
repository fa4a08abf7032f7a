// Adapters that are more than plain LoRA, through the program: the same guarantees.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct AdapterVariantTests {
    private static let variants = [
      "peft_init_lora_weights=pissa", "peft_init_lora_weights=pissa_niter_4", "peft_init_lora_weights=olora",
      "peft_use_dora=true",
    ]

    @Test(arguments: variants) func `ranks, threads and interruptions change nothing`(_ variant: String) throws {
      let fixture = try RunFixture()
      func train(_ world: World, _ name: String, _ settings: String...) throws {
        let ending = try fixture.start(
          world, [variant, "save_steps=2", "output_dir=\(name)"] + settings,
          environment: ["SHOAL_CACHE": fixture.path("cache-\(name)")]
        ).wait()
        #expect(ending.code == 0, "\(world): \(ending.errors)")
      }
      try train(World(threads: 1), "first")
      let expected = try fixture.adapter("first")
      try train(World(threads: 2), "threads")
      try train(World(ranks: 3, threads: 1), "ranks")
      try train(World(ranks: 2, threads: 1), "recomputed", "gradient_checkpointing=true")
      for name in ["threads", "ranks", "recomputed"] { #expect(try fixture.adapter(name) == expected, "\(name)") }
      // Goes on from a checkpoint, which is an adapter for the base as it is.
      try fixture.copyRun("first", as: "again", upTo: "checkpoint-2")
      try train(World(ranks: 2, threads: 1), "again")
      #expect(try fixture.adapter("again") == expected)
      // Without dropout the policy starts at the reference, which is the base as it is.
      try train(World(threads: 2), "undropped", "lora_dropout=0", "max_steps=1")
      let loss = try #require(fixture.metrics("undropped").first { $0["loss"] != nil }?["loss"]?.double)
      #expect(abs(loss - log(2)) < 1e-4)
      let relative = fixture.metrics("first").compactMap { $0["norm/BA_relative"]?.double }
      #expect(relative.count == 6 && relative.allSatisfy { $0 >= 0 && $0 < 0.2 })
      #expect(relative.first.map { $0 < relative[5] } == true)
    }

    @Test(arguments: [(variants[0], 8, 16.0), (variants[3], 4, 8.0)])
    func `what is written is an adapter like any other`(variant: String, rank: Int, alpha: Double) throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, variant, "max_steps=3", "save_steps=2").code == 0)
      for directory in ["run", "run/checkpoint-2"] {
        let json = try JSONValue.parse(fixture.text("\(directory)/adapter_config.json"))
        #expect(json["r"]?.int == rank && json["lora_alpha"]?.double == alpha && json["init_lora_weights"] == true)
      }
      func scores(_ arguments: String...) throws -> [Double] {
        let out = fixture.path("scores-\(UUID().uuidString).jsonl")
        let job = try Job(
          [Job.program, "score", "--data", fixture.path("pairs.jsonl"), "--out", out] + arguments, in: fixture)
        let ending = job.wait()
        #expect(ending.code == 0, "\(ending.errors)")
        return try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").flatMap {
          let line = try JSONValue.parse(String($0))
          return ["chosen", "rejected"].compactMap { line[$0]?["logp"]?.double }
        }
      }
      let base = TinyFixture.path("model")
      let merged = try fixture.shoal(
        "export", "--model", base, "--adapter", fixture.path("run"), "--format", "merged", "--dtype", "f32", "--out",
        "merged")
      #expect(merged.code == 0, "\(merged.errors)")
      let adapted = try scores("--model", base, "--adapter", fixture.path("run"))
      #expect(zip(adapted, try scores("--model", fixture.path("merged"))).allSatisfy { abs($0 - $1) < 2e-3 })
      #expect(zip(adapted, try scores("--model", base)).contains { abs($0 - $1) > 1e-2 })
      // An adapter to start from, of its own rank.
      let next = try fixture.train(
        .alone, "lora_model_dir=run", "lora_r=\(rank)", "lora_alpha=\(alpha)", "max_steps=1", "output_dir=next")
      #expect(next.code == 0, "\(next.errors)")
    }

    @Test func `derivatives agree with differences, and a base in 4 bits has its own norms`() throws {
      let fixture = try RunFixture()
      let checked = try fixture.train(
        .alone, Self.variants[3], "--debug", "--check-gradients", "lora_dropout=0", "max_steps=1", "output_dir=checked")
      #expect(checked.code == 0, "\(checked.errors)")
      for variant in Self.variants {
        let ending = try fixture.train(
          World(ranks: 2, threads: 1), variant, "base_model=\(Repository.path)/demo/model", "adapter=qlora",
          "lora_dropout=0", "max_steps=1", "output_dir=four-bits")
        #expect(ending.code == 0, "\(ending.errors)")
        let loss = try #require(fixture.metrics("four-bits").first { $0["loss"] != nil }?["loss"]?.double)
        #expect(abs(loss - log(2)) < 1e-3)
        try FileManager.default.removeItem(atPath: fixture.path("four-bits"))
      }
    }
  }
}
