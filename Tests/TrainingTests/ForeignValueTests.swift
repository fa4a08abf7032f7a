import Corpus
import Model
import Testing
import Training

/// Values as other trainers and their users write them: each is used, or accepted with a notice.
@Suite struct ForeignValueTests {
  @Test func `a number that is not positive is no limit`() throws {
    for none in ["0", "-1"] {
      let run = try minimal(
        with: "max_steps=\(none)", "save_total_limit=\(none)", "early_stopping_patience=\(none)")
      #expect(run.maximumSteps == nil && run.saveTotalLimit == nil && run.earlyStoppingPatience == nil)
      #expect(run.ignoredKeys.isEmpty)
    }
  }

  @Test func `steps below one are a share of the run`() throws {
    let run = try minimal(with: "eval_steps=0.05", "save_steps=0.25", "logging_steps=0.1", "warmup_steps=0.1")
    #expect(run.evaluations == .share(0.05) && run.saves == .share(0.25) && run.logs == .share(0.1))
    #expect(run.warmup == .ratio(0.1) && run.warmup.steps(of: 41) == 5)
    #expect(try configuration(run.resolvedYAML) == run)
    #expect(try minimal(with: "eval_steps=5.0", "warmup_steps=7.0").evaluations == .steps(5))
    #expect(try minimal(with: "warmup_steps=0.1", "warmup_ratio=0.0").warmup == .ratio(0.1))
    #expect(problems(minimalYAML, overrides: ["warmup_steps=0.1", "warmup_ratio=0.2"]).count == 1)
  }

  @Test func `numbers may be quoted, and words too`() throws {
    let run = try minimal(
      with: "micro_batch_size='2'", "learning_rate='1e-4'", "num_epochs='0.5'", "sequence_len=512.0",
      "peft_use_rslora='true'", "val_set_size='0.1'")
    #expect(run.batchSize == 2 && run.learningRate == 1e-4 && run.epochs == 0.5 && run.sequenceLength == 512)
    #expect(run.usesRSLoRA && run.heldOut == .share(0.1))
  }

  @Test func `alpha may be a fraction`() throws {
    let run = try minimal(with: "lora_alpha=0.5")
    #expect(run.loraAlpha == 0.5 && run.resolvedYAML.contains("lora_alpha: 0.5\n"))
    #expect(try minimal(with: "lora_alpha=16.0").resolvedYAML.contains("lora_alpha: 16\n"))
  }

  @Test func `an empty text is nothing`() throws {
    #expect(try minimal(with: "rl=''", "warmup_ratio=''", "default_system_message=''").objective == .supervised)
    #expect(problems(minimalYAML, overrides: ["base_model=''"]).count == 1, "what is required is missing")
  }

