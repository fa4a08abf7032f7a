// The arguments of `llamafactory-cli train FILE`, with LLaMA-Factory's defaults.

import Foundation

extension Translation {
  mutating func translateLlamaFactory() {
    let stage = take("stage")?.source ?? "sft"
    guard ["sft", "dpo", "kto", "pt"].contains(stage) else {
      section.report("`stage: \(stage)` has no form here: expected sft, dpo, kto or pt", about: "stage")
      return
    }
    translateModel()
    translateTuning(isPreference: stage == "dpo" || stage == "kto")
    translatePreferences(stage)
    translateLlamaFactoryData(stage)
    give("sequence_len", from: "cutoff_len", else: .integer(2048))
    give("excess_length_strategy", .text("truncate"))
    note("longer examples lose their end; LLaMA-Factory cuts prompt and answer in proportion")
    if isOn("train_on_prompt") { give("train_on_inputs", .bool(true)) }
    if isOn("disable_shuffling") {
      give("shuffle_merged_datasets", .bool(false))
      give("curriculum_sampling", .bool(true))
    }
    let packs = (isOn("neat_packing"), isOn("packing"))
    if packs.0 || packs.1 { give("sample_packing", .bool(true)) }
    translateTemplate()
    translateTrainerArguments(learningRate: 5e-5)
    loseTheRest()
  }

  private mutating func translateTuning(isPreference: Bool) {
    let kind = take("finetuning_type")?.source ?? "lora"
    let bits = take("quantization_bit", as: .integer(from: 1, to: 16))
    guard kind == "lora" else {
      if kind != "full" { lose("finetuning_type", "an adapter or all weights are trained") }
      drop("lora_* additional_target")
      return
    }
    give("adapter", .text(bits == 4 ? "qlora" : "lora"))
    if bits == 8 { give("load_in_8bit", .bool(true)) }
    if let bits, bits != 4, bits != 8 {
      lose("quantization_bit", "bases are held in 4 or 8 bits, or as they are stored")
    }
    let rank = take("lora_rank", as: .integer(from: 1)) ?? 8
    give("lora_r", .integer(rank))
    give("lora_alpha", from: "lora_alpha", else: .integer(2 * rank))
    let dropout = take("lora_dropout")
    if isPreference {
      if let dropout, dropout.finiteNumber != 0 {
        note("lora_dropout is 0: LLaMA-Factory turns dropout off in preference training")
      }
    } else if let dropout {
      give("lora_dropout", dropout)
    }
    let targets = words(of: take("lora_target")) ?? ["all"]
    if targets == ["all"] {
      give("lora_target_linear", .bool(true))
    } else {
      give("lora_target_modules", .list(targets.map { .text($0) }))
    }
    if let modules = words(of: take("additional_target")) {
      give("lora_modules_to_save", .list(modules.map { .text($0) }))
    }
    if isOn("use_rslora") { give("peft_use_rslora", .bool(true)) }
    if isOn("use_dora") { give("peft_use_dora", .bool(true)) }
    if isOn("pissa_init") { give("peft_init_lora_weights", .text("pissa")) }
    give("loraplus_lr_ratio", from: "loraplus_lr_ratio")
    if let adapters = words(of: take("adapter_name_or_path")) {
      if adapters.count == 1, !isOn("create_new_adapter") {
        give("lora_model_dir", .text(adapters[0]))
      } else {
        lose("adapter_name_or_path", "one adapter is trained on; merge the others into the base first")
      }
    }
  }

