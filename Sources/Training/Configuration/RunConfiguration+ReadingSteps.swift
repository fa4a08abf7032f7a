// The part of a configuration that says how steps are made, reported and saved.

import Tensors

extension RunConfiguration {
  mutating func readBatches(_ section: inout ConfigurationSection) {
    let micro = section.integer("micro_batch_size", atLeast: 1)
    let accumulation = section.integer("gradient_accumulation_steps", atLeast: 1)
    let total = section.integer("batch_size", atLeast: 1)
    let (product, overflows) = (micro ?? 1).multipliedReportingOverflow(by: accumulation ?? 1)
    batchSize = total ?? product
    // With one factor missing it is the quotient, so the other one has to divide.
    let isWhole =
      micro == nil || accumulation == nil ? batchSize % max(1, product) == 0 : batchSize == product
    if overflows || !isWhole, let tree = section["batch_size"] ?? section["micro_batch_size"] {
      section.report(
        "`batch_size` (\(batchSize)) is not `micro_batch_size` (\(micro ?? 1)) x "
          + "`gradient_accumulation_steps` (\(accumulation ?? 1))", at: tree.place)
    }
    epochs = section.number("num_epochs", "a number greater than 0") { $0 > 0 } ?? epochs
    maximumSteps = section.integer("max_steps", atLeast: 1)
    seed = section.integer("seed", atLeast: 0, atMost: .max) ?? seed
    if case .kto = objective, batchSize < 2 {
      section.report(
        "`rl: kto` needs at least 2 examples per step, since each is compared with another's completion, found "
          + "\(batchSize): raise `micro_batch_size` or `gradient_accumulation_steps`",
        at: (section["batch_size"] ?? section["micro_batch_size"] ?? section["rl"])?.place ?? .file)
    }
    readMemory(&section)
  }

  private mutating func readMemory(_ section: inout ConfigurationSection) {
    if case .text("auto")? = section["gradient_checkpointing"]?.content {
      gradientCheckpointing = .automatic
    } else if let isOn = section.bool("gradient_checkpointing") {
      gradientCheckpointing = isOn ? .on : .off
    }
    guard let tree = section["memory_limit"], let text = section.text("memory_limit") else { return }
    memoryLimit = ByteCount.bytes(text)
    if memoryLimit == nil {
      section.refuse("memory_limit", expected: "a size such as 12GB or 800MB")
    } else if gradientCheckpointing != .automatic {
      section.report("`memory_limit` needs `gradient_checkpointing: auto`", at: tree.place)
    }
  }

  mutating func readOptimizer(_ section: inout ConfigurationSection) {
    // Implementations of the same two algorithms.
    let names = ["adamw_torch", "adamw_torch_fused", "adamw_hf", "lion", "lion_32bit"]
    if let name = section.choice("optimizer", built: names) { optimizer = name.hasPrefix("lion") ? .lion : .adamW }
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
    readLoRAPlus(&section)
  }

  private mutating func readLoRAPlus(_ section: inout ConfigurationSection) {
    let ratio = section.number("loraplus_lr_ratio", "a number greater than 0") { $0 > 0 }
    let decay = section.number("loraplus_weight_decay", "a number of at least 0") { $0 >= 0 }
    _ = section.number("loraplus_lr_embedding", "a number greater than 0") { $0 > 0 }
    // No embedding has an adapter here.
    if section["loraplus_lr_embedding"] != nil { ignoredKeys.append("loraplus_lr_embedding") }
    guard let ratio else {
      if decay != nil { ignoredKeys.append("loraplus_weight_decay") }
      return
    }
    loraPlus = LoRAPlus(ratio: ratio, weightDecay: decay ?? 0)
    // PEFT's groups have a decay of their own.
    if weightDecay > 0 { ignoredKeys.append("weight_decay (loraplus_weight_decay takes its place)") }
    weightDecay = 0
  }

  mutating func readSchedule(_ section: inout ConfigurationSection) {
    schedule =
      section.choice(
        "lr_scheduler", built: LearningRateSchedule.Shape.allCases.map(\.rawValue)
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
    readCooldown(&section)
  }

  private mutating func readCooldown(_ section: inout ConfigurationSection) {
    let steps = section.integer("cooldown_steps", atLeast: 0)
    if schedule.hasCooldown {
      if section["cooldown_steps"] == nil {
        section.refuse("cooldown_steps", expected: "how many steps `lr_scheduler: \(schedule.rawValue)` ends with")
      }
      cooldownSteps = steps ?? cooldownSteps
    } else if steps != nil {
      ignoredKeys.append("cooldown_steps")
    }
  }

  mutating func readReports(_ section: inout ConfigurationSection) {
    evaluations = readInterval("eval_steps", "evals_per_epoch", &section) ?? evaluations
    saves = readInterval("save_steps", "saves_per_epoch", &section) ?? saves
    saveTotalLimit = section.integer("save_total_limit", atLeast: 1)
    saveMinutes =
      section.number("save_minutes", "minutes from 0 (never) to 1e6") { (0...1e6).contains($0) } ?? saveMinutes
    loggingSteps = section.integer("logging_steps", atLeast: 1) ?? loggingSteps
    if let path = section.path("output_dir") {
      outputDirectory = path
    } else if section["output_dir"] == nil {
      section.refuse("output_dir", expected: "a directory for the run's files")
    }
    resumeFromCheckpoint = section.path("resume_from_checkpoint")
    autoResumesFromCheckpoints =
      section.bool("auto_resume_from_checkpoints") ?? autoResumesFromCheckpoints
    sampleDocuments = section.integer("sample_documents", atLeast: 0) ?? sampleDocuments
    if sampleDocuments > 0, heldOut == nil, testDatasets.isEmpty, let tree = section["sample_documents"] {
      section.report("`sample_documents` needs `val_set_size` or `test_datasets`", at: tree.place)
    }
    earlyStoppingPatience = section.integer("early_stopping_patience", atLeast: 1)
    if earlyStoppingPatience != nil, let tree = section["early_stopping_patience"] {
      if evaluations == .never {
        section.report("`early_stopping_patience` needs `eval_steps` or `evals_per_epoch`", at: tree.place)
      }
      if heldOut == nil, testDatasets.isEmpty {
        section.report("`early_stopping_patience` needs `val_set_size` or `test_datasets`", at: tree.place)
      }
    }
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
