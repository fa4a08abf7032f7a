// Every tensor name of the hub's and of PEFT's files, and its shape. No other file contains these names but for the paths
// of linear layers.

extension LinearModule {
  /// The width of its input.
  package func inputWidth(_ configuration: ModelConfiguration) -> Int {
    switch self {
    case .query, .key, .value, .gate, .up: configuration.hiddenSize
    case .output: configuration.queryWidth
    case .down: configuration.feedForwardSize
    }
  }

  /// The width of its output.
  package func outputWidth(_ configuration: ModelConfiguration) -> Int {
    switch self {
    case .query: configuration.queryWidth
    case .key, .value: configuration.keyValueWidth
    case .output, .down: configuration.hiddenSize
    case .gate, .up: configuration.feedForwardSize
    }
  }

  /// The config.json keys that determine the widths, for messages.
  fileprivate var widthKeys: String {
    switch self {
    case .query, .output: "hidden_size, num_attention_heads"
    case .key, .value: "hidden_size, num_key_value_heads"
    case .gate, .up, .down: "hidden_size, intermediate_size"
    }
  }
}

/// A tensor of the base model.
package enum WeightName: Sendable, Hashable {
  case embedding
  /// The norm before attention.
  case inputNorm(layer: Int)
  /// The norm before the feed-forward part.
  case feedForwardNorm(layer: Int)
  /// The norms over each head of q and k, in families that have them.
  case queryNorm(layer: Int)
  case keyNorm(layer: Int)
  case linear(LinearModule, layer: Int)
  case bias(LinearModule, layer: Int)
  case finalNorm
  /// The matrix of the logits. A tied model uses the embedding; if its file has the tensor
  /// too, it is the same.
  case head

  /// The name in a hub checkpoint.
  package var hubName: String {
    switch self {
    case .embedding: "model.embed_tokens.weight"
    case .inputNorm(let layer): "model.layers.\(layer).input_layernorm.weight"
    case .feedForwardNorm(let layer): "model.layers.\(layer).post_attention_layernorm.weight"
    case .queryNorm(let layer): "model.layers.\(layer).self_attn.q_norm.weight"
    case .keyNorm(let layer): "model.layers.\(layer).self_attn.k_norm.weight"
    case .linear(let module, let layer): "\(module.path(layer: layer)).weight"
    case .bias(let module, let layer): "\(module.path(layer: layer)).bias"
    case .finalNorm: "model.norm.weight"
    case .head: "lm_head.weight"
    }
  }

  /// The shape in the file: [out, in] for matrices.
  package func shape(_ configuration: ModelConfiguration) -> [Int] {
    switch self {
    case .embedding, .head: [configuration.vocabularySize, configuration.hiddenSize]
    case .inputNorm, .feedForwardNorm, .finalNorm: [configuration.hiddenSize]
    case .queryNorm, .keyNorm: [configuration.headWidth]
    case .linear(let module, _):
      [module.outputWidth(configuration), module.inputWidth(configuration)]
    case .bias(let module, _): [module.outputWidth(configuration)]
    }
  }

  /// Whether it is a matrix; norms and biases are vectors.
  package var isMatrix: Bool {
    switch self {
    case .embedding, .linear, .head: true
    case .inputNorm, .feedForwardNorm, .queryNorm, .keyNorm, .bias, .finalNorm: false
    }
  }

  /// The decoder layer that it belongs to.
  package var layer: Int? {
    switch self {
    case .inputNorm(let layer), .feedForwardNorm(let layer), .queryNorm(let layer), .keyNorm(let layer),
      .linear(_, let layer), .bias(_, let layer):
      layer
    case .embedding, .finalNorm, .head: nil
    }
  }

  /// The config.json keys that determine the shape.
  var shapeKeys: String {
    switch self {
    case .embedding, .head: "vocab_size, hidden_size"
    case .inputNorm, .feedForwardNorm, .finalNorm: "hidden_size"
    case .queryNorm, .keyNorm: "head_dim"
    case .linear(let module, _), .bias(let module, _): module.widthKeys
    }
  }

  /// All tensors in a checkpoint of this configuration, from the embedding to the head.
  package static func all(_ configuration: ModelConfiguration) -> [WeightName] {
    var names: [WeightName] = [.embedding]
    for layer in 0..<configuration.layerCount {
      names.append(.inputNorm(layer: layer))
      for module in LinearModule.allCases {
        if module == .gate { names.append(.feedForwardNorm(layer: layer)) }
        names.append(.linear(module, layer: layer))
        if configuration.biases.contains(module) { names.append(.bias(module, layer: layer)) }
        if module == .key, configuration.family.normsHeads {
          names += [.queryNorm(layer: layer), .keyNorm(layer: layer)]
        }
      }
    }
    names.append(.finalNorm)
    if !configuration.tiesEmbeddings { names.append(.head) }
    return names
  }

  /// The weights of the modules whose paths end with one of the names, as PEFT's `modules_to_save` chooses them. A tied
  /// model has a head by name.
  package static func saved(_ names: [String], in configuration: ModelConfiguration) -> [WeightName] {
    guard !names.isEmpty else { return [] }
    let all = self.all(configuration) + (configuration.tiesEmbeddings ? [.head] : [])
    return all.filter { weight in
      if case .linear = weight { return false }
      if case .bias = weight { return false }
      return names.contains(where: weight.modulePath.hasSuffix)
    }
  }

  /// Why a name of `modules_to_save` cannot be used; nil if it can.
  package static func refusal(ofSaved name: String, in configuration: ModelConfiguration) -> String? {
    if (0..<configuration.layerCount).contains(where: { layer in
      LinearModule.allCases.contains { !name.isEmpty && $0.path(layer: layer).hasSuffix(name) }
    }) {
      return "a linear layer, which LoRA adapts or nothing trains"
    }
    return saved([name], in: configuration).isEmpty || name.isEmpty ? "which is no module of this model" : nil
  }

  /// The path of its module: its name without `.weight`.
  var modulePath: String { String(hubName.dropLast(".weight".count)) }

  /// Its name beside an adapter, as PEFT saves a module.
  var savedName: String { "base_model.model.\(hubName)" }

  /// Buffers of old checkpoints that are not used.
  static func isIgnored(_ hubName: String) -> Bool { hubName.hasSuffix(".rotary_emb.inv_freq") }
}

/// One of the two matrices that LoRA adds to a linear layer: W + scaling · B A.
package struct AdapterMatrix: Sendable, Hashable {
  package enum Side: String, Sendable, CaseIterable {
    /// [R, in]
    case a = "lora_A"
    /// [out, R]
    case b = "lora_B"
    /// DoRA's [out].
    case magnitude = "lora_magnitude_vector"
  }

  package var module: LinearModule
  package var layer: Int
  package var side: Side

  package init(_ module: LinearModule, layer: Int, side: Side) {
    (self.module, self.layer, self.side) = (module, layer, side)
  }

  /// The name in adapter_model.safetensors.
  package var name: String {
    "base_model.model.\(module.path(layer: layer)).\(side.rawValue)" + (side == .magnitude ? "" : ".weight")
  }

  package func shape(_ configuration: ModelConfiguration, rank: Int) -> [Int] {
    switch side {
    case .a: [rank, module.inputWidth(configuration)]
    case .b: [module.outputWidth(configuration), rank]
    case .magnitude: [module.outputWidth(configuration)]
    }
  }
}
