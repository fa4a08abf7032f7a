import Checkpoints
import Model
import Tensors
import TestSupport
import Testing

@Suite struct ConfigurationTests {
  /// The published config.json of Qwen2-1.5B-Instruct, as transformers 4 wrote it.
  static let published = """
    {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
     "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 1536, "initializer_range": 0.02,
     "intermediate_size": 8960, "max_position_embeddings": 32768, "max_window_layers": 28,
     "model_type": "qwen2", "num_attention_heads": 12, "num_hidden_layers": 28,
     "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
     "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
     "transformers_version": "4.40.1", "use_cache": true, "use_sliding_window": false,
     "vocab_size": 151936}
    """

  /// The published configuration with some keys replaced; null removes one.
  static func configuration(_ changes: [(String, JSONValue)]) throws -> ModelConfiguration {
    var members = try #require(try JSONValue.parse(published).members)
    for (name, value) in changes {
      members.removeAll { $0.name == name }
      if !value.isNull { members.append(.init(name, value)) }
    }
    return try ModelConfiguration(json: .object(members), path: "config.json")
  }

  @Test func `reads the published file`() throws {
    let model = try Self.configuration([])
    #expect(
      model
        == ModelConfiguration(
          hiddenSize: 1536, feedForwardSize: 8960, layerCount: 28, headCount: 12,
          keyValueHeadCount: 2, headWidth: 128, vocabularySize: 151_936, normEpsilon: 1e-6,
          ropeTheta: 1e6, tiesEmbeddings: true, maximumPositions: 32_768, beginOfSequence: 151_643,
          endOfSequence: [151_645], storedType: .bfloat16))
    let parameters = WeightName.all(model).reduce(0) { $0 + $1.shape(model).reduce(1, *) }
    #expect(parameters == 1_543_714_304, "the published number")
  }

  @Test func `reads what transformers 5 writes`() throws {
    let model = try ModelConfiguration(directory: Repository.fixture("checkpoints/base"))
    #expect(model.ropeTheta == 1e6)
    #expect(model.storedType == .bfloat16)
    #expect(model.endOfSequence == [2, 3])
    #expect(model.tiesEmbeddings)
    #expect(model.headWidth == 8)
  }

  @Test func `takes variants of the configuration`() throws {
    #expect(try Self.configuration([("head_dim", 64)]).headWidth == 64)
    #expect(try Self.configuration([("head_dim", 64)]).queryWidth == 768)
    #expect(try Self.configuration([("rope_theta", 10_000)]).ropeTheta == 10_000)
    #expect(try Self.configuration([("rope_theta", .null)]).ropeTheta == 10_000)
    #expect(try Self.configuration([("tie_word_embeddings", .null)]).tiesEmbeddings == false)
    #expect(try Self.configuration([("dtype", "float32"), ("torch_dtype", .null)]).storedType == .float32)
    #expect(try Self.configuration([("torch_dtype", .null)]).storedType == nil)
    #expect(try Self.configuration([("bos_token_id", .null)]).beginOfSequence == nil)
    #expect(try Self.configuration([("architectures", .null)]).layerCount == 28)
    let layers = JSONValue.array(Array(repeating: "full_attention", count: 28))
    #expect(try Self.configuration([("layer_types", layers)]).layerCount == 28)
  }

  @Test(
    arguments: [
      ("model_type", "phi3"), ("model_type", "qwen2_moe"), ("model_type", .null),
      ("architectures", ["LlamaForCausalLM"]),
      ("use_sliding_window", true), ("rope_scaling", ["type": "yarn", "factor": 4.0]),
      ("rope_parameters", ["rope_type": "yarn", "rope_theta": 1e6]),
      ("rope_parameters", ["rope_type": "default", "rope_theta": 1e4, "factor": 2]),
      ("rope_theta", "1e6"), ("rope_theta", 0), ("quantization_config", ["bits": 4]), ("hidden_act", "gelu"),
      ("attention_dropout", 0.1), ("layer_types", ["full_attention", "sliding_attention"]),
      ("layer_types", ["full_attention"]), ("hidden_size", 1536.0), ("hidden_size", "1536"), ("hidden_size", .null),
      ("hidden_size", 0), ("hidden_size", -1536), ("hidden_size", 9_000_000_000), ("hidden_size", 1537),
      ("num_key_value_heads", 5), ("num_key_value_heads", 0), ("num_attention_heads", 0),
      ("num_hidden_layers", 100_000), ("vocab_size", 1_099_511_627_776), ("head_dim", 63), ("rms_norm_eps", 0.0),
      ("rms_norm_eps", "x"), ("tie_word_embeddings", 1), ("eos_token_id", 151_936), ("eos_token_id", [1, "x"]),
      ("torch_dtype", "int8"), ("max_position_embeddings", 0), ("intermediate_size", true),
    ] as [(String, JSONValue)])
  func `what is refused is named`(key: String, value: JSONValue) {
    let error = #expect(throws: ContentError.self) { try Self.configuration([(key, value)]) }
    #expect(error?.description.contains(key) == true, "\(error?.description ?? "")")
  }

  @Test func `collects all problems`() {
    let error = #expect(throws: ContentError.self) {
      try Self.configuration([
        ("hidden_act", "gelu"), ("vocab_size", "many"), ("use_sliding_window", true),
      ])
    }
    #expect(
      error?.problems.map(\.item) == [
        "use_sliding_window", "hidden_act", "vocab_size", "bos_token_id", "eos_token_id",
      ])
  }

  @Test(arguments: ["[]", "null", "3", "{}"])
  func `refuses other JSON`(text: String) throws {
    let json = try JSONValue.parse(text)
    #expect(throws: ContentError.self) { try ModelConfiguration(json: json, path: "config.json") }
  }
}
