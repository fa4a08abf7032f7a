import Testing
import Training

@Suite struct ObjectiveConfigurationTests {
  static let cases: [(settings: [String], objective: Objective)] = [
    (["rl="], .supervised), (["rl=ipo"], .dpo(DPOFamily([.init(.ipo)], beta: 0.1))),
    (["rl=ipo", "dpo_loss_type=ipo", "rl_beta=0.5"], .dpo(DPOFamily([.init(.ipo)], beta: 0.5))),
    (["dpo_loss_type=aot_pair"], .dpo(DPOFamily([.init(.aotUnpaired)], beta: 0.1))),
    (
      ["dpo_loss_type=[sigmoid, bco_pair, sft]", "dpo_loss_weights=[0.8, 0.2, 1]", "dpo_label_smoothing=0.1"],
      .dpo(
        DPOFamily(
          [.init(.sigmoid, weight: 0.8), .init(.bcoPair, weight: 0.2), .init(.sft, weight: 1)], beta: 0.1,
          labelSmoothing: 0.1))
    ),
    (["rpo_alpha=0.5"], .dpo(DPOFamily([.init(.sigmoid), .init(.sft, weight: 0.5)], beta: 0.1))),
    (["rl=cpo"], .cpo(beta: 0.1, labelSmoothing: 0, likelihoodWeight: 1)),
    (["rl=cpo", "cpo_alpha=0"], .cpo(beta: 0.1, labelSmoothing: 0, likelihoodWeight: 0)),
    (
      ["rl=simpo", "rl_beta=2.5", "simpo_gamma=1"],
      .simpo(beta: 2.5, gamma: 1, labelSmoothing: 0, likelihoodWeight: 0)
    ),
    (["rl=simpo", "cpo_alpha=0.5"], .simpo(beta: 0.1, gamma: 0.5, labelSmoothing: 0, likelihoodWeight: 0.5)),
    (["rl=orpo", "rl_beta=0.2"], .orpo(beta: 0.2)), (["rl=orpo", "orpo_alpha=0.3"], .orpo(beta: 0.3)),
    (
      ["rl=kto", "batch_size=2", "kto_undesirable_weight=1.33"], .kto(KTO(beta: 0.1, undesirableWeight: 1.33))
    ),
  ]

  @Test(arguments: cases.indices) func `every objective is read and written back`(place: Int) throws {
    let (settings, objective) = Self.cases[place]
    let run = try configuration(minimalYAML, overrides: settings)
    #expect(run.objective == objective)
    #expect(run.ignoredKeys == [])
    #expect(try configuration(run.resolvedYAML) == run)
  }

  @Test func `keys of another objective are said to have no effect`() throws {
    let settings = [
      "rl=orpo", "dpo_loss_type=hinge", "simpo_gamma=0.3", "dpo_label_smoothing=0.1", "precompute_ref_log_probs=true",
      "train_on_inputs=true", "kto_desirable_weight=2",
    ]
    #expect(
      try configuration(minimalYAML, overrides: settings).ignoredKeys == [
        "dpo_loss_type", "dpo_label_smoothing", "simpo_gamma", "kto_desirable_weight", "precompute_ref_log_probs",
        "train_on_inputs",
      ])
    #expect(
      try minimal(with: "dpo_loss_type=hinge", "dpo_label_smoothing=0.1").ignoredKeys == ["dpo_label_smoothing"])
  }

  @Test func `switches of LoRA, optimizers and schedules are read and written back`() throws {
    let run = try minimal(
      with: "loraplus_lr_ratio=16", "loraplus_weight_decay=0.01", "peft_init_lora_weights=init_b", "optimizer=lion",
      "lr_scheduler=warmup_stable_decay", "cooldown_steps=5", "early_stopping_patience=2", "val_set_size=0.1",
      "eval_steps=2", "lora_model_dir=a", "rl_adapter_ref_model=true")
    #expect(run.loraPlus == .init(ratio: 16, weightDecay: 0.01) && run.optimizer == .lion)
    #expect(run.schedule == .warmupStableDecay && run.cooldownSteps == 5 && run.earlyStoppingPatience == 2)
    #expect(run.refersToStartingAdapter && run.initialisation == .uniform)
    #expect(run.ignoredKeys == ["peft_init_lora_weights"], "the starting adapter is there already")
    var written = run
    written.ignoredKeys = []
    #expect(try configuration(run.resolvedYAML) == written)
    #expect(try minimal(with: "peft_init_lora_weights=init_b").initialisation == .initB)
    // PEFT's groups pass the plain decay over.
    let plus = try minimal(with: "loraplus_lr_ratio=4", "weight_decay=0.1")
    #expect(plus.weightDecay == 0 && plus.loraPlus == .init(ratio: 4, weightDecay: 0) && plus.ignoredKeys.count == 1)
  }
}