  @Test(arguments: [
    ("adamw_torch_fused", OptimizerName.adamW, false), ("paged_adamw_32bit", .adamW, false),
    ("lion_32bit", .lion, false), ("adamw_bnb_8bit", .adamW, true), ("adamw_8bit", .adamW, true),
    ("paged_adamw_8bit", .adamW, true), ("adamw_torch_4bit", .adamW, true), ("paged_lion_8bit", .lion, true),
  ])
  func `an optimizer has its name by how it stores its states`(name: String, means: OptimizerName, isNoted: Bool) throws
  {
    let run = try minimal(with: "optimizer=\(name)")
    #expect(run.optimizer == means)
    #expect(
      run.ignoredKeys == (isNoted ? ["optimizer: \(name) (it is \(means.rawValue), with states in 32 bits)"] : []))
  }

  @Test func `a base in 8 bits is int8 beside LoRA`() throws {
    let run = try minimal(with: "load_in_8bit=true")
    #expect(run.weightStorage == .int8 && run.adapter == .lora && run.ignoredKeys.isEmpty)
    #expect(run.resolvedYAML.contains("\nload_in_8bit: true\n") && run.resolvedYAML.contains("\nload_in_4bit: false\n"))
    #expect(try configuration(run.resolvedYAML).weightStorage == .int8)
    let plain = try minimal(with: "load_in_8bit=false")
    #expect(plain.weightStorage == .stored && plain.ignoredKeys.isEmpty)
    // The base is another: a run does not go on with it.
    #expect(run.differences(from: plain) == ["load_in_8bit: false in the checkpoint, true now"])
    #expect(try minimal(with: "load_in_4bit=true").weightStorage == .nf4)
  }

  @Test func `what layers keep may be held anywhere`() throws {
    for value in ["offload", "offload_disk", "unsloth"] {
      let run = try minimal(with: "gradient_checkpointing=\(value)")
      #expect(run.gradientCheckpointing == .on)
      #expect(run.ignoredKeys == ["gradient_checkpointing: \(value) (it is true, in memory)"])
    }
    #expect(try minimal(with: "gradient_checkpointing='true'").gradientCheckpointing == .on)
  }

  @Test func `the section of TRL has beta under its own name`() throws {
    let run = try minimal(with: "trl={beta: 0.3, use_vllm: true}")
    #expect(run.objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.3)) && run.ignoredKeys == ["trl.use_vllm"])
    #expect(try configuration(run.resolvedYAML).objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.3)))
    #expect(
      try minimal(with: "trl={beta: 0.3}", "rl_beta=0.3").objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.3)))
    #expect(try minimal(with: "trl={beta: 0.3}", "rl=").ignoredKeys == ["trl.beta"])
    #expect(
      problems(minimalYAML, overrides: ["trl={beta: 0.3}", "rl_beta=0.1"]) == [
        "override trl={beta: 0.3}: `trl.beta: 0.3` is another name of `rl_beta`, which is 0.1: give one"
      ])
  }

  @Test func `texts to go on with are data of running text`() throws {
    let yaml = minimalYAML.replacing("rl: dpo\n", with: "").replacing("datasets:\n  - path: pairs.jsonl\n", with: "")
    let run = try configuration(
      yaml + "pretraining_dataset: [{path: owner/corpus, text_column: body, type: pretrain}]\n")
    #expect(run.datasets.map(\.type) == [.completion] && run.datasets.map(\.paths) == [["owner/corpus"]])
    #expect(run.datasets.first?.fields[.text] == "body")
    #expect(try configuration(run.resolvedYAML) == run)
    #expect(problems(yaml + "pretraining_dataset: [{path: x, type: alpaca}]\n").count == 1)
    #expect(problems(yaml + "pretraining_dataset: [{path: x}]\ndatasets: [{path: y}]\n").count == 1)
  }

  @Test func `objectives that compare answers want data that have them`() {
    let found = problems(minimalYAML.replacing("pairs.jsonl", with: "texts.jsonl\n    type: completion"))
    #expect(found.count == 1)
    #expect(
      found.first?.contains("type completion has nothing that is preferred") == true, "\(found)")
    #expect(problems(minimalYAML, overrides: ["datasets.0.type=completion", "rl="]).isEmpty)
  }

  @Test func `the arguments of schedules are keys of their own`() throws {
    let rate = try minimal(
      with: "lr_scheduler=cosine_with_min_lr", "lr_scheduler_kwargs.min_lr=1e-5", "learning_rate=4e-5")
    #expect(rate.schedule == .cosine && rate.cosineMinimumRatio == 0.25)
    #expect(try configuration(rate.resolvedYAML) == rate)
    let ratio = try minimal(with: "lr_scheduler=cosine_with_min_lr", "lr_scheduler_kwargs={min_lr_rate: 0.1}")
    #expect(ratio.cosineMinimumRatio == 0.1)
    #expect(
      try minimal(with: "lr_scheduler=cosine_with_min_lr", "cosine_min_lr_ratio=0.2").cosineMinimumRatio == 0.2)
    let decay = try minimal(with: "lr_scheduler=warmup_stable_decay", "lr_scheduler_kwargs={num_decay_steps: 7}")
    #expect(decay.cooldownSteps == 7)
    for wrong in [
      ["lr_scheduler_kwargs={min_lr: 1e-5, min_lr_rate: 0.1}"],
      ["lr_scheduler=linear", "lr_scheduler_kwargs.min_lr=0"],
      ["lr_scheduler_kwargs.num_cycles=2"],
      ["lr_scheduler_kwargs.min_lr=1e-5", "cosine_min_lr_ratio=0.1"],
      ["lr_scheduler=warmup_stable_decay", "cooldown_steps=3", "lr_scheduler_kwargs.num_decay_steps=7"],
    ] {
      #expect(problems(minimalYAML, overrides: wrong).count == 1, "\(wrong)")
    }
  }

  @Test func `true goes on from the newest checkpoint, as the default does`() throws {
    let run = try minimal(with: "resume_from_checkpoint=true")
    #expect(run.resumeFromCheckpoint == nil && run.autoResumesFromCheckpoints)
    #expect(try minimal(with: "resume_from_checkpoint=false").resumeFromCheckpoint == nil)
    let both = ["resume_from_checkpoint=true", "auto_resume_from_checkpoints=false"]
    #expect(problems(minimalYAML, overrides: both).first?.contains("exclude each other") == true)
  }

  @Test func `what changes no result is listed`() throws {
    let run = try minimal(
      with:
        "plugins=[axolotl.integrations.liger.LigerPlugin, axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin]",
      "cut_cross_entropy=true", "gptq_groupsize=", "save_on_each_node=false", "special_tokens.unk_token=<unk>")
    #expect(
      run.ignoredKeys == [
        "cut_cross_entropy", "gptq_groupsize", "save_on_each_node", "plugins", "special_tokens.unk_token",
      ])
    #expect(
      problems(minimalYAML, overrides: ["plugins=[x]"]) == [
        "override plugins=[x]: `plugins`: expected nothing, or plugins that change no result (liger, cut_cross_entropy, "
          + "swanlab, kernels, expert_parallel, densemixer, lm_eval), found \"x\": Shoal runs no Python; leave it out"
      ])
  }

  @Test func `a data set says what special tokens in its texts are`() throws {
    #expect(try minimal().datasets[0].specialTokens == nil)
    for value in Dataset.SpecialTokensInText.allCases {
      let run = try minimal(with: "datasets.0.special_tokens_in_text=\(value.rawValue)")
      #expect(run.datasets[0].specialTokens == value)
      #expect(try configuration(run.resolvedYAML) == run)
    }
  }
}

