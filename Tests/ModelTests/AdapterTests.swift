import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing

@Suite struct AdapterTests {
  private func model() throws -> ModelConfiguration {
    try ModelConfiguration(directory: Repository.fixture("checkpoints/base"))
  }

  /// PEFT's adapter_config.json with some keys replaced.
  private func configuration(_ changes: [(String, JSONValue)]) throws -> AdapterConfiguration {
    var members = try #require(
      try JSONValue.read(file: Repository.fixture("checkpoints/adapter/adapter_config.json")).members)
    for (name, value) in changes {
      members.removeAll { $0.name == name }
      members.append(.init(name, value))
    }
    return try AdapterConfiguration(json: .object(members), path: "adapter_config.json", model: try model())
  }

  @Test func `reads what PEFT wrote`() throws {
    let adapter = try AdapterDirectory(Repository.fixture("checkpoints/adapter"), model: try model())
    #expect(
      adapter.configuration
        == AdapterConfiguration(
          rank: 4, alpha: 8, dropout: 0.05, usesRankStabilizedScaling: true,
          modules: [.query, .value, .down], baseModel: "base"))
    #expect(adapter.configuration.scaling == 4)
    let b = try adapter.entries(of: AdapterMatrix(.value, layer: 1, side: .b))
    #expect(Array(b.suffix(8)) == (try expectedNumbers("lora_B")))
    #expect(b.count == 16 * 4)
    #expect(try adapter.entries(of: AdapterMatrix(.down, layer: 0, side: .a)).count == 4 * 48)
  }

  @Test func `written adapters read back`() throws {
    let scratch = try TemporaryDirectory()
    let model = try model()
    let configuration = AdapterConfiguration(
      rank: 3, alpha: 6.5, dropout: 0, modules: [.down, .query, .gate], baseModel: nil)
    let matrices = AdapterLayout(configuration, model: model).matrices
    var entries: [AdapterMatrix: [Float]] = [:]
    for (index, matrix) in matrices.enumerated() {
      let count = matrix.shape(model, rank: 3).reduce(1, *)
      entries[matrix] = (0..<count).map { Float($0) + Float(index) / 64 }
    }
    let path = scratch.path("adapter")
    let adapter = Adapter(layout: AdapterLayout(configuration, model: model))
    for (matrix, values) in entries {
      adapter.layout.matrix(matrix, in: adapter.weights).base.update(from: values, count: values.count)
    }
    let inference = try InferenceFiles(adapter: nil, base: TinyFixture.path("model"))
    try AdapterDirectory.write(adapter, configuration, inference, to: path)
    let back = try AdapterDirectory(path, model: model)
    #expect(back.configuration == configuration)
    for matrix in matrices { #expect(try back.entries(of: matrix) == entries[matrix]) }
  }

  /// Readers with and without support for `use_rslora` find the same scaling.
  @Test func `rank stabilized adapters are written for every reader`() throws {
    let model = try model()
    for rank in 1...128 {
      for alpha in [0.5, 16, 64] {
        let trained = AdapterConfiguration(
          rank: rank, alpha: alpha, dropout: 0, usesRankStabilizedScaling: true, modules: [.query], baseModel: nil)
        let json = try JSONValue.parse(trained.text)
        #expect(json["use_rslora"] == false)
        let written = try #require(json["lora_alpha"]?.double) / Double(rank)
        #expect(Float(written) == Float(alpha / Double(rank).squareRoot()), "rank \(rank)")
        let read = try AdapterConfiguration(json: json, path: "adapter_config.json", model: model)
        #expect(AdapterLayout(read, model: model) == AdapterLayout(trained, model: model))
      }
    }
  }

  @Test func `half precision widens exactly`() throws {
    let scratch = try TemporaryDirectory()
    let model = try model()
    try AtomicFile.write(
      AdapterConfiguration(rank: 1, alpha: 1, dropout: 0, modules: [.key], baseModel: nil).text,
      to: scratch.path("adapter_config.json"))
    // 1.5, -2^-14 and the largest finite number of each type, by hand.
    let patterns: [(ElementType, [UInt16], [Float])] = [
      (.float16, [0x3E00, 0x8400, 0x7BFF, 0x0001], [1.5, -0x1p-14, 65504, 0x1p-24]),
      (.bfloat16, [0x3FC0, 0xB880, 0x7F7F, 0x0001], [1.5, -0x1p-14, 3.3895314e38, 0x1p-133]),
    ]
    for (type, bits, expected) in patterns {
      let tensors = AdapterLayout(configuration: model, rank: 1, scale: 1, modules: [.key]).matrices.map { matrix in
        let shape = matrix.shape(model, rank: 1)
        return OutgoingTensor(name: matrix.name, type: type, shape: shape) {
          let all = (0..<shape.reduce(1, *)).map { bits[$0 % 4] }
          try all.withUnsafeBytes($0)
        }
      }
      try AtomicFile.write(to: scratch.path("adapter_model.safetensors")) {
        try SafetensorsWriter.write(tensors, to: $0)
      }
      let adapter = try AdapterDirectory(scratch.path, model: model)
      let entries = try adapter.entries(of: AdapterMatrix(.key, layer: 1, side: .a))
      #expect(Array(entries.prefix(4)) == expected)
    }
  }

  @Test(
    arguments: [
      ("peft_type", "LOHA"), ("peft_type", .null), ("r", 0), ("r", 4.0), ("r", "4"), ("lora_alpha", 0),
      ("lora_alpha", "8"), ("lora_dropout", 1.0), ("lora_dropout", -0.1), ("lora_dropout", "x"),
      ("use_dora", "yes"), ("rank_pattern", ["q_proj": 0]), ("rank_pattern", ["q_proj": 5000]), ("rank_pattern", 8),
      ("rank_pattern", ["(q_proj": 8]), ("alpha_pattern", ["q_proj": 0]), ("alpha_pattern", ["q_proj": "8"]),
      ("modules_to_save", ["no_module"]), ("modules_to_save", ["q_proj"]), ("layers_to_transform", "0"),
      ("layers_to_transform", [0.5]),
      ("layers_pattern", 1), ("layers_pattern", ["a|b"]), ("exclude_modules", 1),
      ("bias", "some"), ("bias", true), ("lora_bias", true),
      ("layer_replication", [[0, 1]]), ("trainable_token_indices", [1]), ("target_parameters", ["x"]),
      ("use_qalora", true), ("alora_invocation_tokens", [1]),
      ("megatron_config", ["x": 1]), ("init_lora_weights", "pissa"), ("init_lora_weights", "pissa_niter_16"),
      ("init_lora_weights", "olora"), ("use_rslora", "yes"), ("task_type", "SEQ_CLS"),
      ("a_key_of_the_future", 1), ("target_modules", []), ("target_modules", .null), ("target_modules", 1),
      ("target_modules", ["lm_head", "q_proj"]), ("target_modules", ["embed_tokens"]),
      ("target_modules", ["c_attn"]), ("target_modules", [1]), ("target_modules", "q_proj"), ("target_modules", ".*"),
      ("target_modules", ".*q_proj|v_proj_of_none|lm_head"), ("target_modules", ".*\\.(q_proj|v_proj"),
      ("target_modules", "(?=a).*q_proj"),
    ] as [(String, JSONValue)])
  func `what is refused is named`(key: String, value: JSONValue) {
    let error = #expect(throws: ContentError.self) { try configuration([(key, value)]) }
    #expect(error?.problems.map(\.item) == [key], "\(error?.description ?? "")")
  }

  @Test(
    arguments: [
      (["q_proj", "down_proj"], [.query, .down]), (["v_proj", "self_attn.q_proj", "c_attn"], [.query, .value]),
      ("all-linear", LinearModule.allCases), (".*\\.(q_proj|v_proj)", [.query, .value]),
      (".*(?:up_proj|gate_proj)$", [.gate, .up]), (".*o_proj", [.output]),
      (["model.layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj"], [.query]),
      (["model.layers.0.self_attn.q_proj"], [.query]), (".*(q|v)_proj", [.query, .value]),
      (".*q_proj|v_proj", [.query]),
    ] as [(JSONValue, [LinearModule])])
  func `target modules are read as PEFT reads them`(value: JSONValue, modules: [LinearModule]) throws {
    #expect(try configuration([("target_modules", value)]).modules == modules)
  }

  /// Reading a list of maximum length takes time proportional to its length.
  @Test(.timeLimit(.minutes(1))) func `a long list of targets is read`() throws {
    var large = try model()
    large.layerCount = 512
    let names = (0..<100_000).map { JSONValue.string("m\($0)") }
    let modules = try TargetModules(["target_modules": .array(names + ["q_proj"])]).modules(of: large)
    #expect(modules.count == 512 && modules.allSatisfy { $0 == [.query] })
  }

  /// PEFT writes "all-linear" as the full path of every layer's module.
  @Test func `all-linear is read as PEFT writes it`() throws {
    let path = Repository.fixture("checkpoints/all-linear/adapter_config.json")
    let configuration = try AdapterConfiguration(json: try JSONValue.read(file: path), path: path, model: try model())
    #expect(configuration.modules == LinearModule.allCases)
  }

  @Test(
    arguments: [
      ("init_lora_weights", "gaussian"), ("init_lora_weights", false), ("revision", "main"), ("r", 4),
      ("loftq_config", [:]), ("peft_version", "0.1"), ("lora_alpha", 8.5), ("use_rslora", false),
    ] as [(String, JSONValue)])
  func `takes what does not matter`(key: String, value: JSONValue) throws {
    #expect(try configuration([(key, value)]).rank == 4)
  }

  @Test func `names an adapter of another rank or model`() throws {
    let scratch = try TemporaryDirectory()
    try FileManager.default.copyItem(
      atPath: Repository.fixture("checkpoints/adapter/adapter_model.safetensors"),
      toPath: scratch.path("adapter_model.safetensors"))
    let write = { (rank: Int, modules: [LinearModule]) in
      let configuration = AdapterConfiguration(rank: rank, alpha: 8, dropout: 0, modules: modules, baseModel: nil)
      try AtomicFile.write(configuration.text, to: scratch.path("adapter_config.json"))
    }
    let message = { (model: ModelConfiguration) -> String in
      let error = #expect(throws: ContentError.self) { try AdapterDirectory(scratch.path, model: model) }
      return error?.description ?? ""
    }
    try write(8, [.query, .value, .down])
    #expect(message(try model()).contains("lora_A.weight of shape [4, 32], not [8, 32]"))
    try write(4, [.query, .value, .down, .up])
    #expect(message(try model()).contains("mlp.up_proj.lora_A.weight"))
    try write(4, [.query, .value])
    #expect(message(try model()).contains("holds beside the adapter's matrices"))
    try write(4, [.query, .value, .down])
    var other = try model()
    other.hiddenSize = 64
    #expect(message(other).contains("another rank or model"))
    _ = try AdapterDirectory(scratch.path, model: try model())
  }

  @Test func `refuses entries that are not finite`() throws {
    let scratch = try TemporaryDirectory()
    let model = try model()
    let configuration = AdapterConfiguration(rank: 1, alpha: 1, dropout: 0, modules: [.query], baseModel: nil)
    try AtomicFile.write(configuration.text, to: scratch.path("adapter_config.json"))
    let broken = Adapter(layout: AdapterLayout(configuration, model: model))
    broken.weights.base[3] = .nan
    let tensors = broken.layout.parameters.tensors(of: broken.weights)
    try AtomicFile.write(to: scratch.path("adapter_model.safetensors")) {
      try SafetensorsWriter.write(tensors, to: $0)
    }
    let adapter = try AdapterDirectory(scratch.path, model: model)
    #expect(throws: ContentError.self) {
      try adapter.entries(of: AdapterMatrix(.query, layer: 0, side: .a))
    }
  }
}
