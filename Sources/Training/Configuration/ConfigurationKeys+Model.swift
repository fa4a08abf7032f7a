// The keys of the model and its adapter.

import Checkpoints
import Model

extension ConfigurationKeys {
  static let model = [
    Key(
      "base_model", \.baseModel, .path,
      "The model: a directory with configuration, weights and tokenizer, as the hub has it, or the hub's name of one "
        + "that its cache on this machine has (`shoal fetch`)."
    ).required("a directory with config.json and safetensors files").elsewhere("model_name_or_path", "model"),
    Key("revision_of_model", \.baseRevision, .text, "The branch, tag or commit of a `base_model` of the hub.")
      .also("model_revision")
      .elsewhere("model_revision").effective { HubCache.isLookedFor($0.baseModel) },
    Key(
      "random_init", \.drawsWeights, .bool,
      "`base_model` has no weights: `seed` draws them as transformers does, and all are trained (no `adapter`)."
    ),
    Key(
      "adapter", \.adapter, .choice(AdapterKind.words),
      "`lora` trains an adapter on the base as it is stored (or in 8 bits: `load_in_8bit`), `qlora` on the base in 4 bits "
        + "(NF4). Left out, the weights of the model are trained (full fine-tuning)."
    ).standing(at: "none: full fine-tuning"),
    Key(
      "unfrozen_parameters", \.unfrozenParameters, .patterns,
      "Without an adapter: patterns of the weights that are trained, the others stay frozen. A pattern is a regular "
        + "expression at the start of a name such as `model.layers.0.mlp.up_proj.weight`; a point is itself unless `+` follows, and `[5:10]` at "
        + "the end chooses rows."
    ).effective { $0.adapter == nil }.standing(at: "all weights"),
    Key(
      "save_dtype", \.savedType, .choice(SavedType.words),
      "Without an adapter: the number type of the final weights. Checkpoints hold fp32."
    ).absent { $0.adapter == nil },
    Key("load_in_4bit", \.isBaseInFourBits, .bool, "Holds the base in 4 bits: `adapter: lora` becomes `qlora`."),
    Key(
      "load_in_8bit", \.isBaseInEightBits, .bool,
      "With `adapter: lora`: holds the base's linear layers and the head in 8 bits (int8, a scale for each output "
        + "channel) and computes with them in integers: about twice as fast, with [small errors](results/int8.md)."
    ),
    Key("lora_r", \.loraRank, .integer(from: 1, to: 4096), "The adapter's rank r.").elsewhere("lora_rank")
      .ofFreshAdapter(),
    Key("lora_alpha", \.loraAlpha, .scale, "The adapter's output is scaled by `lora_alpha / lora_r`.").ofFreshAdapter(),
    Key("lora_dropout", \.loraDropout, .belowOne, "The share of an adapter's inputs that training drops.")
      .absent { $0.adapter != nil },
    Key("lora_target_modules", \.loraTargetModules, .targetModules, "The linear layers that have an adapter.")
      .elsewhere("lora_target").ofFreshAdapter(),
    Key("lora_target_linear", \.targetsAllLinear, .bool, "`true` is `lora_target_modules: all-linear`.")
      .part(of: "lora_target_modules"),
    Key(
      "lora_modules_to_save", \.savedModules, .modules,
      "Modules that are trained as a whole and saved with the adapter: `embed_tokens`, `lm_head`, or norms by their "
        + "names."
    ).ofFreshAdapter().standing(at: "none"),
    Key("peft_use_rslora", \.usesRSLoRA, .bool, "The scale is `lora_alpha / sqrt(lora_r)`.").ofFreshAdapter(),
    Key(
      "peft_use_dora", \.usesDoRA, .bool,
      "DoRA: the norm of every row of an adapted weight is trained apart from its direction."
    ).ofFreshAdapter(),
    Key(
      "peft_init_lora_weights", \.initialisation, .initialisation,
      "How a fresh adapter starts: `true` and `gaussian` draw A and have B = 0, `init_b` draws B. `pissa` takes the leading "
        + "singular vectors of every weight, `pissa_niter_16` finds them by a search with 16 iterations, and `olora` takes "
        + "the first columns of its QR decomposition; the base stays as it is, and what is saved has twice the rank."
    ).effective { $0.adapter != nil && $0.startingAdapter == nil }.written { $0.adapter != nil },
    Key("plugins", .plugins, "axolotl's plugins that compute the same in another way; no Python is run."),
    Key(
      "lora_model_dir", \.startingAdapter, .path,
      "A PEFT adapter to start from, instead of a fresh one: a directory or a name of the hub. It has its own rank, alpha "
        + "and target modules."
    ).effective { $0.adapter != nil },
  ]
}