/// Merge keys and anchors, with PyYAML's meaning.
@Suite struct MergeKeyTests {
  private static let head = minimalYAML.replacing("datasets:\n  - path: pairs.jsonl\n", with: "")

  @Test func `a mapping is merged, and own keys go first`() throws {
    let yaml = """
      x-common: &common
        lora_r: 16
        lora_alpha: 32
      <<: *common
      lora_alpha: 64
      datasets:
        - &first
          path: p.jsonl
          type: chatml.intel
        - path: q.jsonl
          <<: *first
        - <<: *first
          path: r.jsonl

      """
    let run = try configuration(Self.head + yaml)
    #expect(run.loraRank == 16 && run.loraAlpha == 64 && run.ignoredKeys == ["x-common"])
    #expect(run.datasets == ["p", "q", "r"].map { Dataset.Source(paths: ["\($0).jsonl"], type: .intel) })
  }

  /// yaml.safe_load gives the same values.
  @Test func `of several the earlier goes first, of several keys the later`() throws {
    let yaml = """
      x-a: &a {lora_r: 1, seed: 10}
      x-b: &b {lora_r: 2, lora_alpha: 20, seed: 11}
      x-c: &c
        <<: [*a, *b]
        batch_size: 3
      <<: {seed: 12}
      <<: *c
      datasets: [{path: p.jsonl}]

      """
    let run = try configuration(Self.head + yaml)
    #expect(run.loraRank == 1 && run.loraAlpha == 20 && run.batchSize == 3 && run.seed == 10)
  }

  @Test func `what is merged keeps its line`() {
    let yaml = "x-a: &a\n  lora_r: many\n<<: *a\n" + minimalYAML
    #expect(problems(yaml) == ["line 2: `lora_r`: expected a whole number from 1 to 4096, found the text \"many\""])
  }

  @Test func `only mappings are merged, and a quoted key is a key`() {
    #expect(problems("<<: 1\n" + minimalYAML).first?.contains("line 1: `<<` merges mappings: expected") == true)
    #expect(problems("<<: [{seed: 1}, 2]\n" + minimalYAML).first?.contains("found 2") == true)
    #expect(problems("<<: *no\n" + minimalYAML).first?.contains("not YAML") == true)
    #expect(problems("\"<<\": 1\n" + minimalYAML).first?.hasPrefix("line 1: unknown key `<<`") == true)
    #expect(
      problems("zzzzcommon: &b {lora_r: 16}\n<<: *b\n" + minimalYAML)
        == ["line 1: unknown key `zzzzcommon`; a key that is there for its anchor alone begins with `x-`"])
  }

  @Test(.timeLimit(.minutes(1))) func `merges that unfold without end are refused`() {
    var yaml = "x-0: &a0 {k0: 1, l0: 1, m0: 1, n0: 1}\n"
    for level in 1..<12 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 8).joined(separator: ", ")
      yaml += "x-\(level): &a\(level) {<<: [\(aliases)], k\(level): *a\(level - 1)}\n"
    }
    #expect(problems(yaml).first?.contains("expected at most 10000 values") == true)
  }
}
