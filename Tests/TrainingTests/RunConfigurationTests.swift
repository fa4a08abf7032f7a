import Corpus
import Testing
import Training

/// The least a configuration needs.
let minimalYAML = """
  base_model: /models/qwen
  adapter: lora
  rl: dpo
  learning_rate: 5e-5
  output_dir: out
  datasets:
    - path: pairs.jsonl

  """

/// Every used key with a value that is not its default.
let fullYAML = """
  base_model: /models/qwen
  adapter: lora
  lora_r: 32
  lora_alpha: 64
  lora_dropout: 0.05
  lora_target_modules: [v_proj, down_proj]
  peft_use_rslora: true
  peft_init_lora_weights: true
  lora_model_dir: adapters/start
  rl: dpo
  rl_beta: 0.2
  dpo_loss_type: [sigmoid]
  dpo_label_smoothing: 0.1
  precompute_ref_log_probs: false
  ref_log_probs_cache: cache/ref
  chat_template: qwen_25
  default_system_message: "Be \\"brief\\": yes,\\n# not long\\t— ✓ \\u2028 \\u0085"
  special_tokens:
  datasets:
    - path: "a, b.jsonl"
      ds_type: json
      split: train
      field_prompt: question
      field_chosen: "yes"
      field_rejected: "7"
    - data_files: [one.jsonl, 'two: 2.jsonl']
      split: half
  test_datasets:
    - path: json
      data_files: held.jsonl
  val_set_size: 0
  sequence_len: 1024
  excess_length_strategy: raise
  shuffle_merged_datasets: no
  curriculum_sampling: yes
  micro_batch_size: 2
  gradient_accumulation_steps: 3
  num_epochs: 2.5
  max_steps: 100
  seed: 7
  gradient_checkpointing: true
  optimizer: adamw_torch_fused
  learning_rate: 5.e-5
  adam_beta1: 0.8
  adam_beta2: 0.99
  adam_epsilon: 1e-6
  weight_decay: .01
  max_grad_norm: 0
  lr_scheduler: cosine
  warmup_ratio: 0.1
  cosine_min_lr_ratio: 0.1
  eval_steps: 5
  save_steps: 10
  save_total_limit: 3
  logging_steps: 2
  output_dir: runs/1
  resume_from_checkpoint: runs/0/checkpoint-10
  auto_resume_from_checkpoints: off

  """

func configuration(_ yaml: String, overrides: [String] = []) throws(ConfigurationError) -> RunConfiguration {
  try RunConfiguration(yaml: yaml, name: "run.yaml", overrides: overrides)
}

/// The minimal configuration with lines added; a key given again replaces the minimal one.
func minimal(with lines: String...) throws(ConfigurationError) -> RunConfiguration {
  try configuration(minimalYAML, overrides: lines)
}

func problems(_ yaml: String, overrides: [String] = []) -> [String] {
  do {
    _ = try configuration(yaml, overrides: overrides)
    return []
  } catch {
    return error.problems.map(\.description)
  }
}

