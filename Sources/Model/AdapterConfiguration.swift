// What an adapter is: which linear layers have one, of which rank and scale.

import Checkpoints

/// The settings of a LoRA adapter: W + scaling · B A on some of the seven linear layers of the blocks.
package struct AdapterConfiguration: Sendable, Equatable, Codable {
  /// The LoRA rank R, where no pattern says otherwise.
  package var rank: Int
  /// Where no pattern says otherwise.
  package var alpha: Double
  package var dropout: Double
  /// Scale by alpha / √R (rsLoRA) instead of alpha / R.
  package var usesRankStabilizedScaling: Bool
  /// The linear layers that have an adapter in some block, in the order of `LinearModule`.
  package var modules: [LinearModule]
  /// Modules beside the adapted ones that are trained and saved as a whole, by the ends of their paths:
  /// `modules_to_save`.
  package var savedModules: [String] = []
  /// The biases of the base that are trained and saved: `bias`.
  package var biases = Biases.none
  /// `base_model_name_or_path`
  package var baseModel: String?
  /// `revision`: of the base, where it is the hub's.
  package var baseRevision: String?
  package var form = AdapterForm.plain
  /// nil: all blocks have the same `modules`, with the same rank and alpha.
  package private(set) var variation: Variation?

  /// Biases of linear layers.
  package enum Biases: String, Sendable, Equatable, Codable {
    case none, all
    /// Those of the linear layers that have an adapter.
    case adapted = "lora_only"
  }

  /// What differs between linear layers.
  package struct Variation: Sendable, Equatable, Codable {
    /// The linear layers of every block, in the order of `LinearModule`.
    package var layers: [[Target]]
    /// The members of adapter_config.json that say so, as JSON.
    fileprivate var selection: String
  }

  /// One linear layer of a block.
  package struct Target: Sendable, Equatable, Codable {
    package var module: LinearModule
    package var rank: Int
    package var alpha: Double
  }

  package init(
    rank: Int, alpha: Double, dropout: Double, usesRankStabilizedScaling: Bool = false,
    modules: [LinearModule], baseModel: String?
  ) {
    (self.rank, self.alpha, self.dropout) = (rank, alpha, dropout)
    self.usesRankStabilizedScaling = usesRankStabilizedScaling
    self.modules = LinearModule.allCases.filter(modules.contains)
    self.baseModel = baseModel
  }

  /// Takes the linear layers of every block. Where they are all alike, `selection` says nothing more than they do.
  mutating func settle(_ layers: [[Target]], selection: JSONValue) {
    modules = LinearModule.allCases.filter { module in layers.contains { $0.contains { $0.module == module } } }
    guard let first = layers.first?.first,
      layers.allSatisfy({ $0 == modules.map { Target(module: $0, rank: first.rank, alpha: first.alpha) } })
    else {
      variation = Variation(layers: layers, selection: selection.serialized())
      return
    }
    (rank, alpha) = (first.rank, first.alpha)
  }

  /// The adapted linear layers of a block.
  package func targets(layer: Int) -> [Target] {
    variation?.layers[layer] ?? modules.map { Target(module: $0, rank: rank, alpha: alpha) }
  }

  /// Weights of the model that are trained and saved beside the matrices.
  package func trainedWeights(_ model: ModelConfiguration) -> [WeightName] {
    let trained = WeightName.all(model).filter { weight in
      guard case .bias(let module, let layer) = weight else { return false }
      return biases == .all || (biases == .adapted && adapts(module, layer))
    }
    return trained + WeightName.saved(savedModules, in: model)
  }

  /// The name of such a weight in PEFT's file. The bias of an adapted layer is that of the layer inside the adapter.
  func savedName(of weight: WeightName) -> String {
    if case .bias(let module, let layer) = weight, adapts(module, layer) {
      return "base_model.model.\(module.path(layer: layer)).base_layer.bias"
    }
    return weight.savedName
  }

  private func adapts(_ module: LinearModule, _ layer: Int) -> Bool {
    targets(layer: layer).contains { $0.module == module }
  }

  /// The factor of B A.
  package func scaling(of target: Target) -> Double {
    target.alpha / (usesRankStabilizedScaling ? Double(target.rank).squareRoot() : Double(target.rank))
  }

  /// The factor of B A where no pattern says otherwise.
  package var scaling: Double { scaling(of: Target(module: .query, rank: rank, alpha: alpha)) }

  /// What adapter_config.json says: a relative adapter is saved as a plain one of twice the rank and the same scale.
  var saved: AdapterConfiguration {
    guard form == .relative else { return self }
    var saved = self
    saved.form = .plain
    saved.rank = 2 * rank
    saved.alpha = usesRankStabilizedScaling ? scaling * Double(2 * rank) : 2 * alpha
    saved.usesRankStabilizedScaling = false
    return saved
  }

  /// The members of adapter_config.json that select modules and their ranks.
  static let selectionKeys = [
    "alpha_pattern", "exclude_modules", "layers_pattern", "layers_to_transform", "rank_pattern", "target_modules",
  ]

  /// The text of adapter_config.json in PEFT's order and layout. Recent keys are left out when they have their
  /// defaults, so that older releases of PEFT, which do not know them, can read the file.
  ///
  /// A rank-stabilised adapter is written as a plain one with `lora_alpha` = alpha √R, if it has one R. The scaling is
  /// the same, and readers that do not know `use_rslora` (such as llama.cpp's converter) also apply it.
  package var text: String {
    let saved = saved
    guard saved == self else { return saved.text }
    let isRewritten = usesRankStabilizedScaling && variation == nil
    let alpha = isRewritten ? alpha * Double(rank).squareRoot() : alpha
    let json: JSONValue = [
      "alpha_pattern": [:], "auto_mapping": .null,
      "base_model_name_or_path": baseModel.map(JSONValue.string) ?? .null, "bias": .string(biases.rawValue),
      "exclude_modules": .null, "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
      "layer_replication": .null,
      "layers_pattern": .null, "layers_to_transform": .null, "loftq_config": [:],
      "lora_alpha": Int64(exactly: alpha).map(JSONValue.integer) ?? .number(alpha),
      "lora_dropout": .number(dropout), "megatron_config": .null, "megatron_core": "megatron.core",
      "modules_to_save": savedModules.isEmpty ? .null : .array(savedModules.map { .string($0) }), "peft_type": "LORA",
      "r": .integer(Int64(rank)), "rank_pattern": [:],
      "revision": baseRevision.map(JSONValue.string) ?? .null,
      "target_modules": .array(modules.map { .string($0.rawValue) }),
      "task_type": "CAUSAL_LM",
      "use_dora": .bool(form == .decomposed),
      "use_rslora": .bool(usesRankStabilizedScaling && !isRewritten),
    ]
    var members = json.members ?? []
    let selection = variation.flatMap { try? JSONValue.parse($0.selection) }
    for place in members.indices {
      if let value = selection?[members[place].name] { members[place].value = value }
    }
    // Older releases of PEFT know no exclude_modules.
    members.removeAll { $0.name == "exclude_modules" && $0.value.isNull }
    // The members are in order. Those of a pattern keep theirs: the first that matches counts.
    return JSONValue.object(members).serialized(indent: 2)
  }
}