extension ConfigurationKey<RunConfiguration> {
  /// A key of a fresh adapter. Of one that training starts from, the adapter's own file tells; the key may say it too.
  fileprivate func ofFreshAdapter() -> Self {
    let name = name
    return effective { $0.adapter != nil }.written {
      $0.adapter != nil && ($0.startingAdapter == nil || $0.statedAdapterKeys.contains(name))
    }
  }
}

extension ValueKind where Value == [String] {
  static var targetModules: Self {
    let all = RunConfiguration.projections
    let names = Self.several(of: (["all-linear"] + all).map { ($0, $0) })
    return Self(names.text) { section, key, tree in
      names.read(&section, key, tree).map { $0.contains("all-linear") ? all : all.filter($0.contains) }
    } write: {
      names.write($0)
    }
  }
}

extension ValueKind where Value == [String] {
  /// Names of modules; something that is off is none.
  static var modules: Self {
    let texts = Self.texts("a list of modules")
    return Self(texts.text) { section, key, tree in
      tree.isOff ? [] : texts.read(&section, key, tree)
    } write: {
      $0.isEmpty ? .null : texts.write($0)
    }
  }

  /// Patterns as axolotl's `unfrozen_parameters` has them; something that is off is none.
  static var patterns: Self {
    let texts = Self.texts("a list of patterns")
    return Self(texts.text) { section, key, tree in
      if tree.isOff { return [] }
      guard let patterns = texts.read(&section, key, tree) else { return nil }
      for pattern in patterns {
        do {
          _ = try ParameterPattern(pattern)
        } catch {
          section.refuse(key, expected: texts.text, found: "\"\(pattern)\", which \(error)")
          return nil
        }
      }
      return patterns
    } write: {
      $0.isEmpty ? .null : texts.write($0)
    }
  }
}

extension ValueKind where Value == [String] {
  static var plugins: Self {
    // The same numbers by other means, or numbers that no adapter depends on; the models here have no experts.
    let harmless = [
      "liger", "cut_cross_entropy", "swanlab", "kernels", "expert_parallel", "densemixer", "lm_eval",
    ]
    let lost = [
      "spectrum": "no layer of the base is trained", "kd": "there is no teacher model to learn from",
      "grokfast": "slow gradients are not amplified", "diffusion": "tokens are predicted from left to right",
      "mora": "an adapter is plain LoRA", "llm_compressor": "weights do not stay sparse",
      "hatchery": "training is here, not on a service", "nemo_gym": "nothing is sampled for training",
    ]
    let names = Self.texts("nothing, or plugins that change no result (\(harmless.joined(separator: ", ")))")
    return Self(names.text) { section, key, tree in
      if tree.isOff { return [] }
      guard let found = names.read(&section, key, tree) else { return nil }
      for plugin in found {
        let parts = plugin.split(separator: ".").map(String.init)
        let name = parts.starts(with: ["axolotl", "integrations"]) && parts.count > 2 ? parts[2] : ""
        let isOff =
          name == "spectrum" && section.members.contains { $0.name == "spectrum_top_fraction" && $0.tree.isOff }
        guard !harmless.contains(name), !isOff else { continue }
        let reason = lost[name].map { "not built; left out, \($0)" } ?? "Shoal runs no Python; leave it out"
        section.refuse(key, expected: names.text, found: "\"\(plugin)\": \(reason)")
        return nil
      }
      section.ignore(key)
      return found
    } write: {
      names.write($0)
    }
  }
}

extension ValueKind where Value == AdapterInitialisation {
  static var initialisation: Self {
    let words = "true, gaussian, init_b, pissa, pissa_niter_16 (or another number) or olora"
    return Self(words) { section, key, tree in
      switch tree.content {
      case .bool(true): return .uniform
      case .text(let name):
        if let found = AdapterInitialisation(name: name) { return found }
      default: break
      }
      section.refuse(key, expected: words)
      return nil
    } write: {
      $0 == .uniform ? .bool(true) : .text($0.name)
    }
  }
}

extension RunConfiguration {
  static let projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

  fileprivate var isBaseInFourBits: Bool {
    get { adapter == .qlora }
    set { if newValue, adapter != nil { adapter = .qlora } }
  }

  fileprivate var targetsAllLinear: Bool {
    get { loraTargetModules == Self.projections }
    set { loraTargetModules = newValue ? Self.projections : loraTargetModules }
  }
}

extension RunConfiguration {
  /// PEFT cannot turn what it trains that way into an adapter for the original base.
  func checkVariant(_ section: inout ConfigurationSection) {
    guard usesDoRA, adapter != nil, startingAdapter == nil, initialisation.relativeStart != nil else { return }
    section.report(
      "`peft_use_dora` goes with a start that leaves the base as it is, found `peft_init_lora_weights: "
        + "\(initialisation.name)`: leave one out", about: "peft_use_dora")
  }
}
