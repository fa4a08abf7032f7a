// Reads adapter_config.json as PEFT does. Every unsupported key that changes the arithmetic is an error that names the
// key, even if this code has never heard of it.

package import Checkpoints

extension AdapterConfiguration {
  /// Reads the JSON object of an adapter_config.json.
  /// - Throws: `ContentError` with every problem.
  package init(json: JSONValue, path: String, model: ModelConfiguration) throws(ContentError) {
    var problems = Self.unsupported(json)
    let rank = json["r"]?.int ?? 0
    if !Self.ranks.contains(rank) {
      problems.append(.init("r", Self.found(json["r"]), expected: "an integer from 1 to 4096"))
    }
    let alpha = json["lora_alpha"]?.double ?? 0
    if !Self.isAlpha(alpha) {
      problems.append(.init("lora_alpha", Self.found(json["lora_alpha"]), expected: "a number above 0"))
    }
    let dropout = json["lora_dropout"].map { $0.double ?? -1 } ?? 0
    if !(0..<1 ~= dropout) {
      problems.append(.init("lora_dropout", Self.found(json["lora_dropout"]), expected: "a number from 0 to below 1"))
    }
    let stabilized = json["use_rslora"].map { $0 == true }
    if stabilized == false, json["use_rslora"] != false {
      problems.append(.init("use_rslora", Self.found(json["use_rslora"]), expected: "true or false"))
    }
    let isDecomposed = json["use_dora"] ?? false
    if ![true, false, .null].contains(isDecomposed) {
      problems.append(.init("use_dora", Self.found(isDecomposed), expected: "true or false"))
    }
    let saved = json["modules_to_save"]?.array?.compactMap(\.string) ?? []
    for name in saved {
      if let refusal = WeightName.refusal(ofSaved: name, in: model) {
        problems.append(
          .init("modules_to_save", "names \(name), \(refusal)", expected: "embed_tokens, lm_head or norms"))
      }
    }
    let biases = json["bias"] ?? .null
    if !biases.isNull, biases.string.flatMap(Biases.init) == nil {
      problems.append(.init("bias", Self.found(biases), expected: "none, all or lora_only"))
    }
    var layers: [[Target]] = []
    do throws(TargetModules.Refusal) {
      layers = try Self.layers(json, rank: rank, alpha: alpha, model)
    } catch {
      problems.append(.init(error.key, error.found, expected: error.expected))
    }
    guard problems.isEmpty else { throw ContentError(path, problems) }
    self.init(
      rank: rank, alpha: alpha, dropout: dropout, usesRankStabilizedScaling: stabilized ?? false, modules: [],
      baseModel: json["base_model_name_or_path"]?.string)
    savedModules = saved
    self.biases = biases.string.flatMap(Biases.init) ?? .none
    form = isDecomposed == true ? .decomposed : .plain
    baseRevision = json["revision"]?.string
    settle(layers, selection: .object((json.members ?? []).filter { Self.selectionKeys.contains($0.name) }))
  }

  private static let ranks = 1...4096
  private static func isAlpha(_ value: Double) -> Bool { value > 0 && value < 1e9 }

  /// The linear layers of every block with their ranks and alphas.
  private static func layers(
    _ json: JSONValue, rank: Int, alpha: Double, _ model: ModelConfiguration
  ) throws(TargetModules.Refusal) -> [[Target]] {
    let modules = try TargetModules(json).modules(of: model)
    let ranks = try ModuleValues(json, "rank_pattern", expected: "an integer from 1 to 4096") {
      $0.int.map(Self.ranks.contains) ?? false
    }
    let alphas = try ModuleValues(json, "alpha_pattern", expected: "a number above 0") {
      $0.double.map(isAlpha) ?? false
    }
    return modules.enumerated().map { layer, modules in
      modules.map { module in
        let path = module.path(layer: layer)
        return Target(
          module: module, rank: ranks.value(of: path)?.int ?? rank, alpha: alphas.value(of: path)?.double ?? alpha)
      }
    }
  }

  /// Keys that do not change the arithmetic of a trained adapter, or that `init` reads itself. PEFT itself takes
  /// `fan_in_fan_out` for false on linear layers, which are all that Qwen2 has.
  private static let harmless = Set(
    selectionKeys + [
      "r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "bias", "base_model_name_or_path", "revision",
      "inference_mode", "peft_version", "auto_mapping", "megatron_core", "fan_in_fan_out", "loftq_config", "eva_config",
      "corda_config", "lora_ga_config", "ensure_weight_tying", "qalora_group_size",
    ])

  /// Initialisations that change the base weights. The base directory does not hold the changed weights.
  private static let initsThatChangeTheBase = ["pissa", "olora", "corda", "loftq", "lora_ga"]

  /// What the values that are not supported would do.
  private static let effects = [
    "alora_invocation_tokens": "the adapter begins to act at these tokens only (aLoRA)",
    "arrow_config": "it mixes several adapters (Arrow)",
    "kasa_config": "the base's weights are truncated before the adapter is added (KaSA)",
    "layer_replication": "it belongs to a model with repeated layers",
    "lora_bias": "lora_B has a bias",
    "megatron_config": "it belongs to Megatron's parallel layers",
    "monteclora_config": "its weights are drawn at random (MonteCLoRA)",
    "target_parameters": "it adapts parameters that are no linear layers",
    "trainable_token_indices": "it trained rows of the embedding too",
    "use_bdlora": "its matrices are block-diagonal (BD-LoRA)",
    "use_qalora": "it adapts averages of its input, on GPTQ's layers (QA-LoRA)",
    "velora_config": "it compresses the inputs of lora_A (VeLoRA)",
  ]

  /// One problem for every key that is set, not read and not harmless. Includes keys that PEFT may add later.
  private static func unsupported(_ json: JSONValue) -> [ContentError.Problem] {
    guard let members = json.members else { return [.init(nil, "is not a JSON object")] }
    var problems: [ContentError.Problem] = []
    if json["peft_type"] == nil { problems.append(.init("peft_type", "is missing", expected: "LORA")) }
    for member in members where !harmless.contains(member.name) {
      let expected: String
      switch (member.name, member.value) {
      case ("peft_type", "LORA"), ("task_type", "CAUSAL_LM"): continue
      case ("init_lora_weights", let value):
        let name = value.string?.lowercased() ?? ""
        guard initsThatChangeTheBase.contains(where: name.hasPrefix) else { continue }
        expected =
          "true: this start took its share out of the base's weights, which the base does not show; save the adapter"
          + " again with PEFT's save_pretrained(path_initial_model_for_weight_conversion=…)"
      case ("peft_type", _): expected = "LORA: only LoRA is supported"
      case ("task_type", .null): continue
      case ("task_type", _): expected = "CAUSAL_LM"
      case ("modules_to_save", let value) where value.array?.allSatisfy { $0.string != nil } == true: continue
      case (_, .null), (_, false), (_, []), (_, [:]), (_, ""): continue
      case (let name, _):
        let effect = effects[name] ?? "it changes what the adapter computes"
        expected = "null: \(effect), which is not supported"
      }
      problems.append(.init(member.name, "is \(member.value.serialized().prefix(120))", expected: expected))
    }
    return problems
  }

  private static func found(_ value: JSONValue?) -> String {
    value.map { "is \($0.serialized().prefix(120))" } ?? "is missing"
  }
}
