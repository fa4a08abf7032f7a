// What ties several keys together: pairs that exclude or need each other, numbers that must agree.

import Checkpoints
import Corpus
import Model

extension RunConfiguration {
  /// Applies every rule. The values have been read; the section says which of them were given, and where.
  mutating func applyRules(_ section: inout ConfigurationSection) {
    checkQuantization(&section)
    checkRandomWeights(&section)
    checkVariant(&section)
    findTemplate(&section)
    settleTurns()
    checkTypes(&section)
    checkSystemMessage(&section)
    checkORPOAlpha(&section)
    checkIPO(&section)
    checkLossWeights(&section)
    checkLabelSmoothing(&section)
    settleStartingAdapter(&section)
    settleReference(section)
    settleDecay(&section)
    multiplyBatch(&section)
    settlePacking(&section)
    checkMemory(&section)
    checkSchedule(&section)
    settleStrategies(&section)
    checkEvaluations(&section)
    settleBest(&section)
    checkResumption(&section)
    settleBeta(&section)
    settleTokens(&section)
    checkWithoutInfluence(&section)
    noteDefaults(&section)
  }

  /// `chat_template_jinja` is the template if it is asked for or alone; a data set's own template is the run's.
  private mutating func findTemplate(_ section: inout ConfigurationSection) {
    var isNamed = section["chat_template"] != nil
    if let jinja = section.value("chat_template_jinja", as: .text), !jinja.isEmpty {
      if isNamed, chatTemplate != .text("") {
        section.report(
          "`chat_template_jinja` goes with `chat_template: jinja`, found \(chatTemplate.word): give one",
          about: "chat_template_jinja")
      }
      chatTemplate = !jinja.contains("{") || HubFiles.exists(jinja) ? .file(jinja) : .text(jinja)
      isNamed = true
    } else if chatTemplate == .text("") || datasets.contains(where: { $0.template == .text("") }) {
      section.report(
        "`chat_template: jinja` needs `chat_template_jinja`, a text or a file",
        about: isNamed ? "chat_template" : "datasets")
    }
    // `conversation: chatml` of an older data set gives way to the run's template.
    if isNamed, chatTemplate != .named(.chatml) {
      for place in datasets.indices
      where datasets[place].type == .shareGPT && datasets[place].template == .named(.chatml) {
        datasets[place].template = nil
      }
    }
    let users = (datasets + testDatasets).filter { $0.type?.usesTemplate ?? true }
    let named = users.compactMap { $0.template == .text("") ? chatTemplate : $0.template }
    guard let first = named.first else { return }
    if !isNamed, named.count == users.count { chatTemplate = first }
    if let other = named.first(where: { $0 != chatTemplate }) {
      section.report(
        "`chat_template` of a data set is \(other.word), and that of the run \(chatTemplate.word): one template serves all "
          + "data sets of a run, since the tuned model is asked with one", about: "datasets")
    }
  }

  private mutating func settleTurns() {
    for place in datasets.indices { datasets[place].fields.turns.endOfTurnTokens = endOfTurnTokens }
    for place in testDatasets.indices { testDatasets[place].fields.turns.endOfTurnTokens = endOfTurnTokens }
  }

  /// What a type has no records of is found before any file is read.
  private func checkTypes(_ section: inout ConfigurationSection) {
    let kind = objective.exampleKind
    for (key, sources) in [("datasets", datasets), ("test_datasets", testDatasets)] {
      for (place, source) in sources.enumerated() {
        guard let type = source.type, !type.kinds.contains(kind) else { continue }
        section.report("`\(key).\(place).type`: \(type.problem(with: kind))", about: key)
      }
      for (place, source) in sources.enumerated() {
        guard case .own(let format)? = source.type, format.kinds.contains(kind) else { continue }
        for name in format.unread(by: kind) { section.ignore("\(key).\(place).type.\(name)") }
      }
    }
  }

  private func checkSystemMessage(_ section: inout ConfigurationSection) {
    guard let message = defaultSystemMessage, !ChatTemplate.isPlain(message) else { return }
    section.report(
      "`default_system_message` spells a special token of ChatML, which every program that reads the run's template "
        + "would take for the token: leave it out", about: "default_system_message")
  }

  private func checkORPOAlpha(_ section: inout ConfigurationSection) {
    guard case .orpo(let beta) = objective, let name = ["rl_beta", "dpo_beta"].first(where: { section[$0] != nil })
    else { return }
    if let other = section.value(name, as: .positive), other != beta {
      section.refuse("orpo_alpha", asAnotherNameOf: name)
    }
  }

  private func checkIPO(_ section: inout ConfigurationSection) {
    let name: ObjectiveKeys.Name? = section.value("rl", as: .choice())
    if name == .ipo, let tree = section["dpo_loss_type"], let losses = section.value("dpo_loss_type", as: .losses),
      losses != [.ipo]
    {
      section.report("`rl: ipo` is `dpo_loss_type: ipo`, found \(tree.source): give one", about: "dpo_loss_type")
    }
  }

