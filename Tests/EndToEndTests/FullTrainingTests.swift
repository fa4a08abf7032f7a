// Full fine-tuning through the program: what a run writes, and what it takes.

import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct FullTrainingTests {
    /// Larger than the blocks that are never divided, so that every rank has a part of the optimizer's state.
    private static let large = ["adapter=", "base_model=\(Repository.path)/demo/model", "max_steps=4", "save_steps=2"]

    @Test func `ranks divide the optimizer's state and change nothing`() throws {
      let fixture = try RunFixture()
      func train(_ world: World, _ name: String, _ environment: [String: String] = [:]) throws -> ProcessResult {
        try fixture.start(world, Self.large + ["output_dir=\(name)"], environment: environment).wait()
      }
      #expect(try train(.alone, "one").code == 0)
      let three = try train(World(ranks: 3, threads: 1), "three")
      #expect(three.code == 0, "\(three.errors)")
      #expect(try fixture.adapter("three") == fixture.adapter("one"))
      for file in ["model.safetensors", "optimizer.safetensors"] {
        #expect(try fixture.bytes("three/checkpoint-2/\(file)") == fixture.bytes("one/checkpoint-2/\(file)"), "\(file)")
      }
      // Where the system gives them no memory to share, each rank has a copy of its own.
      let apart = try train(
        World(ranks: 2, threads: 1), "apart", ["LD_PRELOAD": FaultInjector.library, "FAILING_CALLS_APART": "1"])
      #expect(apart.code == 0, "\(apart.errors)")
      #expect(try fixture.adapter("apart") == fixture.adapter("one"))
      try fixture.copyRun("three", as: "again", upTo: "checkpoint-2")
      let again = try train(World(ranks: 2, threads: 1), "again")
      #expect(again.code == 0 && again.errors.contains("going on after step 2"), "\(again.errors)")
      #expect(try fixture.adapter("again") == fixture.adapter("one"))
    }

    @Test func `a run and its checkpoints are models`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, "adapter=", "save_steps=2", "max_steps=3", "output_dir=full").code == 0)
      for model in ["full", "full/checkpoint-2"] {
        let score = try fixture.shoal(
          "score", "--model", fixture.path(model), "--data", fixture.path("pairs.jsonl"), "--out",
          fixture.path("scores-\(model.count)"))
        #expect(score.code == 0, "\(score.errors)")
        let type = model == "full" ? "bfloat16" : "float32"
        #expect(try fixture.text("\(model)/config.json").contains("\"\(type)\""))
      }
      let again = try fixture.train(.alone, "adapter=", "save_steps=2", "max_steps=3", "output_dir=full")
      #expect(again.code == 0 && again.errors.contains("finished"), "\(again.errors)")
      // LoRA on the model that came out.
      let adapted = try fixture.train(.alone, "base_model=\(fixture.path("full"))", "output_dir=adapted")
      #expect(adapted.code == 0, "\(adapted.errors)")
    }

    @Test func `weights that are frozen stay as they are`() throws {
      let fixture = try RunFixture()
      let patterns = "unfrozen_parameters=['model.layers', 'model.norm']"
      let ending = try fixture.train(.alone, "adapter=", patterns, "save_dtype=f32", "output_dir=full")
      #expect(ending.code == 0, "\(ending.errors)")
      let before = LanguageModel(try ModelDirectory(TinyFixture.path("model")))
      let after = LanguageModel(try ModelDirectory(fixture.path("full")))
      #expect(after.embedding.widened().elements == before.embedding.widened().elements)
      #expect(after.finalNorm.elements != before.finalNorm.elements)
      for (old, new) in zip(before.layers, after.layers) {
        #expect(new.inputNorm.elements != old.inputNorm.elements)
        for module in LinearModule.allCases {
          #expect(new.weight(module).widened().elements != old.weight(module).widened().elements, "\(module)")
        }
      }
      for wrong in [
        "['lm_hat']", "['model.layers(']", "['model.norm.weight[5:5]']", "['model.embed_tokens.weight[5000:9000]']",
      ] {
        let refused = try fixture.train(.alone, "adapter=", "unfrozen_parameters=\(wrong)", "output_dir=wrong")
        #expect(refused.code == 64 && refused.errors.contains("unfrozen_parameters"), "\(refused.errors)")
      }
    }

    @Test func `of a weight some rows are trained`() throws {
      let fixture = try RunFixture()
      let patterns =
        "unfrozen_parameters=['model.embed_tokens.weight[5:9]', '.+up_proj.weight[:10]', 'model.norm.weight[3]']"
      let ending = try fixture.train(.alone, "adapter=", patterns, "save_dtype=f32", "output_dir=rows")
      #expect(ending.code == 0, "\(ending.errors)")
      let before = LanguageModel(try ModelDirectory(TinyFixture.path("model")))
      let after = LanguageModel(try ModelDirectory(fixture.path("rows")))
      func changed(_ name: (LanguageModel) -> Matrix) -> [Int] {
        let (old, new) = (name(before), name(after))
        return (0..<old.rows).filter { old.rows($0..<$0 + 1).elements != new.rows($0..<$0 + 1).elements }
      }
      // Rows of tokens that are in no text get no gradient.
      let rows = changed { $0.embedding.widened() }
      #expect(!rows.isEmpty && Set(rows).isSubset(of: 5..<9), "\(rows)")
      for layer in before.layers.indices {
        #expect(changed { $0.layers[layer].weight(.up).widened() } == Array(0..<10))
        #expect(changed { $0.layers[layer].weight(.gate).widened() }.isEmpty)
      }
      let norms = zip(before.finalNorm.elements, after.finalNorm.elements).enumerated().filter { $1.0 != $1.1 }
      #expect(norms.map(\.offset) == [3])
    }

    @Test func `the plan counts trained weights and their state`() throws {
      let fixture = try RunFixture()
      func plan(_ ranks: Int) throws -> JSONValue {
        let world = ranks == 1 ? World.alone : World(ranks: ranks, threads: 1)
        let ending = try fixture.start(world, Self.large + ["--plan"]).wait()
        return try JSONValue.parse(ending.output)
      }
      let (one, two) = (try plan(1), try plan(2))
      let bytes = { (plan: JSONValue) in plan["memory"]?["adapter_and_optimizer_bytes"]?.int ?? 0 }
      #expect(bytes(two) < bytes(one) * 4 / 5, "half of the moments, all of the sums")
      #expect(one["model"]?["parameters"] == one["trained_parameters"])
    }
  }
}
