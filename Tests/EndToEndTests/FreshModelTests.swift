// Runs that start from random weights.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct FreshModelTests {
    /// The tiny model without its weights, and full fine-tuning of it.
    private static func fixture() throws -> RunFixture {
      let fixture = try RunFixture()
      let base = try fixture.copy("model", as: "fresh")
      try FileManager.default.removeItem(atPath: "\(base)/model.safetensors")
      let kept = try fixture.text("config.yaml").split(separator: "\n").filter { line in
        !["adapter", "lora", "base_model"].contains { line.hasPrefix($0) }
      }
      try fixture.write(
        "config.yaml", kept.joined(separator: "\n") + "\nbase_model: fresh\nrandom_init: true\nsave_dtype: f32\n")
      return fixture
    }

    @Test func `a model is trained from nothing`() throws {
      let fixture = try Self.fixture()
      let one = try fixture.train(World(threads: 2))
      #expect(one.code == 0, "\(one.errors)")
      // The reference is the model at its start.
      let first = try #require(fixture.metrics().first { $0["loss"] != nil })
      #expect(abs(try #require(first["loss"]?.double) - log(2)) < 1e-5)
      let two = try fixture.train(World(ranks: 2, threads: 1), "output_dir=two")
      #expect(two.code == 0, "\(two.errors)")
      let model = try fixture.bytes("run/model.safetensors")
      #expect(try fixture.bytes("two/model.safetensors") == model)
      let other = try fixture.train(World(threads: 2), "output_dir=other", "seed=7")
      #expect(other.code == 0)
      #expect(try fixture.bytes("other/model.safetensors") != model)
      // What it ends with is a model like any other.
      let scored = try fixture.shoal(
        "score", "--model", "run", "--data", "pairs.jsonl", "--out", "scores.jsonl")
      #expect(scored.code == 0, "\(scored.errors)")
      let exported = try fixture.shoal(
        "export", "--model", "run", "--format", "merged", "--out", "merged", "--dtype", "bf16")
      #expect(exported.code == 0, "\(exported.errors)")
    }

    @Test func `what a fresh model cannot be`() throws {
      let fixture = try Self.fixture()
      func refusal(_ arguments: String..., says text: String) throws {
        let refused = try fixture.start(.alone, arguments).wait()
        #expect(refused.code == 64 && refused.errors.contains(text), "\(refused.errors)")
      }
      try refusal("adapter=lora", says: "`random_init: true` is for full fine-tuning, found `adapter: lora`")
      try refusal("base_model=\(TinyFixture.path("model"))", says: "has weights (model.safetensors)")
      try refusal("random_init=false", says: "`random_init: true` trains a model without")
      #expect(!fixture.exists("run"))
    }
  }
}
