package struct ModelConfiguration: Sendable, Equatable {
  package var hiddenWidth, feedForwardWidth, layers, queryHeads, keyValueHeads, headWidth, vocabulary: Int
  package var normEpsilon: Float
  package var ropeTheta: Double
  package init(hiddenWidth: Int, feedForwardWidth: Int, layers: Int, queryHeads: Int, keyValueHeads: Int, headWidth: Int, vocabulary: Int, normEpsilon: Float, ropeTheta: Double) {
    self.hiddenWidth = hiddenWidth; self.feedForwardWidth = feedForwardWidth; self.layers = layers; self.queryHeads = queryHeads; self.keyValueHeads = keyValueHeads; self.headWidth = headWidth; self.vocabulary = vocabulary; self.normEpsilon = normEpsilon; self.ropeTheta = ropeTheta
  }
}
package enum LinearModule: String, CaseIterable, Sendable {
  case query = "q_proj", key = "k_proj", value = "v_proj", output = "o_proj", gate = "gate_proj", up = "up_proj", down = "down_proj"
  package func inputWidth(_ c: ModelConfiguration) -> Int {
    switch self { case .output: c.queryHeads * c.headWidth; case .down: c.feedForwardWidth; default: c.hiddenWidth }
  }
  package func outputWidth(_ c: ModelConfiguration) -> Int {
    switch self { case .query: c.queryHeads * c.headWidth; case .key, .value: c.keyValueHeads * c.headWidth; case .gate, .up: c.feedForwardWidth; default: c.hiddenWidth }
  }
}
package import Checkpoints
package import Tensors
package struct ModelDirectory {
  let path: String
  package init(path: String) throws { self.path = path }
  package func model() throws -> Qwen2 {
    let w = try HubWeights(directory: path)
    var text = ""; if let f = fopen(path + "/config.json", "r") { var buf = [UInt8](repeating: 0, count: 100000); let n = fread(&buf, 1, 100000, f); text = String(decoding: buf[0..<n], as: UTF8.self); fclose(f) }
    let j = try JSONValue.parse(text)
    let heads = j["num_attention_heads"]!.int!, d = j["hidden_size"]!.int!
    let c = ModelConfiguration(hiddenWidth: d, feedForwardWidth: j["intermediate_size"]!.int!, layers: j["num_hidden_layers"]!.int!, queryHeads: heads, keyValueHeads: j["num_key_value_heads"]!.int!, headWidth: j["head_dim"]?.int ?? d / heads, vocabulary: j["vocab_size"]!.int!, normEpsilon: Float(j["rms_norm_eps"]!.double!), ropeTheta: (j["rope_parameters"]?["rope_theta"] ?? j["rope_theta"])!.double!)
    func weight(_ n: String) -> Weight { let x = w[n]!; return Weight(base: x.bytes.baseAddress!, type: x.type, rows: x.shape.count == 2 ? x.shape[0] : 1, columns: x.shape.last!, owner: x.file) }
    let layers = (0..<c.layers).map { l in
      func n(_ m: LinearModule) -> String { "model.layers.\(l)." + (["q_proj","k_proj","v_proj","o_proj"].contains(m.rawValue) ? "self_attn." : "mlp.") + m.rawValue }
      return DecoderLayer(inputNorm: weight("model.layers.\(l).input_layernorm.weight").widened(), postAttentionNorm: weight("model.layers.\(l).post_attention_layernorm.weight").widened(),
        linears: Dictionary(uniqueKeysWithValues: LinearModule.allCases.map { ($0, weight(n($0) + ".weight")) }),
        biases: Dictionary(uniqueKeysWithValues: [LinearModule.query, .key, .value].map { ($0, weight(n($0) + ".bias").widened()) }))
    }
    let e = weight("model.embed_tokens.weight")
    return Qwen2(configuration: c, embedding: e, layers: layers, finalNorm: weight("model.norm.weight").widened(), head: w["lm_head.weight"] == nil ? e : weight("lm_head.weight"))
  }
}
package struct AdapterDirectory {
  let path: String
  package init(path: String) throws { self.path = path }
  package func adapter(for c: ModelConfiguration) throws -> Adapter {
    let w = try SafetensorsFile(path: path + "/adapter_model.safetensors")
    var text = ""; if let f = fopen(path + "/adapter_config.json", "r") { var buf = [UInt8](repeating: 0, count: 100000); let n = fread(&buf, 1, 100000, f); text = String(decoding: buf[0..<n], as: UTF8.self); fclose(f) }
    let j = try JSONValue.parse(text)
    let r = j["r"]!.int!, al = Float(j["lora_alpha"]!.double!)
    let a = Adapter(layout: AdapterLayout(configuration: c, rank: r, scale: j["use_rslora"]!.bool! ? al / Float(r).squareRoot() : al / Float(r), modules: Set((j["target_modules"]?.array ?? []).compactMap { LinearModule(rawValue: $0.string!) })))
    for l in 0..<c.layers { for m in a.layout.modules { for (s, x) in [("A", a.layout.a(m, layer: l, in: a.weights)!), ("B", a.layout.b(m, layer: l, in: a.weights)!)] {
      let n = "base_model.model.model.layers.\(l)." + (["q_proj","k_proj","v_proj","o_proj"].contains(m.rawValue) ? "self_attn." : "mlp.") + m.rawValue + ".lora_\(s).weight"
      let e = w.tensors[n]!
      let b = w.bytes(of: e).bindMemory(to: Float.self)
      for i in 0..<b.count { x.base[i] = b[i] }
    } } }
    return a
  }
}
import Glibc
