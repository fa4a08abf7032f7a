// The arguments of `trl sft`, `dpo`, `kto`, `orpo` and `cpo` (`--config FILE`), with TRL 1.16's defaults.

extension Translation {
  private enum Command: String, CaseIterable {
    case sft, dpo, kto, orpo, cpo
  }

  mutating func translateTRL() {
    let command = command()
    translateModel()
    translateAdapter(isPreference: command != .sft)
    translateObjective(command)
    translateData(command)
    let older = take("max_seq_length")
    give("sequence_len", take("max_length") ?? older ?? .integer(1024))
    give("excess_length_strategy", .text("truncate"))
    lose("truncation_mode", unless: "keep_start", "the start of a long example is kept")
    lose("max_prompt_length", "the prompt has no limit of its own")
    lose("max_completion_length", "the completion has no limit of its own")
    translateTrainerArguments(learningRate: command == .sft ? 2e-5 : 1e-6)
    drop(
      "dtype torch_dtype dataset_num_proc padding_free pad_to_multiple_of pad_token model_init_kwargs lora_task_type "
        + "precompute_ref_batch_size bnb_4bit_* use_bnb_nested_quant router_aux_loss_coef dataset_streaming "
        + "ignore_bias_buffers streaming generate_during_eval use_logits_to_keep dataset_kwargs eval_packing")
  }

  /// The file does not name its command: keys that one command has alone tell, then the file's name.
  private mutating func command() -> Command {
    let loss = section["loss_type"]?.source ?? ""
    func has(_ keys: String...) -> Bool { keys.contains { section[$0] != nil } }
    if has("cpo_alpha", "simpo_gamma") || loss == "simpo" { return .cpo }
    if has("desirable_weight", "undesirable_weight") || ["kto", "apo_zero_unpaired"].contains(loss) { return .kto }
    if loss == "dft" || has("packing", "assistant_only_loss", "completion_only_loss", "dataset_text_field") {
      return .sft
    }
    let name = path.split(separator: "/").last?.lowercased() ?? ""
    if let named = Command.allCases.first(where: { name.contains($0.rawValue) }) { return named }
    let isDPO = has(
      "beta", "loss_type", "label_smoothing", "precompute_ref_log_probs", "loss_weights", "max_prompt_length")
    note("the file does not say its command: taken for `trl \(isDPO ? "dpo" : "sft")`; change `rl` if that is wrong")
    return isDPO ? .dpo : .sft
  }

  private mutating func translateAdapter(isPreference: Bool) {
    let isPEFT = isOn("use_peft")
    let isFourBits = isOn("load_in_4bit")
    if isPEFT {
      give("adapter", .text(isFourBits ? "qlora" : "lora"))
      if isOn("load_in_8bit") { give("load_in_8bit", .bool(true)) }
    } else {
      note("`use_peft` is not true, so TRL trains all weights: no `adapter`")
    }
    let keys = [
      ("lora_r", ConfigurationTree.integer(16)), ("lora_alpha", .integer(32)), ("lora_dropout", .number(0.05)),
    ]
    for (key, usual) in keys {
      let value = take(key) ?? usual
      if key == "lora_dropout", isPreference, take("disable_dropout").map({ !$0.isOff }) ?? true {
        if isPEFT, section[key] != nil { note("lora_dropout is 0: TRL turns dropout off in preference training") }
        if isPEFT { give(key, .number(0)) }
      } else if isPEFT {
        give(key, value)
      }
    }
    drop("disable_dropout")
    let modules = take("lora_target_modules")
    if isPEFT, let modules {
      if modules.source == "all-linear" {
        give("lora_target_linear", .bool(true))
      } else {
        give("lora_target_modules", modules)
      }
    }
    for (name, key) in [
      ("use_rslora", "peft_use_rslora"), ("use_dora", "peft_use_dora"),
      ("lora_modules_to_save", "lora_modules_to_save"),
      ("lora_target_parameters", "lora_target_parameters"),
    ] where isOn(name) { give(key, from: name) }
  }

