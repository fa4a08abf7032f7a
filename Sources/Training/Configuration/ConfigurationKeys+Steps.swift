// The keys of steps, memory, optimizer and schedule.

import Corpus
import Tensors

extension ConfigurationKeys {
  static let steps = [
    Key("micro_batch_size", \.microBatchSize, .batchFactor, "A factor of `batch_size`.")
      .telling("batch_size").written { $0.packs }.standing(at: "1").elsewhere("per_device_train_batch_size"),
    Key("gradient_accumulation_steps", .batchFactor, "A factor of `batch_size`.")
      .part(of: "batch_size").standing(at: "1").elsewhere("grad_accumulation_steps"),
    Key(
      "batch_size", \.batchSize, .batchFactor,
      "Examples per optimizer step of the whole world: `micro_batch_size` x `gradient_accumulation_steps`."
    ).standing(at: "the product"),
    Key(
      "sample_packing", \.packsSamples, .bool,
      "Supervised fine-tuning packs whole examples into rows of `sequence_len` tokens, as axolotl does, and a row is "
        + "what `micro_batch_size` counts (docs/objectives.md). Preference data are never packed."
    ).elsewhere("packing", "neat_packing"),
    Key(
      "multipack_real_batches", \.packing.usesRealBatches, .bool,
      "Packs `micro_batch_size` rows of `sequence_len` tokens; `false`: one row of as many tokens as these."
    ).effective { $0.packs }.standing(at: "`false` with `flash_attention` and other kernels that axolotl packs for"),
    Key("sample_packing_group_size", \.packing.groupSize, .batchFactor, "Examples that are packed at a time.")
      .effective { $0.packs },
    Key(
      "sample_packing_bin_size", \.packing.mostExamplesPerRow, .integer(from: 0),
      "The most examples of a row; 0 is no limit."
    ).effective { $0.packs },
    Key(
      "sample_packing_sequentially", \.packing.isSequential, .bool,
      "Fills one row after the other, in the examples' order, instead of taking the first row with room."
    ).effective { $0.packs },
    Key(
      "sample_packing_eff_est", \.packing.efficiencyEstimate, .positive,
      "Counts steps from this estimate of how full rows are, as axolotl does, instead of from the rows."
    ).effective { $0.packs },
    Key(
      "dataloader_drop_last", \.packing.dropsLastStep, .bool, "A packed run has one step fewer for every epoch."
    ).effective { $0.packs },
    Key("num_epochs", \.epochs, .positive, "How often all data is trained on.").elsewhere("num_train_epochs", "epochs"),
    Key("max_steps", \.maximumSteps, .limit, "Optimizer steps, instead of `num_epochs`.").elsewhere("iters"),
    Key(
      "seed", \.seed, .integer(from: 0, to: .max),
      "The seed of the adapter, dropout, the data's order and `val_set_size`."),
    Key(
      "neftune_noise_alpha", \.embeddingNoise, .nonNegative,
      "NEFTune: in training each embedded token gets uniform noise up to α / √(tokens x hidden size)."
    ).also("noisy_embedding_alpha"),
    Key(
      "gradient_checkpointing", \.gradientCheckpointing, .checkpointing,
      "Computes layers twice instead of keeping them; `auto`: as many as memory demands."
    ).changeableOnResume(),
    Key(
      "memory_limit", \.memoryLimit, .byteCount,
      "The memory of one process that `auto` keeps to, without the mapped weights; empty: what the machine or container "
        + "has beside them."
    ).changeableOnResume(),
  ]

