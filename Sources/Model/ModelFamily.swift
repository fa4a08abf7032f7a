// The families of decoders that are supported: what tells them apart. Everything else about a model is in its config.json.

/// A family of dense decoders with RMSNorm, rotary positions, grouped queries and SwiGLU.
package enum ModelFamily: String, Sendable, CaseIterable, Codable {
  /// Qwen2 and Qwen2.5: biases on q, k and v.
  case qwen2
  /// Qwen3, dense: a norm over every head of q and k, and a head width of its own.
  case qwen3
  /// The Llama architecture: Llama 2 and 3, SmolLM2 and others.
  case llama
  /// Mistral without a sliding window: Llama with a head width of its own.
  case mistral

  /// `architectures` in config.json. `model_type` is the raw value.
  package var architecture: String {
    switch self {
    case .qwen2: "Qwen2ForCausalLM"
    case .qwen3: "Qwen3ForCausalLM"
    case .llama: "LlamaForCausalLM"
    case .mistral: "MistralForCausalLM"
    }
  }

  /// Whether q and k are normed head by head before the rotation.
  package var normsHeads: Bool { self == .qwen3 }

  /// The linear layers with a bias.
  /// - Parameters:
  ///   - attention: `attention_bias` of config.json.
  ///   - feedForward: `mlp_bias`.
  package func biases(attention: Bool, feedForward: Bool) -> Set<LinearModule> {
    switch self {
    case .qwen2: [.query, .key, .value]
    case .qwen3: attention ? [.query, .key, .value, .output] : []
    case .llama:
      Set(attention ? [.query, .key, .value, .output] : []).union(feedForward ? [.gate, .up, .down] : [])
    case .mistral: []
    }
  }

  // MARK: What transformers assumes where config.json is silent

  /// `num_key_value_heads`; nil: the key must be there.
  func keyValueHeadCount(heads: Int) -> Int? {
    switch self {
    case .qwen2, .qwen3: nil
    case .llama: heads
    case .mistral: 8
    }
  }

  /// `head_dim`; nil: hidden_size / num_attention_heads.
  var headWidth: Int? { self == .qwen3 ? 128 : nil }

  /// `max_position_embeddings`.
  var maximumPositions: Int {
    switch self {
    case .qwen2, .qwen3: 32_768
    case .llama: 2048
    case .mistral: 131_072
    }
  }

  /// Whether attention has a window when config.json says nothing.
  var hasWindow: Bool { self == .mistral }
}
