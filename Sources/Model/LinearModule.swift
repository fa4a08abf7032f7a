// The linear layers of a block and their paths in files.

/// One of the seven linear layers of a block. The raw value is its name in files.
package enum LinearModule: String, Sendable, CaseIterable, Codable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"

  /// The module's path in a model, as in PEFT: `model.layers.3.self_attn.q_proj`.
  func path(layer: Int) -> String {
    switch self {
    case .query, .key, .value, .output: "model.layers.\(layer).self_attn.\(rawValue)"
    case .gate, .up, .down: "model.layers.\(layer).mlp.\(rawValue)"
    }
  }
}