  static let optimizer = [
    Key(
      "optimizer", \.optimizer, .optimizer,
      "AdamW or Lion, under every name of their implementations (`adamw_bnb_8bit`, `paged_lion_32bit`, …); the states "
        + "are in 32 bits."
    ).elsewhere("optim"),
    Key("learning_rate", \.learningRate, .positive, "The highest learning rate.").required().elsewhere("lr"),
    Key("adam_beta1", \.adamBeta1, .belowOne, "β₁ of AdamW and of Lion."),
    Key("adam_beta2", \.adamBeta2, .belowOne, "β₂ of AdamW and of Lion."),
    Key("adam_epsilon", \.adamEpsilon, .positive, "ε of AdamW."),
    Key("weight_decay", \.weightDecay, .nonNegative, "Decay of the adapter, times the learning rate."),
    Key("loraplus_lr_ratio", \.loraPlusRatio, .positive, "LoRA+: how many times as fast B learns as A."),
    Key("loraplus_weight_decay", \.loraPlusDecay, .nonNegative, "LoRA+: takes the place of `weight_decay`.")
      .effective { $0.loraPlus != nil }.standing(at: "0.0"),
    Key(
      "max_grad_norm", \.maximumGradientNorm, .number("a number of at least 0 (0 clips nothing)") { $0 >= 0 },
      "A longer gradient is shortened to this norm."),
    Key(
      "lr_scheduler", \.schedule, .schedule,
      "How the learning rate changes after the warm-up (docs/objectives.md)."
    ).elsewhere("lr_scheduler_type"),
    Key(
      "lr_scheduler_kwargs", .scheduleArguments,
      "transformers' way to give `cosine_min_lr_ratio` (as a rate: `min_lr`) and `cooldown_steps`."
    ).part(of: "cosine_min_lr_ratio", "cooldown_steps"),
    Key("warmup_steps", \.warmup.stepCount, .stepsOrShare, "Steps in which the learning rate rises from 0.")
      .effective { $0.schedule != .constant },
    Key("warmup_ratio", \.warmup.share, .share, "The share of all steps that do, instead of `warmup_steps`.")
      .effective { $0.schedule != .constant },
    Key(
      "cosine_min_lr_ratio", \.cosineMinimumRatio, .share,
      "Where `cosine` ends, as a share of the learning rate, or what `inverse_sqrt_cooldown` falls to before its "
        + "cooldown; 1: its rate does not fall."),
    Key(
      "cosine_constant_lr_ratio", \.cosineConstantRatio, .share,
      "The share of all steps after which `cosine` stays at `cosine_min_lr_ratio`; 0 is all."
    ).effective { $0.schedule == .cosine && ($0.cosineMinimumRatio ?? 0) > 0 && !$0.hasQuadraticWarmup },
    Key(
      "lr_quadratic_warmup", \.hasQuadraticWarmup, .bool,
      "The warm-up of `cosine` rises with the square of the steps, and the cosine ends at 0."
    ).effective { $0.schedule == .cosine }.standing(at: "false"),
    Key("cooldown_steps", \.cooldownSteps, .integer(from: 0), "The last steps, of schedules that end with a cooldown.")
      .absent { $0.schedule.hasCooldown }.standing(at: "required by such a schedule"),
  ]
}

extension ValueKind where Value == Int {
  static var batchFactor: Self { .integer(from: 1) }

  static var byteCount: Self {
    Self("a size such as 12GB or 800MB") { tree in
      if case .text(let text) = tree.content { ByteCount.bytes(text) } else { nil }
    } write: {
      .text("\(Double($0) / 1e9)GB")
    }
  }
}

extension ValueKind where Value == OptimizerName {
  static var optimizer: Self {
    // The same numbers by other means.
    let exact: [Word<Value>] = [
      ("adamw_torch_fused", .adamW), ("adamw_torch_xla", .adamW), ("adamw_torch_npu_fused", .adamW),
      ("adamw_apex_fused", .adamW), ("adamw_anyprecision", .adamW), ("adamw_hf", .adamW), ("paged_adamw", .adamW),
      ("paged_adamw_32bit", .adamW),
      ("lion_pytorch", .lion), ("lion_32bit", .lion), ("paged_lion_32bit", .lion),
    ]
    // Moments that are rounded to save memory.
    let rounded: [Word<Value>] = [
      ("adamw_bnb_8bit", .adamW), ("adamw_8bit", .adamW), ("adamw_torch_8bit", .adamW), ("adamw_torch_4bit", .adamW),
      ("ao_adamw_8bit", .adamW), ("ao_adamw_4bit", .adamW), ("ao_adamw_fp8", .adamW), ("paged_adamw_8bit", .adamW),
      ("flash_adamw", .adamW),
      ("lion_8bit", .lion), ("paged_lion_8bit", .lion),
    ]
    // Other optimizers, or the same with other numbers where none are given.
    let others = """
      adafactor adagrad adalomo ademamix ademamix_8bit adopt_adamw apollo_adamw apollo_adamw_layerwise came_pytorch dion
      flash_adam flash_lion flash_sgd flash_sgdw galore_adafactor galore_adafactor_layerwise galore_adamw
      galore_adamw_8bit galore_adamw_8bit_layerwise galore_adamw_layerwise grokadamw lomo muon optimi_adamw
      paged_ademamix_32bit paged_ademamix_8bit q_galore_adamw8bit rmsprop rmsprop_bnb rmsprop_bnb_32bit rmsprop_bnb_8bit
      schedule_free_adamw schedule_free_radam schedule_free_sgd sgd sinkgd stable_adamw
      """.split(whereSeparator: \.isWhitespace).map(String.init)
    let all = choice(Value.words + exact + rounded)
    let text = choice(Value.words).text
    return Self(text) { section, key, tree in
      guard let value = section.value(key, as: all) else {
        if others.contains(tree.source) {
          section.refuseNotBuilt(key, built: "adamw_torch, lion")
        } else {
          section.refuse(key, expected: text)
        }
        return nil
      }
      if rounded.contains(where: { ConfigurationTree.text($0.word).source == tree.source }) {
        section.ignore("\(key): \(tree.source) (it is \(value.rawValue), with states in 32 bits)")
      }
      return value
    } write: {
      all.write($0)
    }
  }
}