  private mutating func translatePreferences(_ stage: String) {
    if stage == "kto" {
      give("rl", .text("kto"))
      give("rl_beta", from: "pref_beta", else: .number(0.1))
      give("kto_desirable_weight", from: "kto_chosen_weight")
      give("kto_undesirable_weight", from: "kto_rejected_weight")
    } else if stage == "dpo" {
      let loss = take("pref_loss")?.source ?? "sigmoid"
      let likelihood = take("pref_ftx").flatMap { $0.finiteNumber == 0 ? nil : $0 }
      give("rl", .text(["orpo", "simpo"].contains(loss) ? loss : "dpo"))
      give("rl_beta", from: "pref_beta", else: .number(0.1))
      switch loss {
      case "orpo": if likelihood != nil { lose("pref_ftx", "ORPO has the likelihood in its loss") }
      case "simpo":
        give("simpo_gamma", from: "simpo_gamma", else: .number(0.5))
        give("cpo_alpha", likelihood ?? .number(0))
      case "kto_pair": lose("pref_loss", "use `rl: kto`, which learns from pairs too")
      default:
        give("dpo_loss_type", .list([.text(loss)]))
        give("dpo_label_smoothing", from: "dpo_label_smoothing")
        if let likelihood { give("rpo_alpha", likelihood) }
      }
    }
    drop("pref_loss pref_beta pref_ftx simpo_gamma dpo_label_smoothing kto_chosen_weight kto_rejected_weight")
    lose("pref_bco_weight", unless: "0.0", "the loss has no such part")
    lose("ld_alpha", "no length is taken out of the loss")
    for key in ["ref_model", "ref_model_adapters"] { lose(key, "the reference is the base, or `lora_model_dir`") }
  }

  private mutating func translateTemplate() {
    if let thinks = take("enable_thinking"), thinks.truth == false {
      give("chat_template_kwargs", .mapping([("enable_thinking", thinks)]))
    }
    guard let template = take("template") else { return }
    switch template.source {
    case "chatml", "qwen": give("chat_template", template.source == "chatml" ? template : .text("tokenizer_default"))
    case "empty": break
    default:
      give("chat_template", .text("tokenizer_default"))
      note(
        "\(template.place.name): `template: \(template.source)` is the model's own here: `chat_template: tokenizer_default`"
      )
    }
    give("default_system_message", from: "default_system")
  }

  private mutating func loseTheRest() {
    for key in ["use_galore", "use_apollo", "use_badam", "use_llama_pro", "use_adam_mini", "use_muon"] {
      lose(key, "the optimizers are AdamW and Lion, and every layer trains alike")
    }
    for key in ["rope_scaling", "shift_attn", "mixture_of_depths"] { lose(key, "the model is as its config.json says") }
    for key in ["add_tokens", "add_special_tokens", "resize_vocab", "new_special_tokens_config"] {
      lose(key, "no token is added")
    }
    lose("mask_history", "every turn of the assistant is trained")
    lose("mix_strategy", unless: "concat", "data sets follow one another, shuffled")
    lose("interleave_probs", "data sets follow one another, shuffled")
    drop(
      """
      overwrite_cache preprocessing_* plot_loss flash_attn use_unsloth* enable_liger_kernel quantization_method
      quantization_type double_quantization quantization_device_map upcast_* disable_gradient_checkpointing use_reentrant_gc
      low_cpu_mem_usage cache_dir media_dir tokenized_path streaming buffer_size eval_on_each_dataset
      predict_with_generate ray_* resources_per_worker placement_strategy galore_* apollo_* badam_* freeze_*
      loraplus_lr_embedding pissa_* infer_* vllm_* export_* max_new_tokens temperature top_p top_k num_beams
      include_effective_tokens_per_second compute_accuracy ignore_pad_token_for_loss use_swanlab
      use_fast_tokenizer split_special_tokens image_* video_* audio_* freeze_vision_tower
      freeze_multi_modal_projector freeze_language_model create_new_adapter tool_format use_kt kt_*
      """)
  }

  /// LLaMA-Factory's lists: texts with commas, or YAML lists.
  func words(of tree: ConfigurationTree?) -> [String]? {
    switch tree?.content {
    case .text(let text):
      text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    case .list(let items): items.map(\.source)
    default: nil
    }
  }
}
