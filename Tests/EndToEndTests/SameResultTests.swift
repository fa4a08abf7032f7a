// The same result, to the last bit, for all ranks, threads, recomputation and caches.

import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct SameResultTests {
    @Test func `ranks threads and memory change nothing`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(World(threads: 1), "output_dir=first").code == 0)
      let expected = try fixture.adapter("first")
      func same(_ world: World, _ settings: String..., name: String) throws {
        let out = "output_dir=\(name)"
        // A separate cache, so that this world computes the references too.
        let job = try fixture.start(
          world, settings + [out], environment: ["SHOAL_CACHE": fixture.path("cache-\(name)")])
        let ending = job.wait()
        #expect(ending.code == 0, "\(world) \(settings): \(ending.errors)")
        #expect(try fixture.adapter(name) == expected, "\(world) \(settings)")
      }
      for ranks in 1...4 {
        for threads in 1...2 { try same(World(ranks: ranks, threads: threads), name: "run-\(ranks)-\(threads)") }
      }
      try same(World(threads: 2), "gradient_checkpointing=true", name: "recomputed")
      try same(World(ranks: 3, threads: 1), "gradient_checkpointing=true", name: "recomputed-3")
      try same(World(ranks: 2, threads: 1), "gradient_checkpointing=auto", "memory_limit=400MB", name: "limited")
      try same(World(threads: 1), "precompute_ref_log_probs=false", name: "unknown")
      try same(World(ranks: 2, threads: 2), "precompute_ref_log_probs=false", name: "unknown-2")
    }

    /// Settings that lead through every kernel of training.
    static let settings =
      ObjectiveTests.cases.map(\.settings) + [
        ["base_model=\(Repository.path)/demo/model", "adapter=qlora", "load_in_4bit=true"], ["peft_use_dora=true"],
        ["peft_init_lora_weights=pissa"], ["load_in_8bit=true"],
        ["load_in_8bit=true", "peft_use_dora=true", "val_set_size=2", "sample_documents=2"],
      ]

    /// The processor's own level alone, and ranks of all its levels together.
    @Test(arguments: settings) func `vector levels change nothing`(settings: [String]) throws {
      let fixture = try RunFixture()
      let levels = VectorLevel.available.map(\.key)
      var worlds = [World(threads: 1), World(ranks: levels.count, threads: 1, levels: levels)]
      if settings == Self.settings[1] { worlds += levels.map { World(threads: 1, levels: [$0]) } }
      var adapters: Set<Data> = []
      for (i, world) in worlds.enumerated() {
        let own = settings + ["max_steps=3", "micro_batch_size=2", "output_dir=run-\(i)"]
        let job = try fixture.start(world, own, environment: ["SHOAL_CACHE": fixture.path("cache-\(i)")])
        let ending = job.wait()
        #expect(ending.code == 0, "\(world): \(ending.errors)")
        adapters.insert(try fixture.adapter("run-\(i)"))
      }
      #expect(adapters.count == 1)
    }

    @Test func `an unknown level is refused`() throws {
      let fixture = try RunFixture()
      let ending = try fixture.train(World(ranks: 2, levels: ["avx1024"]))
      #expect(ending.code == 64 && ending.errors.contains("SHOAL_VECTOR_LEVEL is \"avx1024\""), "\(ending.errors)")
      #expect(ending.errors.components(separatedBy: "SHOAL_VECTOR_LEVEL").count == 2)
    }

    @Test func `settings that matter do change it`() throws {
      let fixture = try RunFixture()
      let settings = ["seed=42", "seed=43", "lora_dropout=0", "learning_rate=1.01e-3", "micro_batch_size=4"]
      let adapters = try settings.map { setting in
        let name = setting.replacingOccurrences(of: "=", with: "-")
        #expect(try fixture.train(.alone, setting, "output_dir=\(name)").code == 0)
        return try fixture.adapter(name)
      }
      #expect(Set(adapters).count == settings.count)
    }

    @Test func `metrics have their names and the first loss is ln 2`() throws {
      let fixture = try RunFixture()
      let ending = try fixture.train(World(ranks: 2), "val_set_size=3", "eval_steps=2", "lora_dropout=0.3")
      #expect(ending.code == 0, "\(ending.errors)")
      let metrics = fixture.metrics()
      // 10 pairs in batches of 5, twice; evaluations before the first step, when due and after the last.
      #expect(fixture.steps() == [1, 2, 3, 4])
      let evaluations = metrics.filter { $0["eval_loss"] != nil }
      #expect(evaluations.compactMap { $0["step"]?.int } == [0, 2, 4])
      let shared = [
        "loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen",
        "logps/rejected",
      ]
      let ofSteps = [
        "step", "epoch", "grad_norm", "learning_rate", "num_tokens", "step_seconds", "pairs_per_second",
        "tokens_per_second", "norm/A", "norm/B", "norm/BA_relative", "grad_norm/A", "grad_norm/B",
      ]
      let ofEvaluations =
        ["step", "epoch", "eval_logps/accuracies"] + shared.map { "eval_\($0)" }
        + ["loss", "rewards/accuracies", "rewards/margins", "logps/accuracies"].map { "eval_\($0)_stderr" }
      for line in metrics {
        let names = Set((line.members ?? []).map(\.name))
        let expected = line["eval_loss"] == nil ? ofSteps + shared : ofEvaluations
        #expect(names == Set(expected))
        #expect(line.members?.allSatisfy { $0.value.double?.isFinite == true } == true)
      }
      let first = try #require(metrics.first { $0["step"]?.int == 1 })
      for (line, prefix) in [(first, ""), (evaluations[0], "eval_")] {
        #expect(line["\(prefix)loss"]?.double == log(2))
        for name in ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"] {
          #expect(line["\(prefix)\(name)"]?.double == 0)
        }
      }
      #expect(first["learning_rate"]?.double == 1e-3)
      #expect(first["epoch"]?.double == 0.5)
      #expect(ending.output.isEmpty)
    }
  }
}

/// One at a time: the ranks of one world already share the two cores.
@Suite(.serialized) enum EndToEnd {}
