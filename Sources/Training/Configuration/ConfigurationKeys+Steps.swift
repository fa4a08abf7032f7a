// The keys of steps, memory, optimizer and schedule.

import Tensors

extension ConfigurationKeys {
  static let steps = [
    Key("micro_batch_size", .batchFactor, "A factor of `batch_size`.")
      .part(of: "batch_size").standing(at: "1").elsewhere("per_device_train_batch_size"),
    Key("gradient_accumulation_steps", .batchFactor, "A factor of `batch_size`.")
      .part(of: "batch_size").standing(at: "1").elsewhere("grad_accumulation_steps"),
    Key(
      "batch_size", \.batchSize, .batchFactor,
      "Examples per optimizer step of the whole world: `micro_batch_size` x `gradient_accumulation_steps`."
    ).standing(at: "the product"),
    Key("num_epochs", \.epochs, .positive, "How often all data is trained on.").elsewhere("num_train_epochs"),
    Key("max_steps", \.maximumSteps, .integer(from: 1), "Optimizer steps, instead of `num_epochs`.").elsewhere("iters"),
    Key(
      "seed", \.seed, .integer(from: 0, to: .max),
      "The seed of the adapter, dropout, the data's order and `val_set_size`."),
    Key(
      "gradient_checkpointing", \.gradientCheckpointing, .checkpointing,
      "Computes layers twice instead of keeping them; `auto`: as many as memory demands."
    ).changeableOnResume(),
    Key(
      "memory_limit", \.memoryLimit, .byteCount,
      "The memory of one process that `auto` keeps to; empty: what the machine has."
    ).changeableOnResume(),
  ]

  static let optimizer = [
    Key(
      "optimizer", \.optimizer,
      // Implementations of the same two algorithms.
      .choice(or: [("adamw_torch_fused", .adamW), ("adamw_hf", .adamW), ("lion_32bit", .lion)]),
      "The optimizer: AdamW or Lion."),
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
      "lr_scheduler", \.schedule, .choice(), "How the learning rate changes after the warm-up (docs/objectives.md)."
    ).elsewhere("lr_scheduler_type"),
    Key("warmup_steps", \.warmup.stepCount, .integer(from: 0), "Steps in which the learning rate rises from 0.")
      .effective { $0.schedule != .constant },
    Key("warmup_ratio", \.warmup.share, .share, "The share of all steps that do, instead of `warmup_steps`.")
      .effective { $0.schedule != .constant },
    Key("cosine_min_lr_ratio", \.cosineMinimumRatio, .share, "Where `cosine` ends, as a share of the learning rate."),
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

extension ValueKind where Value == RunConfiguration.Checkpointing {
  static var checkpointing: Self {
    Self("true, false or auto") { tree in
      switch tree.content {
      case .bool(let isOn): isOn ? .on : .off
      case .text("auto"): .automatic
      default: nil
      }
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
  fileprivate var stepCount: Int? {
    get { if case .ratio = self { nil } else { steps(of: 0) } }
    set { if let newValue, newValue > 0 { self = .steps(newValue) } else if case .steps = self { self = .none } }
  }

  fileprivate var share: Double? {
    get { if case .ratio(let ratio) = self { ratio } else { nil } }
    set { if let newValue, newValue > 0 { self = .ratio(newValue) } else if case .ratio = self { self = .none } }
  }
}
