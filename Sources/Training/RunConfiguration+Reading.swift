// From a YAML file and overrides to a configuration, or to the list of everything that is wrong.

import Foundation

extension RunConfiguration {
  /// Reads a configuration file and applies `key=value` overrides in their order.
  ///
  /// Paths inside are relative to the current directory; a leading `~` is expanded.
  /// - Throws: `ConfigurationError` with every problem of the file and the overrides.
  package init(path: String, overrides: [String] = []) throws(ConfigurationError) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      let reason = (error as NSError).localizedDescription
      throw ConfigurationError(
        path: path, problems: [ConfigurationProblem(place: .file, text: "cannot be read: \(reason)")])
    }
    guard let yaml = String(data: data, encoding: .utf8) else {
      throw ConfigurationError(
        path: path, problems: [ConfigurationProblem(place: .file, text: "expected UTF-8 text")])
    }
    try self.init(yaml: yaml, name: path, overrides: overrides)
  }

  /// Reads a configuration from text.
  /// - Parameter name: What messages call the text.
  /// - Throws: `ConfigurationError` with every problem of the text and the overrides.
  package init(yaml: String, name: String, overrides: [String] = []) throws(ConfigurationError) {
    var tree: ConfigurationTree
    do {
      tree = try ConfigurationTree(yaml: yaml)
    } catch {
      throw ConfigurationError(path: name, problems: [error.problem])
    }
    var problems: [ConfigurationProblem] = []
    for override in overrides {
      do {
        try tree.apply(override: override)
      } catch {
        problems.append(error.problem)
      }
    }
    self.init()
    var section = ConfigurationSection(tree)
    ignoredKeys = section.classifyKeys(
      used: ConfigurationKeys.used, notBuilt: ConfigurationKeys.notBuilt,
      foreign: ConfigurationKeys.foreign, isWithoutEffect: ConfigurationKeys.isWithoutEffect)
    readModel(&section)
    readObjective(&section)
    readData(&section)
    readBatches(&section)
    readOptimizer(&section)
    readSchedule(&section)
    readReports(&section)
    problems += section.problems
    guard problems.isEmpty else { throw ConfigurationError(path: name, problems: problems) }
  }

  // MARK: Parts

  private mutating func readModel(_ section: inout ConfigurationSection) {
    if let path = section.path("base_model") {
      baseModel = path
    } else if section["base_model"] == nil {
      section.refuse("base_model", expected: "a directory with config.json and safetensors files")
    }
    if section["adapter"] == nil {
      section.report(
        "missing key `adapter`: full fine-tuning is not built yet in this version; built: lora",
        at: .file)
    } else {
      _ = section.choice("adapter", built: ["lora"], notBuilt: ["qlora"])
    }
    loraRank = section.integer("lora_r", atLeast: 1) ?? loraRank
    loraAlpha = section.integer("lora_alpha", atLeast: 1) ?? loraAlpha
    loraDropout =
      section.number("lora_dropout", "a number from 0 to less than 1") { (0..<1).contains($0) }
      ?? loraDropout
    readTargets(&section)
    usesRSLoRA = section.bool("peft_use_rslora") ?? usesRSLoRA
    startingAdapter = section.path("lora_model_dir")
    if let tree = section["peft_init_lora_weights"] {
      switch tree.content {
      case .bool(true): break
      case .text(let name) where Self.laterInitialisations.contains(name):
        section.refuseNotBuilt("peft_init_lora_weights", built: "true")
      default: section.refuse("peft_init_lora_weights", expected: "true")
      }
    }
    if section.bool("lora_fan_in_fan_out") == true {
      section.refuse("lora_fan_in_fan_out", expected: "false (Qwen2 has no transposed weights)")
    }
    chatTemplate =
      section.choice("chat_template", built: ChatTemplateName.allCases.map(\.rawValue))
      .flatMap(ChatTemplateName.init) ?? chatTemplate
    defaultSystemMessage = section.text("default_system_message")
    readSpecialTokens(&section)
  }

  private static let laterInitialisations = ["gaussian", "init_b", "pissa", "olora"]
  static let projections = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
  ]

  private mutating func readTargets(_ section: inout ConfigurationSection) {
    let key = "lora_target_modules"
    var chosen: Set<String> = []
    if section.bool("lora_target_linear") == true { chosen = Set(Self.projections) }
    let expected = "all-linear or names among \(Self.projections.joined(separator: ", "))"
    for name in section.texts(key, expected: expected) ?? [] {
      if name == "all-linear" {
        chosen.formUnion(Self.projections)
      } else if Self.projections.contains(name) {
        chosen.insert(name)
      } else if let tree = section[key] {
        let nearest = ConfigurationKeys.nearest(to: name, among: Self.projections)
        let hint = nearest.map { "; did you mean `\($0)`?" } ?? ""
        section.report("`\(key)`: expected \(expected), found \"\(name)\"\(hint)", at: tree.place)
      }
    }
    if !chosen.isEmpty { loraTargetModules = Self.projections.filter(chosen.contains) }
  }

  /// Padding is never used, so a `pad_token` changes nothing; any other token would.
  private mutating func readSpecialTokens(_ section: inout ConfigurationSection) {
    guard let tree = section["special_tokens"] else { return }
    ignoredKeys += section.section(tree, prefix: "special_tokens.") { tokens in
      tokens.classifyKeys(
        used: [], notBuilt: ["bos_token", "eos_token", "unk_token", "additional_special_tokens"],
        foreign: [], isWithoutEffect: { $0 == "pad_token" })
    }
  }

  private mutating func readObjective(_ section: inout ConfigurationSection) {
    if section["rl"] == nil {
      section.report(
        "missing key `rl`: supervised fine-tuning is not built yet in this version; built: dpo",
        at: .file)
    } else {
      objective =
        section.choice("rl", built: ["dpo"], notBuilt: ["ipo", "orpo", "simpo", "cpo", "kto"])
        .flatMap(Objective.init) ?? objective
    }
    let betas = ["rl_beta", "dpo_beta"].compactMap { key in
      section.number(key, "a number greater than 0") { $0 > 0 }
    }
    beta = betas.first ?? beta
    if let second = betas.last, second != beta, let tree = section["dpo_beta"] {
      section.report(
        "`dpo_beta: \(tree.source)` is another name of `rl_beta`, which is \(beta): give one",
        at: tree.place)
    }
    let losses = section.texts("dpo_loss_type", expected: "sigmoid") ?? ["sigmoid"]
    if losses != ["sigmoid"] {
      if losses.allSatisfy(Self.knownLosses.contains) {
        section.refuseNotBuilt("dpo_loss_type", built: "sigmoid")
      } else {
        section.refuse("dpo_loss_type", expected: "sigmoid")
      }
    }
    labelSmoothing =
      section.number("dpo_label_smoothing", "a number from 0 to less than 0.5") {
        (0..<0.5).contains($0)
      } ?? labelSmoothing
    precomputesReferenceLogProbs =
      section.bool("precompute_ref_log_probs") ?? precomputesReferenceLogProbs
    referenceLogProbsCache = section.path("ref_log_probs_cache")
  }

  /// TRL's `loss_type` values.
  private static let knownLosses: Set<String> = [
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
  ]

  private mutating func readData(_ section: inout ConfigurationSection) {
    datasets = readDatasets("datasets", &section)
    if section["datasets"] == nil {
      section.refuse("datasets", expected: "a list of data sets, each with a path")
    }
    testDatasets = readDatasets("test_datasets", &section)
    let expected = "a share from 0 to less than 1, or a whole number of examples"
    let held = section.number("val_set_size", expected) {
      (0..<1).contains($0) || ($0 >= 1 && Int(exactly: $0) != nil)
    }
    if let held, held > 0 {
      heldOut = held < 1 ? .share(held) : .count(Int(held))
      if !testDatasets.isEmpty, let tree = section["val_set_size"] {
        section.report("`val_set_size` and `test_datasets` exclude each other: give one", at: tree.place)
      }
    }
    sequenceLength = section.integer("sequence_len", atLeast: 2) ?? sequenceLength
    let strategy = section.choice(
      "excess_length_strategy", built: ["truncate_middle", "drop", "error", "raise"])
    // axolotl says `raise`, which is an error here.
    excessLengthStrategy =
      strategy.map { ExcessLengthStrategy(rawValue: $0) ?? .error } ?? excessLengthStrategy
    shufflesMergedDatasets = section.bool("shuffle_merged_datasets") ?? shufflesMergedDatasets
    usesCurriculumSampling = section.bool("curriculum_sampling") ?? usesCurriculumSampling
  }

  private mutating func readDatasets(
    _ key: String, _ section: inout ConfigurationSection
  ) -> [DatasetSource] {
    guard let tree = section[key] else { return [] }
    guard case .list(let items) = tree.content, !items.isEmpty else {
      section.refuse(key, expected: "a list of data sets, each with a path")
      return []
    }
    var sources: [DatasetSource] = []
    for (index, item) in items.enumerated() {
      let prefix = "\(key).\(index)."
      sources.append(section.section(item, prefix: prefix) { entry in
        ignoredKeys += entry.classifyKeys(
          used: ConfigurationKeys.usedOfDataset, notBuilt: ConfigurationKeys.notBuiltOfDataset,
          foreign: [], isWithoutEffect: ConfigurationKeys.withoutEffectOfDataset.contains)
        return DatasetSource(&entry)
      })
    }
    return sources
  }

  private mutating func readBatches(_ section: inout ConfigurationSection) {
    let micro = section.integer("micro_batch_size", atLeast: 1)
    let accumulation = section.integer("gradient_accumulation_steps", atLeast: 1)
    let total = section.integer("batch_size", atLeast: 1)
    let (product, overflows) = (micro ?? 1).multipliedReportingOverflow(by: accumulation ?? 1)
    batchSize = total ?? product
    // With one factor missing it is the quotient, so the other one has to divide.
    let isWhole = micro == nil || accumulation == nil ? batchSize % max(1, product) == 0 : batchSize == product
    if overflows || !isWhole, let tree = section["batch_size"] ?? section["micro_batch_size"] {
      section.report(
        "`batch_size` (\(batchSize)) is not `micro_batch_size` (\(micro ?? 1)) x "
          + "`gradient_accumulation_steps` (\(accumulation ?? 1))", at: tree.place)
    }
    epochs = section.number("num_epochs", "a number greater than 0") { $0 > 0 } ?? epochs
    maximumSteps = section.integer("max_steps", atLeast: 1)
    seed = section.integer("seed", atLeast: 0) ?? seed
    if case .text("auto")? = section["gradient_checkpointing"]?.content {
      section.refuseNotBuilt("gradient_checkpointing", built: "true, false")
    } else {
      gradientCheckpointing = section.bool("gradient_checkpointing") ?? gradientCheckpointing
    }
  }

  private mutating func readOptimizer(_ section: inout ConfigurationSection) {
    // Three implementations of one algorithm.
    _ = section.choice(
      "optimizer", built: ["adamw_torch", "adamw_torch_fused", "adamw_hf"], notBuilt: ["lion"])
    let positive = "a number greater than 0"
    if let rate = section.number("learning_rate", positive, where: { $0 > 0 }) {
      learningRate = rate
    } else if section["learning_rate"] == nil {
      section.refuse("learning_rate", expected: positive)
    }
    let isDecay = { (value: Double) in (0..<1).contains(value) }
    adamBeta1 = section.number("adam_beta1", "a number from 0 to less than 1", where: isDecay) ?? adamBeta1
    adamBeta2 = section.number("adam_beta2", "a number from 0 to less than 1", where: isDecay) ?? adamBeta2
    adamEpsilon = section.number("adam_epsilon", positive) { $0 > 0 } ?? adamEpsilon
    weightDecay = section.number("weight_decay", "a number of at least 0") { $0 >= 0 } ?? weightDecay
    maximumGradientNorm =
      section.number("max_grad_norm", "a number of at least 0 (0 clips nothing)") { $0 >= 0 }
      ?? maximumGradientNorm
  }

  private mutating func readSchedule(_ section: inout ConfigurationSection) {
    schedule =
      section.choice(
        "lr_scheduler", built: LearningRateSchedule.Shape.allCases.map(\.rawValue),
        notBuilt: ["inverse_sqrt_cooldown", "warmup_stable_decay"]
      ).flatMap(LearningRateSchedule.Shape.init) ?? schedule
    if let steps = section.integer("warmup_steps", atLeast: 0), steps > 0 { warmup = .steps(steps) }
    let ratio = section.number("warmup_ratio", "a share from 0 to 1") { (0...1).contains($0) }
    if let ratio, ratio > 0 {
      if warmup != .none, let tree = section["warmup_ratio"] {
        section.report("`warmup_ratio` and `warmup_steps` exclude each other: give one", at: tree.place)
      }
      warmup = .ratio(ratio)
    }
    if schedule == .constant, warmup != .none {
      // As in transformers, where `constant` takes no notice of a warm-up.
      ignoredKeys.append(section["warmup_ratio"] == nil ? "warmup_steps" : "warmup_ratio")
      warmup = .none
    }
    cosineMinimumRatio = section.number("cosine_min_lr_ratio", "a share from 0 to 1") {
      (0...1).contains($0)
    }
    if schedule != .cosine, let tree = section["cosine_min_lr_ratio"] {
      section.report(
        "`cosine_min_lr_ratio` needs `lr_scheduler: cosine`, found \(schedule.rawValue)", at: tree.place)
    }
  }

  private mutating func readReports(_ section: inout ConfigurationSection) {
    evaluations = readInterval("eval_steps", "evals_per_epoch", &section) ?? evaluations
    saves = readInterval("save_steps", "saves_per_epoch", &section) ?? saves
    saveTotalLimit = section.integer("save_total_limit", atLeast: 1)
    loggingSteps = section.integer("logging_steps", atLeast: 1) ?? loggingSteps
    if let path = section.path("output_dir") {
      outputDirectory = path
    } else if section["output_dir"] == nil {
      section.refuse("output_dir", expected: "a directory for the run's files")
    }
    resumeFromCheckpoint = section.path("resume_from_checkpoint")
    autoResumesFromCheckpoints =
      section.bool("auto_resume_from_checkpoints") ?? autoResumesFromCheckpoints
  }

  private func readInterval(
    _ steps: String, _ perEpoch: String, _ section: inout ConfigurationSection
  ) -> Interval? {
    let everySteps = section.integer(steps, atLeast: 0)
    let timesPerEpoch = section.integer(perEpoch, atLeast: 0)
    if everySteps != nil, timesPerEpoch != nil, let tree = section[perEpoch] {
      section.report("`\(perEpoch)` and `\(steps)` exclude each other: give one", at: tree.place)
    }
    if let everySteps { return everySteps == 0 ? .never : .steps(everySteps) }
    if let timesPerEpoch { return timesPerEpoch == 0 ? .never : .perEpoch(timesPerEpoch) }
    return nil
  }
}

extension RunConfiguration.DatasetSource {
  fileprivate init(_ entry: inout ConfigurationSection) {
    let expected = "a file, a directory or a list of them"
    var files = entry.texts("data_files", expected: expected)
    if entry["path"]?.isText("json") == true, files != nil {
      // The hub library's name of its reader for local files, not a path.
    } else if let path = entry.path("path") {
      if files != nil, let tree = entry["data_files"] {
        entry.report("`\(entry.prefix)path` and `data_files` exclude each other: give one", at: tree.place)
      }
      files = [path]
    } else if files == nil, entry["data_files"] == nil, entry["path"] == nil {
      entry.report("`\(entry.prefix)path`: expected \(expected), found nothing", at: entry.place)
    }
    paths = files ?? []
    _ = entry.choice("ds_type", built: ["json"])
    entry.refuseNotBuilt("type", built: "none (TRL's prompt, chosen, rejected)")
    split = entry.text("split")
    promptField = entry.text("field_prompt")
    chosenField = entry.text("field_chosen")
    rejectedField = entry.text("field_rejected")
  }
}

extension ConfigurationTree {
  fileprivate func isText(_ text: String) -> Bool {
    if case .text(text) = content { true } else { false }
  }
}
