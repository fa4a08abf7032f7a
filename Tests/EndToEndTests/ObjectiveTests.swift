// Every objective through the program: the same result on any number of ranks, and TRL's names in the metrics.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct ObjectiveTests {
    /// Settings, and the metric names that they add to `loss`.
    static let cases: [(settings: [String], names: Set<String>)] = [
      (["rl=", "datasets.0.field_completion=chosen"], []),
      (["dpo_loss_type=[ipo, sft]", "dpo_loss_weights=[1, 0.1]"], pairs.union(["nll_loss"])),
      (["dpo_loss_type=aot", "lora_dropout=0"], pairs), (["dpo_loss_type=[sigmoid, aot_unpaired]"], pairs),
      (["rl=cpo"], pairs.union(["nll_loss"])), (["rl=simpo", "rl_beta=2.5"], pairs),
      (["rl=orpo", "optimizer=lion"], pairs.union(["nll_loss", "log_odds_ratio", "log_odds_chosen"])),
      (["rl=kto", "loraplus_lr_ratio=8"], unpaired),
      (["adapter="], pairs),
      (
        [
          "adapter=", "rl=", "datasets.0.field_completion=chosen", "optimizer=lion", "weight_decay=0.1",
          "neftune_noise_alpha=5", "save_dtype=f32",
        ], []
      ),
      (["lora_modules_to_save=[embed_tokens, norm]", "loraplus_lr_ratio=4"], pairs),
      (["rl=kto", "precompute_ref_log_probs=false", "peft_init_lora_weights=init_b"], unpaired),
    ]

    static let pairs: Set<String> = [
      "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected",
    ]
    static let unpaired: Set<String> = [
      "rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "kl",
    ]

    @Test(arguments: cases.indices) func `ranks and interruptions change nothing`(index: Int) throws {
      let (settings, names) = Self.cases[index]
      let fixture = try RunFixture()
      let own = settings + ["val_set_size=6", "eval_steps=2", "micro_batch_size=4", "num_epochs=3", "save_steps=3"]
      func train(_ world: World, _ name: String) throws {
        let ending = try fixture.start(
          world, own + ["output_dir=\(name)"], environment: ["SHOAL_CACHE": fixture.path("cache-\(name)")]
        ).wait()
        #expect(ending.code == 0, "\(settings) \(world): \(ending.errors)")
      }
      try train(World(threads: 1), "first")
      let expected = try fixture.adapter("first")
      try train(World(ranks: 3, threads: 1), "three")
      #expect(try fixture.adapter("three") == expected, "\(settings)")
      // From the first checkpoint on, with two ranks.
      try fixture.copyRun("first", as: "again", upTo: "checkpoint-3")
      try train(World(ranks: 2, threads: 1), "again")
      #expect(try fixture.adapter("again") == expected, "\(settings), resumed")
      for line in fixture.metrics("first") {
        let prefix = line["eval_loss"] == nil ? "" : "eval_"
        #expect(line["\(prefix)loss"]?.double?.isFinite == true)
        for name in names {
          let found = line["\(prefix)\(name)"]?.double
          // A step of KTO may contain only one kind of completion.
          #expect(found?.isFinite == true || names == Self.unpaired && prefix.isEmpty, "\(settings): \(name)")
        }
      }
      #expect(
        fixture.metrics("three").map { $0["loss"]?.double } == fixture.metrics("first").map { $0["loss"]?.double })
    }

    @Test(arguments: [
      ["rl=orpo"], ["rl=kto"], ["adapter="], ["dpo_loss_type=aot"], ["rl=", "datasets.0.field_completion=chosen"],
    ])
    func `derivatives agree with central differences`(settings: [String]) throws {
      let fixture = try RunFixture()
      let ending = try fixture.start(.alone, settings + ["--debug", "--check-gradients", "max_steps=1"]).wait()
      #expect(ending.code == 0, "\(settings): \(ending.errors)")
      #expect(ending.errors.contains("ok    analytic") && !ending.errors.contains("WRONG"))
    }

    @Test func `LoRA+ with ratio 1 is plain LoRA, and Init[B] swaps the roles of the first step`() throws {
      let fixture = try RunFixture()
      for (name, setting) in [("plain", "seed=42"), ("one", "loraplus_lr_ratio=1"), ("two", "loraplus_lr_ratio=2")] {
        #expect(try fixture.train(.alone, setting, "output_dir=\(name)").code == 0)
      }
      #expect(try fixture.adapter("plain") == fixture.adapter("one"))
      #expect(try fixture.adapter("plain") != fixture.adapter("two"))
      // The first step's gradients: with B = 0 that of A is 0, with A = 0 that of B.
      for (setting, zero, other) in [("true", "A", "B"), ("gaussian", "A", "B"), ("init_b", "B", "A")] {
        let run = "init-\(setting)"
        #expect(try fixture.train(.alone, "peft_init_lora_weights=\(setting)", "output_dir=\(run)").code == 0)
        let first = try #require(fixture.metrics(run).first { $0["step"]?.int == 1 })
        #expect(first["grad_norm/\(zero)"]?.double == 0 && first["loss"]?.double == log(2))
        let (moving, all) = (
          try #require(first["grad_norm/\(other)"]?.double), try #require(first["grad_norm"]?.double)
        )
        #expect(moving > 0 && abs(moving - all) < 1e-12 * all)
        let ratio = try #require(first["norm/BA_relative"]?.double)
        #expect(ratio > 0 && ratio < 0.1)
      }
    }

    @Test func `the reference may be the adapter that training starts from`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, "output_dir=start").code == 0)
      func first(_ name: String, _ settings: String..., said notice: String) throws -> JSONValue {
        let ending = try fixture.start(
          .alone, settings + ["lora_model_dir=start", "output_dir=\(name)", "lora_dropout=0"]
        ).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.errors.contains(notice), "\(ending.errors)")
        return try #require(fixture.metrics(name).first { $0["step"]?.int == 1 })
      }
      let base = try first(
        "base", "rl_adapter_ref_model=false", said: "the reference is the base without lora_model_dir")
      #expect(base["loss"]?.double != log(2))
      // As in TRL, without the key.
      for precomputes in ["true", "false"] {
        let own = try first(
          "own-\(precomputes)", "precompute_ref_log_probs=\(precomputes)",
          said: "the reference is a frozen copy of lora_model_dir")
        #expect(own["loss"]?.double == log(2) && own["rewards/margins"]?.double == 0)
      }
      #expect(try fixture.adapter("own-true") == fixture.adapter("own-false"))
      _ = try first("asked", "rl_adapter_ref_model=true", said: "the reference is a frozen copy")
      #expect(try fixture.adapter("asked") == fixture.adapter("own-true"))
    }

    @Test func `keys that contradict the adapter that training starts from are refused`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, "output_dir=start", "max_steps=1").code == 0)
      let same = ["lora_model_dir=start", "max_steps=1"]
      #expect(try fixture.start(.alone, same + ["output_dir=same"]).wait().code == 0)
      let other = try fixture.start(
        .alone,
        same + ["output_dir=other", "lora_r=16", "lora_alpha=64", "lora_target_linear=false"]
          + ["lora_target_modules=[q_proj]"]
      ).wait()
      #expect(other.code == 64 && !fixture.exists("other/run.json"))
      for text in [
        "\"r\" is 4, expected 16, as `lora_r` says", "\"lora_alpha\" is 8",
        "expected q_proj, as `lora_target_modules` says",
      ] { #expect(other.errors.contains(text), "\(text): \(other.errors)") }
    }

    @Test func `a run ends early when the held-out loss stands still`() throws {
      let fixture = try RunFixture()
      let settings = [
        "val_set_size=3", "eval_steps=1", "early_stopping_patience=2", "num_epochs=20", "learning_rate=0.3",
      ]
      #expect(try fixture.start(.alone, settings).wait().code == 0)
      let losses = fixture.metrics().filter { ($0["step"]?.int ?? 0) > 0 }.compactMap { $0["eval_loss"]?.double }
      let steps = try #require(fixture.steps().last)
      #expect(steps < 40 && losses.count == steps)
      let lowest = try #require(losses.min())
      #expect(losses.lastIndex(of: lowest) == losses.firstIndex(of: lowest))
      #expect(losses.firstIndex(of: lowest) == losses.count - 3)
      let again = try fixture.start(World(ranks: 2), settings + ["output_dir=two"]).wait()
      #expect(again.code == 0)
      #expect(try fixture.adapter("two") == fixture.adapter())
    }
  }
}
