// The keys of what is minimised.

extension ConfigurationKeys {
  static let objective = [
    Key(
      "rl", \.objectiveKeys.name, .choice(),
      "What is minimised (docs/objectives.md); empty is supervised fine-tuning. `ipo` is `dpo` with that loss."),
    Key("rl_beta", \.objectiveKeys.beta, .positive, "β of the objective.")
      .also("dpo_beta").elsewhere("beta", "pref_beta").ofSomeObjectives(),
    Key("trl", .trl, "`trl.beta` is another name of `rl_beta`.").part(of: "rl_beta"),
    Key("orpo_alpha", \.objectiveKeys.orpoAlpha, .positive, "With `rl: orpo`, another name of `rl_beta`.")
      .part(of: "rl_beta").effective { $0.objectiveKeys.name == .orpo },
    Key("dpo_loss_type", \.objectiveKeys.losses, .losses, "The losses of `rl: dpo`, which are added up.")
      .ofSomeObjectives(),
    Key("dpo_loss_weights", \.objectiveKeys.lossWeights, .lossWeights, "The weights of the losses.").ofSomeObjectives(),
    Key("rpo_alpha", \.objectiveKeys.rpoAlpha, .nonNegative, "Adds the loss `sft` with this weight.")
      .part(of: "dpo_loss_type", "dpo_loss_weights").effective { $0.objectiveKeys.name == .dpo },
    Key(
      "dpo_label_smoothing", \.objectiveKeys.labelSmoothing,
      .number("a number from 0 to less than 0.5") { 0..<0.5 ~= $0 }, "ε: the share of pairs taken for mislabelled."
    ).ofSomeObjectives(),
    Key("simpo_gamma", \.objectiveKeys.gamma, .nonNegative, "γ: the margin that SimPO aims at.").ofSomeObjectives(),
    Key(
      "cpo_alpha", \.objectiveKeys.likelihoodWeight, .nonNegative,
      "λ: the weight of the chosen completions' likelihood, for `cpo` and `simpo`."
    ).ofSomeObjectives(),
    Key(
      "kto_desirable_weight", \.objectiveKeys.desirableWeight, .nonNegative, "The weight of desirable completions."
    ).ofSomeObjectives(),
    Key(
      "kto_undesirable_weight", \.objectiveKeys.undesirableWeight, .nonNegative,
      "The weight of undesirable completions."
    ).ofSomeObjectives(),
    Key(
      "rl_adapter_ref_model", \.refersToStartingAdapter, .bool,
      "With `lora_model_dir`: whether the reference is a frozen copy of that adapter, or the base alone."
    ).effective { $0.objective.usesReference }.standing(at: "true with `lora_model_dir`"),
    Key(
      "precompute_ref_log_probs", \.precomputesReferenceLogProbs, .bool,
      "Computes the reference's numbers once, before the first step; else at every step."
    ).absent { $0.objective.usesReference }.standing(at: "true"),
    Key("ref_log_probs_cache", \.referenceLogProbsCache, .path, "Where those are kept, when not in the shared cache.")
      .effective { $0.objective.usesReference }.changeableOnResume(),
  ]
}

extension ConfigurationKey<RunConfiguration> {
  /// A key that some objectives have: the others do not write it.
  fileprivate func ofSomeObjectives() -> Self {
    let write = write ?? { _ in .null }
    let defaults = ObjectiveKeys.Name.allCases.compactMap { name -> Word<String>? in
      var run = RunConfiguration()
      run.objective = ObjectiveKeys(name: name).objective
      let value = write(run)
      return value.isNull ? nil : (name.rawValue, value.source)
    }
    let isOne = Set(defaults.map(\.value)).count == 1
    let stated = isOne ? defaults.prefix(1).map(\.value) : defaults.map { "\($0.value) (\($0.word))" }
    return effective { !write($0).isNull }.standing(at: stated.joined(separator: ", "))
  }
}

extension ConfigurationKeys {
  /// axolotl hands the rest to trainers that sample completions.
  static let trl = ConfigurationTable<[String: Double]>(
    initial: [:], keys: [ConfigurationKey("beta", \.["beta"], .positive, "Another name of `rl_beta`.")],
    inert: [
      InertKeys(
        "Sampling while training", "the objectives here learn from the data alone",
        """
        async_prefetch chat_template_kwargs epsilon epsilon_high generation_batch_size generation_kwargs
        importance_sampling_level log_completions loss_type mask_truncated_completions max_completion_length min_p
        multi_objective_aggregation num_completions_to_print num_generations num_iterations off_policy_mask_threshold
        prefetch_depth ref_model_mixup_alpha ref_model_sync_steps repetition_penalty replay_buffer_size
        replay_recompute_logps reroll_max_groups reroll_start_fraction reward_funcs reward_num_workers
        reward_processing_classes reward_weights rollout_func scale_rewards skip_zero_advantage_batches
        streaming_min_groups streaming_partial_batch sync_ref_model temperature top_k top_p use_bias_correction_kl
        use_data_producer use_liger_loss use_vllm vllm_*
        """)
    ])
}

extension ValueKind where Value == [String: Double] {
  static var trl: Self { .mapping(ConfigurationKeys.trl) }
}

extension ValueKind where Value == [DPOLoss] {
  /// `aot_pair` is TRL's name until 2025.
  static var losses: Self { .several(of: DPOLoss.words, or: [("aot_pair", .aotUnpaired)]) }
}

extension ValueKind where Value == [Double] {
  static var lossWeights: Self {
    Self("a list of numbers, one for each of `dpo_loss_type`") { tree in
      guard case .list(let items) = tree.content else { return nil }
      let numbers = items.compactMap(\.finiteNumber)
      return numbers.count == items.count ? numbers : nil
    } write: {
      .list($0.map { .number($0) })
    }
  }
}