  private mutating func translateObjective(_ command: Command) {
    let loss = take("loss_type")
    let isSimPO = command == .cpo && loss?.source == "simpo"
    if command != .sft {
      give("rl", .text(isSimPO ? "simpo" : command.rawValue))
      give("rl_beta", from: "beta", else: .number(0.1))
    }
    switch command {
    case .sft:
      if let loss, loss.source != "nll" {
        note("\(loss.place.name): `loss_type: \(loss.source)` is not carried over: the loss is nll")
      }
    case .dpo:
      if let loss { give("dpo_loss_type", loss) }
      give("dpo_loss_weights", from: "loss_weights")
      give("dpo_label_smoothing", from: "label_smoothing")
      give("rpo_alpha", from: "rpo_alpha")
    case .kto:
      if let loss, loss.source != "kto" {
        note("\(loss.place.name): `loss_type: \(loss.source)` is not carried over: the loss is kto")
      }
      give("kto_desirable_weight", from: "desirable_weight")
      give("kto_undesirable_weight", from: "undesirable_weight")
    case .cpo:
      give("cpo_alpha", from: "cpo_alpha", else: .number(1))
      if isSimPO {
        give("simpo_gamma", from: "simpo_gamma", else: .number(0.5))
      } else {
        give("dpo_label_smoothing", from: "label_smoothing")
      }
      if let loss, !isSimPO, loss.source != "sigmoid" {
        note("\(loss.place.name): `loss_type: \(loss.source)` is not carried over: CPO has the loss sigmoid")
      }
    case .orpo: break
    }
    if command == .dpo || command == .kto { give("precompute_ref_log_probs", from: "precompute_ref_log_probs") }
    lose("f_divergence_type", unless: "reverse_kl", "the divergence is reverse KL")
    for key in ["ld_alpha", "use_weighting", "sync_ref_model"] { lose(key, "not built") }
    drop("f_alpha_divergence_coef discopop_tau ref_model_mixup_alpha ref_model_sync_steps precompute_ref_log_probs")
  }

  private mutating func translateData(_ command: Command) {
    var datasets: [ConfigurationTree] = []
    let field = command == .sft ? take("dataset_text_field").flatMap { $0.source == "text" ? nil : $0 } : nil
    func entry(
      path: ConfigurationTree?, name: ConfigurationTree?, files: ConfigurationTree? = nil, split: ConfigurationTree?
    ) -> ConfigurationTree {
      let named = split.flatMap { $0.source == "train" ? nil : $0 }
      return .mapping([("path", path), ("name", name), ("data_files", files), ("split", named), ("field", field)])
    }
    let subset = take("dataset_config")
    let (name, train, test) = (take("dataset_name"), take("dataset_train_split"), take("dataset_test_split"))
    if case .list(let items)? = take("datasets")?.content {
      for item in items {
        guard let part = ConfigurationSection(item) else { continue }
        datasets.append(
          entry(path: part["path"], name: part["name"], files: part["data_files"], split: part["split"]))
        for key in ["fraction", "data_dir"] where part[key] != nil {
          note("\(item.place.name): `\(key)` of a data set is not carried over: all of its files are used")
        }
      }
    } else if let name {
      datasets.append(entry(path: name, name: subset, split: train))
    }
    if !datasets.isEmpty { give("datasets", .list(datasets)) }
    if let share = take("test_split_size") {
      give("val_set_size", share)
    } else if let name, let strategy = section["eval_strategy"]?.source, strategy != "no", section["datasets"] == nil {
      give("test_datasets", .list([entry(path: name, name: subset, split: test ?? .text("test"))]))
    }
    guard command == .sft else { return }
    let (completions, assistant) = (take("completion_only_loss"), isOn("assistant_only_loss"))
    give("train_on_inputs", .bool(!assistant && completions?.truth == false))
    if !assistant, completions == nil {
      note(
        "without `assistant_only_loss` TRL trains all tokens of `messages` data: give `train_on_inputs: true` for such data"
      )
    }
    if isOn("packing") { give("sample_packing", .bool(true)) }
    drop("packing_strategy shuffle_dataset")
    if let token = take("eos_token") { give("special_tokens", .mapping([("eos_token", token)])) }
    if let template = take("chat_template_path") {
      if template.source.hasSuffix(".jinja") {
        give("chat_template", template)
      } else {
        note(
          "\(template.place.name): `chat_template_path: \(template.source)` is not carried over: give the .jinja file that it "
            + "means as `chat_template`")
      }
    }
  }
}