extension ValueKind where Value == LearningRateShape {
  static var schedule: Self {
    let words = choice(or: [("cosine_with_min_lr", .cosine)])
    let others = [
      "cosine_warmup_with_min_lr", "cosine_with_restarts", "greedy", "inverse_sqrt", "one_cycle", "polynomial",
      "reduce_lr_on_plateau", "rex",
    ]
    return Self(words.text) { section, key, tree in
      guard others.contains(tree.source) else { return words.read(&section, key, tree) }
      section.refuseNotBuilt(key, built: LearningRateShape.words.map(\.word).joined(separator: ", "))
      return nil
    } write: {
      words.write($0)
    }
  }
}

/// transformers' `lr_scheduler_kwargs`.
struct ScheduleArguments: Sendable {
  var minimumRate: Double?
  var minimumRatio: Double?
  var decaySteps: Int?
}

extension ValueKind where Value == ScheduleArguments {
  static var scheduleArguments: Self {
    .mapping(
      ConfigurationTable(
        initial: ScheduleArguments(),
        keys: [
          ConfigurationKey("min_lr", \.minimumRate, .nonNegative, ""),
          ConfigurationKey("min_lr_rate", \.minimumRatio, .share, ""),
          ConfigurationKey("num_decay_steps", \.decaySteps, .integer(from: 0), ""),
        ]))
  }
}

extension ValueKind where Value == Double {
  static var stepsOrShare: Self {
    Self("a whole number of at least 0, or a share of all steps below 1") { tree in
      tree.finiteNumber.flatMap { 0..<1 ~= $0 || 1...1e9 ~= $0 && $0 == $0.rounded() ? $0 : nil }
    } write: {
      Int(exactly: $0).map(ConfigurationTree.integer) ?? .number($0)
    }
  }
}

extension ValueKind where Value == RunConfiguration.Checkpointing {
  static var checkpointing: Self {
    // Where the kept inputs of layers are held: the same numbers.
    let elsewhere = ["offload", "offload_disk", "unsloth"]
    return Self("true, false or auto") { section, key, tree in
      if let isOn = tree.truth { return isOn ? .on : .off }
      if tree.source == "auto" { return .automatic }
      guard elsewhere.contains(tree.source) else {
        section.refuse(key, expected: "true, false or auto")
        return nil
      }
      section.ignore("\(key): \(tree.source) (it is true, in memory)")
      return .on
    } write: {
      $0 == .automatic ? .text("auto") : .bool($0 == .on)
    }
  }
}

extension RunConfiguration {
  fileprivate var loraPlusRatio: Double? {
    get { loraPlus?.ratio }
    set { loraPlus = newValue.map { LoRAPlus(ratio: $0, weightDecay: loraPlus?.weightDecay ?? 0) } }
  }

  fileprivate var loraPlusDecay: Double? {
    get { loraPlus?.weightDecay }
    set { loraPlus?.weightDecay = newValue ?? 0 }
  }
}

extension LearningRateWarmup {
  /// Below 1 it is transformers' share.
  fileprivate var stepCount: Double? {
    get { if case .ratio = self { nil } else { Double(steps(of: 0)) } }
    set {
      if let newValue, newValue > 0 {
        self = newValue < 1 ? .ratio(newValue) : .steps(Int(newValue))
      } else if case .steps = self {
        self = .none
      }
    }
  }

  fileprivate var share: Double? {
    get { if case .ratio(let ratio) = self { ratio } else { nil } }
    set {
      if let newValue {
        if newValue > 0 { self = .ratio(newValue) }
      } else if case .ratio = self {
        self = .none
      }
    }
  }
}