@Suite struct RunConfigurationTests {
  @Test func `a minimal file takes every default`() throws {
    let run = try configuration(minimalYAML)
    #expect(run.baseModel == "/models/qwen")
    #expect(run.learningRate == 5e-5)
    #expect(run.datasets.map(\.paths) == [["pairs.jsonl"]])
    #expect(run.outputDirectory == "out")
    #expect(run.loraRank == 8 && run.loraAlpha == 8 && run.loraDropout == 0)
    #expect(run.loraTargetModules == ["q_proj", "v_proj"])
    #expect(run.objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.1)))
    #expect(run.batchSize == 1 && run.epochs == 1 && run.maximumSteps == nil && run.seed == 42)
    #expect(run.schedule == .cosine && run.warmup == .none && run.cosineMinimumRatio == nil)
    #expect(run.adamBeta1 == 0.9 && run.adamBeta2 == 0.999 && run.adamEpsilon == 1e-8)
    #expect(run.weightDecay == 0 && run.maximumGradientNorm == 1)
    #expect(run.sequenceLength == 2048 && run.excessLengthStrategy == .truncateMiddle)
    #expect(run.evaluations == .never && run.saves == .perEpoch(1) && run.saveTotalLimit == nil)
    #expect(run.precomputesReferenceLogProbs && run.autoResumesFromCheckpoints)
    #expect(
      run.shufflesMergedDatasets && !run.usesCurriculumSampling && run.gradientCheckpointing == .off
        && run.memoryLimit == nil)
    #expect(run.ignoredKeys.isEmpty)
  }

  private func fields(_ names: [RecordFields.Field: String]) -> RecordFields {
    names.reduce(into: RecordFields()) { $0[$1.key] = $1.value }
  }

  @Test func `a data set says its format and what its fields are called`() throws {
    let yaml = """
      datasets:
        - path: chats.jsonl.gz
          type: chat_template
          split: test
          field_messages: turns
          field_question: q
          message_property_mappings:
            role: from
            content: value
          roles:
            assistant: [gpt, model]
            user: human
          roles_to_train: [assistant]
          train_on_eos: turn
        - path: pairs.jsonl
          type: chatml.intel_prefilled

      """
    let run = try configuration(minimalYAML.replacing("datasets:\n  - path: pairs.jsonl\n", with: yaml))
    var chats = fields([.messages: "turns"])
    (chats.role, chats.content) = ("from", "value")
    chats.roles = ["assistant": ["gpt", "model"], "user": ["human"]]
    #expect(
      run.datasets == [
        .init(paths: ["chats.jsonl.gz"], type: .chatTemplate, fields: chats, split: SplitSelection("test") ?? .train),
        .init(paths: ["pairs.jsonl"], type: .intelPrefilled),
      ])
    // The format reads no such field.
    #expect(run.ignoredKeys == ["datasets.0.field_question"])
    var again = try configuration(run.resolvedYAML)
    again.ignoredKeys = run.ignoredKeys
    #expect(again == run)
  }

  @Test func `memory is given as people write it`() throws {
    let run = try configuration(minimalYAML + "\ngradient_checkpointing: auto\nmemory_limit: 1.5GB\n")
    #expect(run.gradientCheckpointing == .automatic && run.memoryLimit == 1_500_000_000)
    #expect(try configuration(run.resolvedYAML) == run)
  }

  @Test func `every used key is read`() throws {
    let run = try configuration(fullYAML)
    #expect(run.loraRank == 32 && run.loraAlpha == 64 && run.loraDropout == 0.05)
    #expect(run.loraTargetModules == ["v_proj", "down_proj"])
    #expect(run.usesRSLoRA && run.startingAdapter == "adapters/start")
    #expect(run.objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.2, labelSmoothing: 0.1)))
    #expect(!run.precomputesReferenceLogProbs && run.referenceLogProbsCache == "cache/ref")
    #expect(run.chatTemplate == .named(.qwen25))
    #expect(run.defaultSystemMessage == "Be \"brief\": yes,\n# not long\t— ✓ \u{2028} \u{85}")
    var first = Dataset.Source(
      paths: ["a, b.jsonl"], fields: fields([.prompt: "question", .chosen: "yes", .rejected: "7"]))
    first.format = .json
    first.split = SplitSelection("train") ?? .train
    #expect(
      run.datasets == [
        first,
        .init(paths: ["one.jsonl", "two: 2.jsonl"], split: SplitSelection("half") ?? .train),
      ])
    #expect(run.testDatasets.map(\.paths) == [["held.jsonl"]] && run.testDatasets.map(\.format) == [.json])
    #expect(run.sequenceLength == 1024 && run.excessLengthStrategy == .error)
    #expect(!run.shufflesMergedDatasets && run.usesCurriculumSampling)
    #expect(run.batchSize == 6 && run.epochs == 2.5 && run.maximumSteps == 100 && run.seed == 7)
    #expect(run.gradientCheckpointing == .on)
    #expect(run.learningRate == 5e-5 && run.adamBeta1 == 0.8 && run.adamBeta2 == 0.99)
    #expect(run.adamEpsilon == 1e-6 && run.weightDecay == 0.01 && run.maximumGradientNorm == 0)
    #expect(run.warmup == .ratio(0.1) && run.cosineMinimumRatio == 0.1)
    #expect(run.evaluations == .steps(5) && run.saves == .steps(10) && run.saveTotalLimit == 3)
    #expect(run.logs == .steps(2) && run.outputDirectory == "runs/1")
    #expect(run.resumeFromCheckpoint == "runs/0/checkpoint-10" && !run.autoResumesFromCheckpoints)
  }

  @Test func `an empty value is the default of every key`() throws {
    let run = try configuration(minimalYAML)
    let required: Set = ["base_model", "adapter", "rl", "learning_rate", "output_dir", "datasets"]
    let keys = fullYAML.split(separator: "\n").filter { !$0.hasPrefix(" ") }
      .compactMap { $0.split(separator: ":").first.map(String.init) }
      .filter { !required.contains($0) }
    #expect(keys.count > 40)
    #expect(try configuration(minimalYAML, overrides: keys.map { "\($0)=" }) == run)
  }

  @Test(arguments: ["5e-5", "5.e-5", "5.0e-5", "0.00005", "+5E-05", ".5e-4"])
  func `a number is a number in every form`(text: String) throws {
    #expect(try minimal(with: "learning_rate=\(text)").learningRate == 5e-5)
  }

  @Test func `targets may be a list, a name or all`() throws {
    let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    #expect(try minimal(with: "lora_target_linear=true").loraTargetModules == all)
    #expect(try minimal(with: "lora_target_modules=all-linear").loraTargetModules == all)
    #expect(try minimal(with: "lora_target_modules=up_proj").loraTargetModules == ["up_proj"])
    #expect(
      try minimal(with: "lora_target_modules=[v_proj, q_proj, v_proj]").loraTargetModules
        == ["q_proj", "v_proj"])
    #expect(try minimal(with: "lora_target_linear=false").loraTargetModules == ["q_proj", "v_proj"])
  }

  @Test func `the batch is the product or given`() throws {
    #expect(try minimal(with: "micro_batch_size=2", "gradient_accumulation_steps=8").batchSize == 16)
    #expect(try minimal(with: "batch_size=12").batchSize == 12)
    #expect(try minimal(with: "batch_size=12", "micro_batch_size=4").batchSize == 12)
    #expect(
      problems(minimalYAML, overrides: ["batch_size=12", "micro_batch_size=5"]) == [
        "override batch_size=12: `batch_size` (12) is not `micro_batch_size` (5) x "
          + "`gradient_accumulation_steps` (1)"
      ])
    let three = ["batch_size=12", "micro_batch_size=2", "gradient_accumulation_steps=3"]
    #expect(problems(minimalYAML, overrides: three).count == 1)
    let huge = ["micro_batch_size=9000000000000000000", "gradient_accumulation_steps=9"]
    #expect(problems(minimalYAML, overrides: huge).count == 1)
  }

  @Test func `held-out data is a share below 1 and a count from 1`() throws {
    #expect(try minimal(with: "val_set_size=0.02").heldOut == .share(0.02))
    #expect(try minimal(with: "val_set_size=64").heldOut == .count(64))
    #expect(try minimal(with: "val_set_size=0.0").heldOut == .none)
    #expect(problems(minimalYAML, overrides: ["val_set_size=1.5"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["val_set_size=2", "test_datasets.0.path=t"]).count == 1)
  }

  @Test func `beta has two names`() throws {
    for betas in [["dpo_beta=0.3"], ["dpo_beta=0.3", "rl_beta=0.3"]] {
      #expect(
        try configuration(minimalYAML, overrides: betas).objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.3)))
    }
    #expect(
      problems(minimalYAML, overrides: ["rl_beta=0.1", "dpo_beta=0.3"]) == [
        "override dpo_beta=0.3: `dpo_beta: 0.3` is another name of `rl_beta`, which is 0.1: give one"
      ])
  }

  @Test func `a home directory is expanded`() throws {
    let run = try minimal(with: "base_model=~/models/q", "output_dir='~other/x'")
    #expect(run.baseModel.hasPrefix("/") && run.baseModel.hasSuffix("/models/q"))
    #expect(run.outputDirectory == "~other/x")
  }

  @Test func `never is a legal interval`() throws {
    #expect(try minimal(with: "saves_per_epoch=0", "evals_per_epoch=4").saves == .never)
    #expect(try minimal(with: "evals_per_epoch=4").evaluations == .perEpoch(4))
    #expect(problems(minimalYAML, overrides: ["save_steps=5", "saves_per_epoch=1"]).count == 1)
  }

  @Test func `a warm-up before a constant rate has no effect, as in transformers`() throws {
    let run = try minimal(with: "lr_scheduler=constant", "warmup_steps=10")
    #expect(run.warmup == .none && run.ignoredKeys == ["warmup_steps"])
    #expect(try minimal(with: "lr_scheduler=constant_with_warmup", "warmup_steps=10").warmup == .steps(10))
  }
}

@Suite struct DataFileTests {
  @Test(arguments: [
    (["datasets.0.path=json", "datasets.0.data_files=[a.jsonl, b/c.jsonl]"], ["a.jsonl", "b/c.jsonl"]),
    (["datasets.0.path=data", "datasets.0.data_files=[a.jsonl, /b/c.jsonl]"], ["data/a.jsonl", "/b/c.jsonl"]),
    (["datasets.0.path=", "datasets.0.data_files=a.jsonl"], ["a.jsonl"]),
  ])
  func `files may be named alone, or in a directory`(settings: [String], paths: [String]) throws {
    #expect(try configuration(minimalYAML, overrides: settings).datasets.map(\.paths) == [paths])
  }
}