  private func checkLossWeights(_ section: inout ConfigurationSection) {
    let losses = section["dpo_loss_type"] == nil ? [.sigmoid] : section.value("dpo_loss_type", as: .losses)
    if let losses, let weights = section.value("dpo_loss_weights", as: .lossWeights), weights.count != losses.count {
      section.refuse(
        "dpo_loss_weights", expected: "\(losses.count) numbers, one for each of `dpo_loss_type`",
        found: "\(weights.count)")
    }
  }

  private func checkLabelSmoothing(_ section: inout ConfigurationSection) {
    guard case .dpo(let family) = objective else { return }
    for loss in family.losses.map(\.loss) where !loss.accepts(labelSmoothing: family.labelSmoothing) {
      section.report(
        "`dpo_loss_type: \(loss.rawValue)` needs `dpo_label_smoothing` greater than 0 (0.001 is usual), found "
          + "\(family.labelSmoothing)", about: "dpo_loss_type")
    }
  }

  /// What is said of an adapter that exists is compared with it when it is opened.
  private mutating func settleStartingAdapter(_ section: inout ConfigurationSection) {
    guard startingAdapter != nil else { return }
    if adapter == nil {
      section.report(
        "`lora_model_dir` names an adapter to go on with, and there is no `adapter`: all weights would be trained; give "
          + "`adapter: lora`, or remove it", about: "lora_model_dir")
    }
    let keys = ["lora_r", "lora_alpha", "lora_target_modules", "peft_use_rslora", "peft_use_dora"]
    statedAdapterKeys = Set(keys.filter { section[$0] != nil })
    if let linear = section["lora_target_linear"], !linear.isOff { statedAdapterKeys.insert("lora_target_modules") }
  }

  /// A fresh adapter changes nothing yet, so the base is the same reference.
  /// As in TRL, a run that starts from an adapter refers to a copy of it, unless the key says otherwise.
  private mutating func settleReference(_ section: ConfigurationSection) {
    if startingAdapter == nil || !objective.usesReference {
      refersToStartingAdapter = false
    } else if section["rl_adapter_ref_model"].map(\.isNull) ?? true {
      refersToStartingAdapter = true
    }
  }

  /// The groups of PEFT's LoRA+ have a decay of their own.
  private mutating func settleDecay(_ section: inout ConfigurationSection) {
    guard loraPlus != nil, weightDecay > 0 else { return }
    section.ignore("weight_decay (loraplus_weight_decay takes its place)")
    weightDecay = 0
  }

  private mutating func multiplyBatch(_ section: inout ConfigurationSection) {
    let micro = section.value("micro_batch_size", as: .batchFactor)
    let accumulation = section.value("gradient_accumulation_steps", as: .batchFactor)
    let total = section.value("batch_size", as: .batchFactor)
    // No factor is large enough for the product to overflow.
    let product = (micro ?? 1) * (accumulation ?? 1)
    batchSize = total ?? product
    microBatchSize = packs ? micro ?? accumulation.map { max(1, batchSize / $0) } ?? 1 : 1
    // With one factor missing it is the quotient, so the other one has to divide.
    let isWhole = micro == nil || accumulation == nil ? batchSize % product == 0 : batchSize == product
    if !isWhole {
      section.report(
        "`batch_size` (\(batchSize)) is not `micro_batch_size` (\(micro ?? 1)) x "
          + "`gradient_accumulation_steps` (\(accumulation ?? 1))", about: "batch_size")
    }
    if case .kto = objective, batchSize < 2 {
      let key = ["batch_size", "micro_batch_size"].first { section[$0] != nil } ?? "rl"
      section.report(
        "`rl: kto` needs at least 2 examples per step, since each is compared with another's completion, found "
          + "\(batchSize): raise `micro_batch_size` or `gradient_accumulation_steps`", about: key)
    }
  }

  private mutating func settlePacking(_ section: inout ConfigurationSection) {
    if packs {
      // axolotl's default: a kernel that separates examples itself gets one long row.
      guard section["multipack_real_batches"] == nil, let kernel = Self.packingKernel(section) else { return }
      packing.usesRealBatches = false
      if microBatchSize > 1 { section.ignoredKeys.removeAll { $0 == kernel } }
    } else if packsSamples {
      section.ignore("sample_packing (preference data are never packed)")
      packsSamples = false
    }
  }

  /// The key that names a kernel for which axolotl packs.
  private static func packingKernel(_ section: ConfigurationSection) -> String? {
    let switches = ["flash_attention", "flex_attention", "xformers_attention", "sage_attention"]
    if let name = switches.first(where: { section[$0]?.truth == true }) { return name }
    let key = "attn_implementation"
    guard case .text(let name)? = section[key]?.content else { return nil }
    let hub = ["flash-attn2", "flash-attn3", "sage-attention"].map { "kernels-community/\($0)" }
    let names = ["flash_attention_2", "flash_attention_3", "flex_attention", "xformers", "sage"] + hub
    return names.contains(name) ? key : nil
  }

