// The resolved configuration as YAML for the run directory, and what a resumed run changed in it.

import Corpus
import Model

extension RunConfiguration {
  /// Every key with its value, a line each in a fixed order: reads back to an equal configuration
  /// (without `ignoredKeys`). An empty value is the key's default.
  package var resolvedYAML: String {
    resolved.map { key, value in value.isNull ? "\(key):\n" : "\(key): \(value.source)\n" }.joined()
  }

  /// Keys whose values differ from those of the run that `other` configured and that decide what is trained.
  ///
  /// - Parameter other: The configuration of the checkpoint.
  /// - Returns: lines such as `seed: 42 in the checkpoint, 7 now`; none when the run may go on.
  package func differences(from other: RunConfiguration) -> [String] {
    zip(resolved, other.resolved).compactMap { now, before in
      let (new, old) = (now.value.source, before.value.source)
      guard new != old, !ConfigurationKeys.freeOnResume.contains(now.key) else { return nil }
      func shown(_ text: String) -> String { text.isEmpty ? "nothing" : text }
      return "\(now.key): \(shown(old)) in the checkpoint, \(shown(new)) now"
    }
  }

  typealias Entry = (key: String, value: ConfigurationTree)

  var resolved: [Entry] { modelEntries + dataEntries + stepEntries + reportEntries }

  private var modelEntries: [Entry] {
    [
      ("base_model", .text(baseModel)),
      ("adapter", .text(weightStorage == .nf4 ? "qlora" : "lora")),
      ("load_in_4bit", .bool(weightStorage == .nf4)),
      ("lora_r", .integer(loraRank)),
      ("lora_alpha", .integer(loraAlpha)),
      ("lora_dropout", .number(loraDropout)),
      ("lora_target_modules", .list(loraTargetModules.map { .text($0) })),
      ("peft_use_rslora", .bool(usesRSLoRA)),
      (
        "peft_init_lora_weights",
        initialisation == .uniform ? .bool(true) : .text(initialisation.rawValue)
      ),
      ("lora_model_dir", .text(startingAdapter)),
    ] + objectiveEntries + [
      ("rl_adapter_ref_model", .bool(refersToStartingAdapter)),
      ("precompute_ref_log_probs", objective.usesReference ? .bool(precomputesReferenceLogProbs) : .null),
      ("ref_log_probs_cache", .text(referenceLogProbsCache)),
      ("chat_template", .text(chatTemplate.rawValue)),
      ("default_system_message", .text(defaultSystemMessage)),
    ]
  }

  /// Every objective's entries have the same keys in the same order, so that two configurations can be compared.
  private var objectiveEntries: [Entry] {
    var values: [String: ConfigurationTree] = [:]
    switch objective {
    case .supervised: break
    case .dpo(let family):
      values = [
        "rl": .text("dpo"), "rl_beta": .number(family.beta),
        "dpo_label_smoothing":
          family.losses.contains(where: \.loss.usesLabelSmoothing) ? .number(family.labelSmoothing) : .null,
        "dpo_loss_type": .list(family.losses.map { .text($0.loss.rawValue) }),
        "dpo_loss_weights": .list(family.losses.map { .number($0.weight) }),
      ]
    case .cpo(let beta, let smoothing, let weight):
      values = [
        "rl": .text("cpo"), "rl_beta": .number(beta), "dpo_label_smoothing": .number(smoothing),
        "cpo_alpha": .number(weight),
      ]
    case .simpo(let beta, let gamma, let smoothing, let weight):
      values = [
        "rl": .text("simpo"), "rl_beta": .number(beta), "dpo_label_smoothing": .number(smoothing),
        "cpo_alpha": .number(weight), "simpo_gamma": .number(gamma),
      ]
    case .orpo(let beta): values = ["rl": .text("orpo"), "rl_beta": .number(beta)]
    case .kto(let kto):
      values = [
        "rl": .text("kto"), "rl_beta": .number(kto.beta), "kto_desirable_weight": .number(kto.desirableWeight),
        "kto_undesirable_weight": .number(kto.undesirableWeight),
      ]
    }
    let keys = [
      "rl", "rl_beta", "dpo_loss_type", "dpo_loss_weights", "dpo_label_smoothing", "simpo_gamma", "cpo_alpha",
      "kto_desirable_weight", "kto_undesirable_weight",
    ]
    return keys.map { ($0, values[$0] ?? .null) }
  }

  private var dataEntries: [Entry] {
    let held: ConfigurationTree =
      switch heldOut {
      case nil: .integer(0)
      case .share(let share): .number(share)
      case .count(let count): .integer(count)
      }
    return [
      ("datasets", .list(datasets.map(\.tree))),
      ("test_datasets", testDatasets.isEmpty ? .null : .list(testDatasets.map(\.tree))),
      ("val_set_size", held),
      ("sequence_len", .integer(sequenceLength)),
      ("excess_length_strategy", .text(excessLengthStrategy.rawValue)),
      ("train_on_inputs", .bool(trainsOnInputs)),
      ("shuffle_merged_datasets", .bool(shufflesMergedDatasets)),
      ("curriculum_sampling", .bool(usesCurriculumSampling)),
    ]
  }

