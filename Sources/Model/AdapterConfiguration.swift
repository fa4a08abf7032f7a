// Reads and writes adapter_config.json as PEFT does. Every unsupported key that changes the arithmetic is an error that
// names the key, even if this code has never heard of it.

package import Checkpoints

/// The settings of a LoRA adapter: W + scaling · B A on some of the seven linear layers of every block.
package struct AdapterConfiguration: Sendable, Equatable, Codable {
  /// The LoRA rank R.
  package var rank: Int
  package var alpha: Double
  package var dropout: Double
  /// Scale by alpha / √R (rsLoRA) instead of alpha / R.
  package var usesRankStabilizedScaling: Bool
  /// In the order of `LinearModule`.
  package var modules: [LinearModule]
  /// `base_model_name_or_path`
  package var baseModel: String?

  package init(
    rank: Int, alpha: Double, dropout: Double, usesRankStabilizedScaling: Bool = false,
    modules: [LinearModule], baseModel: String?
  ) {
    (self.rank, self.alpha, self.dropout) = (rank, alpha, dropout)
    self.usesRankStabilizedScaling = usesRankStabilizedScaling
    self.modules = LinearModule.allCases.filter(modules.contains)
    self.baseModel = baseModel
  }

  /// The factor of B A.
  package var scaling: Double { alpha / (usesRankStabilizedScaling ? Double(rank).squareRoot() : Double(rank)) }

  /// Reads the JSON object of an adapter_config.json.
  /// - Throws: `ContentError` with every problem.
  package init(json: JSONValue, path: String, model: ModelConfiguration) throws(ContentError) {
    var problems = Self.unsupported(json)
    let rank = json["r"]?.int ?? 0
    if !(1...4096 ~= rank) {
      problems.append(.init("r", Self.found(json["r"]), expected: "an integer from 1 to 4096"))
    }
    let alpha = json["lora_alpha"]?.double ?? 0
    if !(alpha > 0 && alpha < 1e9) {
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
    var modules: [LinearModule] = []
    do throws(TargetModules.Refusal) {
      modules = try TargetModules(json["target_modules"]).modules(of: model)
    } catch {
      problems.append(.init("target_modules", error.found, expected: error.expected))
    }
    guard problems.isEmpty else { throw ContentError(path, problems) }
    self.init(
      rank: rank, alpha: alpha, dropout: dropout, usesRankStabilizedScaling: stabilized ?? false,
      modules: modules, baseModel: json["base_model_name_or_path"]?.string)
  }

  /// Keys that do not change the arithmetic of a trained adapter, or that `init` reads itself.
  private static let harmless: Set<String> = [
    "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules", "base_model_name_or_path",
    "revision", "inference_mode", "peft_version", "auto_mapping", "megatron_core", "layers_pattern",
    "loftq_config", "eva_config", "corda_config", "lora_ga_config", "ensure_weight_tying", "qalora_group_size",
  ]

  /// Initialisations that change the base weights. The base directory does not hold the changed weights.
  private static let initsThatChangeTheBase = ["pissa", "olora", "corda", "loftq", "lora_ga"]

  /// One problem for every key that is set, not read and not harmless. Includes keys that PEFT may add later.
  private static func unsupported(_ json: JSONValue) -> [ContentError.Problem] {
    guard let members = json.members else { return [.init(nil, "is not a JSON object")] }
    var problems: [ContentError.Problem] = []
    if json["peft_type"] == nil { problems.append(.init("peft_type", "is missing", expected: "LORA")) }
    for member in members where !harmless.contains(member.name) {
      let expected: String
      switch (member.name, member.value) {
      case ("peft_type", "LORA"), ("task_type", "CAUSAL_LM"), ("bias", "none"): continue
      case ("init_lora_weights", let value):
        let name = value.string ?? ""
        guard initsThatChangeTheBase.contains(where: name.hasPrefix) else { continue }
        expected =
          "an adapter that was converted when it was saved"
          + " (path_initial_model_for_weight_conversion)"
      case ("peft_type", _): expected = "LORA"
      case ("task_type", .null), ("bias", .null): continue
      case ("task_type", _): expected = "CAUSAL_LM"
      case ("bias", _): expected = "none"
      case (_, .null), (_, false), (_, []), (_, [:]): continue
      default: expected = "null: it changes what the adapter computes and is not supported"
      }
      problems.append(.init(member.name, "is \(member.value.serialized().prefix(120))", expected: expected))
    }
    return problems
  }

  private static func found(_ value: JSONValue?) -> String {
    value.map { "is \($0.serialized().prefix(120))" } ?? "is missing"
  }

  /// The text of adapter_config.json in PEFT's order and layout. Recent keys are left out when they have their
  /// defaults, so that older releases of PEFT, which do not know them, can read the file.
  ///
  /// A rank-stabilised adapter is written as a plain one with `lora_alpha` = alpha √R. The scaling is the same, and
  /// readers that do not know `use_rslora` (such as llama.cpp's converter) also apply it.
  package var text: String {
    let alpha = usesRankStabilizedScaling ? alpha * Double(rank).squareRoot() : alpha
    let json: JSONValue = [
      "alpha_pattern": [:], "auto_mapping": .null,
      "base_model_name_or_path": baseModel.map(JSONValue.string) ?? .null, "bias": "none", "fan_in_fan_out": false,
      "inference_mode": true, "init_lora_weights": true, "layer_replication": .null, "layers_pattern": .null,
      "layers_to_transform": .null, "loftq_config": [:],
      "lora_alpha": Int64(exactly: alpha).map(JSONValue.integer) ?? .number(alpha),
      "lora_dropout": .number(dropout), "megatron_config": .null, "megatron_core": "megatron.core",
      "modules_to_save": .null, "peft_type": "LORA", "r": .integer(Int64(rank)), "rank_pattern": [:],
      "revision": .null,
      "target_modules": .array(modules.map { .string($0.rawValue) }),
      "task_type": "CAUSAL_LM",
      "use_dora": false,
      "use_rslora": false,
    ]
    return json.serialized(indent: 2, sortedKeys: true)
  }
}