  private func checkMemory(_ section: inout ConfigurationSection) {
    if memoryLimit != nil, gradientCheckpointing != .automatic {
      section.report("`memory_limit` needs `gradient_checkpointing: auto`", about: "memory_limit")
    }
  }

  private mutating func checkSchedule(_ section: inout ConfigurationSection) {
    let steps = section.value("warmup_steps", as: .stepsOrShare) ?? 0
    let share = section.value("warmup_ratio", as: .share) ?? 0
    if steps > 0, share > 0 { section.exclude("warmup_ratio", "warmup_steps") }
    let arguments = section.value("lr_scheduler_kwargs", as: .scheduleArguments)
    if let arguments { settleSchedule(arguments, &section) }
    if schedule != .cosine, schedule != .inverseSqrtCooldown, section["cosine_min_lr_ratio"] != nil {
      section.report(
        "`cosine_min_lr_ratio` needs `lr_scheduler: cosine` or inverse_sqrt_cooldown, found \(schedule.rawValue)",
        about: "cosine_min_lr_ratio")
    }
    if case .text("cosine_with_min_lr")? = section["lr_scheduler"]?.content, cosineMinimumRatio == nil {
      section.report(
        "`lr_scheduler: cosine_with_min_lr` needs the rate it ends with: give `lr_scheduler_kwargs: {min_lr: …}`, or "
          + "`cosine_min_lr_ratio`", about: "lr_scheduler")
    }
    if hasQuadraticWarmup, cosineMinimumRatio != nil {
      section.ignore("cosine_min_lr_ratio (lr_quadratic_warmup ends at 0)")
      cosineMinimumRatio = nil
    }
    if schedule.hasCooldown, section["cooldown_steps"] == nil, arguments?.decaySteps == nil {
      section.refuse("cooldown_steps", expected: "how many steps `lr_scheduler: \(schedule.rawValue)` ends with")
    }
  }

  /// What transformers' arguments say has keys of its own here.
  private mutating func settleSchedule(_ arguments: ScheduleArguments, _ section: inout ConfigurationSection) {
    let key = "lr_scheduler_kwargs"
    func give(_ argument: String, _ name: String, if isItsOwn: Bool, _ schedules: String) -> Bool {
      if !isItsOwn {
        section.report(
          "`\(key).\(argument)` needs `lr_scheduler: \(schedules)`, found \(schedule.rawValue)", about: key)
      } else if section[name] != nil {
        section.exclude("\(key).\(argument)", name)
      }
      return isItsOwn
    }
    if arguments.minimumRate != nil, arguments.minimumRatio != nil { section.exclude("\(key).min_lr", "min_lr_rate") }
    if let rate = arguments.minimumRate, give("min_lr", "cosine_min_lr_ratio", if: schedule == .cosine, "cosine") {
      if rate > learningRate {
        section.report("`\(key).min_lr`: expected at most `learning_rate` (\(learningRate)), found \(rate)", about: key)
      }
      cosineMinimumRatio = rate / learningRate
    }
    if let ratio = arguments.minimumRatio, give("min_lr_rate", "cosine_min_lr_ratio", if: schedule == .cosine, "cosine")
    {
      cosineMinimumRatio = ratio
    }
    if let steps = arguments.decaySteps,
      give("num_decay_steps", "cooldown_steps", if: schedule.hasCooldown, "warmup_stable_decay")
    {
      cooldownSteps = steps
    }
  }

  private func checkResumption(_ section: inout ConfigurationSection) {
    if case .bool(true)? = section["resume_from_checkpoint"]?.content, !autoResumesFromCheckpoints {
      section.exclude("resume_from_checkpoint: true", "auto_resume_from_checkpoints: false")
    }
  }

  private func checkEvaluations(_ section: inout ConfigurationSection) {
    for (perEpoch, steps) in [("evals_per_epoch", "eval_steps"), ("saves_per_epoch", "save_steps")]
    where section[perEpoch] != nil && section[steps] != nil { section.exclude(perEpoch, steps) }
    if heldOut != nil, !testDatasets.isEmpty { section.exclude("val_set_size", "test_datasets") }
    if sampleDocuments > 0, !holdsOut {
      section.report("`sample_documents` needs `val_set_size` or `test_datasets`", about: "sample_documents")
    }
    guard earlyStoppingPatience != nil else { return }
    let key = "early_stopping_patience"
    if evaluations == .never { section.report("`\(key)` needs `eval_steps` or `evals_per_epoch`", about: key) }
    if !holdsOut, !comparesByTask {
      section.report("`\(key)` needs `val_set_size` or `test_datasets`, or a metric of `eval_tasks`", about: key)
    }
  }
}