  private var stepEntries: [Entry] {
    var warmupSteps: Int?
    var warmupRatio: Double?
    switch warmup {
    case .none: warmupSteps = 0
    case .steps(let steps): warmupSteps = steps
    case .ratio(let ratio): warmupRatio = ratio
    }
    return [
      ("batch_size", .integer(batchSize)),
      ("num_epochs", .number(epochs)),
      ("max_steps", .integer(maximumSteps)),
      ("seed", .integer(seed)),
      (
        "gradient_checkpointing",
        gradientCheckpointing == .automatic ? .text("auto") : .bool(gradientCheckpointing == .on)
      ),
      ("memory_limit", .text(memoryLimit.map { "\(Double($0) / 1e9)GB" })),
      ("optimizer", .text(optimizer.rawValue)),
      ("learning_rate", .number(learningRate)),
      ("adam_beta1", .number(adamBeta1)),
      ("adam_beta2", .number(adamBeta2)),
      ("adam_epsilon", .number(adamEpsilon)),
      ("weight_decay", .number(weightDecay)),
      ("loraplus_lr_ratio", .number(loraPlus?.ratio)),
      ("loraplus_weight_decay", .number(loraPlus?.weightDecay)),
      ("max_grad_norm", .number(maximumGradientNorm)),
      ("lr_scheduler", .text(schedule.rawValue)),
      ("warmup_steps", .integer(warmupSteps)),
      ("warmup_ratio", .number(warmupRatio)),
      ("cosine_min_lr_ratio", .number(cosineMinimumRatio)),
      ("cooldown_steps", schedule.hasCooldown ? .integer(cooldownSteps) : .null),
    ]
  }

  private var reportEntries: [Entry] {
    [
      ("eval_steps", evaluations.steps),
      ("evals_per_epoch", evaluations.perEpoch),
      ("save_steps", saves.steps),
      ("saves_per_epoch", saves.perEpoch),
      ("save_total_limit", .integer(saveTotalLimit)),
      ("save_minutes", .number(saveMinutes)),
      ("logging_steps", .integer(loggingSteps)),
      ("sample_documents", .integer(sampleDocuments)),
      ("output_dir", .text(outputDirectory)),
      ("resume_from_checkpoint", .text(resumeFromCheckpoint)),
      ("auto_resume_from_checkpoints", .bool(autoResumesFromCheckpoints)),
      ("early_stopping_patience", .integer(earlyStoppingPatience)),
    ]
  }
}

extension Dataset.Source {
  fileprivate var tree: ConfigurationTree {
    func mapping(_ members: [(String, ConfigurationTree)]) -> ConfigurationTree {
      ConfigurationTree(
        .mapping(members.filter { !$0.1.isNull }.map { ConfigurationTree.Member(name: $0.0, tree: $0.1) }))
    }
    func other(_ name: String, than usual: String) -> ConfigurationTree { .text(name == usual ? nil : name) }
    let files: (String, ConfigurationTree) =
      if paths.count == 1, let path = paths.first {
        ("path", .text(path))
      } else {
        ("data_files", .list(paths.map { .text($0) }))
      }
    let renamed = RecordFields.Field.allCases.map { ($0.key, other(fields[$0], than: $0.rawValue)) }
    let message = mapping([
      ("role", other(fields.role, than: "role")), ("content", other(fields.content, than: "content")),
    ])
    let roles = fields.roles.map { roles in
      mapping(roles.sorted { $0.key < $1.key }.map { ($0.key, .list($0.value.map { .text($0) })) })
    }
    return mapping(
      [files, ("type", .text(type?.rawValue)), ("split", other(split, than: "train"))] + renamed
        + [
          ("message_property_mappings", message.isEmptyMapping ? .null : message), ("roles", roles ?? .null),
        ])
  }
}

extension ConfigurationTree {
  fileprivate var isEmptyMapping: Bool {
    if case .mapping(let members) = content { members.isEmpty } else { false }
  }
}

extension RunConfiguration.Interval {
  fileprivate var steps: ConfigurationTree {
    switch self {
    case .never: .integer(0)
    case .steps(let steps): .integer(steps)
    case .perEpoch: .null
    }
  }

  fileprivate var perEpoch: ConfigurationTree {
    if case .perEpoch(let times) = self { .integer(times) } else { .null }
  }
}

/// Values without a place; nil is null.
extension ConfigurationTree {
  fileprivate static var null: Self { Self(.null) }
  fileprivate static func bool(_ value: Bool) -> Self { Self(.bool(value)) }
  fileprivate static func list(_ items: [Self]) -> Self { Self(.list(items)) }

  fileprivate static func integer(_ value: Int?) -> Self {
    Self(value.map { .integer($0) } ?? .null)
  }

  fileprivate static func number(_ value: Double?) -> Self {
    Self(value.map { .number($0) } ?? .null)
  }

  fileprivate static func text(_ value: String?) -> Self {
    Self(value.map { .text($0) } ?? .null)
  }
}
