import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing

@Suite struct ModelDirectoryTests {
  /// A separate directory with the fixture's configuration and tensors, after changes.
  private func directory(
    in scratch: TemporaryDirectory, configuration changes: [(String, JSONValue)] = [],
    tensors change: (inout [OutgoingTensor]) -> Void = { _ in }
  ) throws -> String {
    var members = try #require(try JSONValue.read(file: Repository.fixture("checkpoints/base/config.json")).members)
    for (name, value) in changes {
      members.removeAll { $0.name == name }
      members.append(.init(name, value))
    }
    let weights = try HubWeights(directory: Repository.fixture("checkpoints/base"))
    var tensors = weights.names.compactMap { name in
      weights[name].map { weight in
        OutgoingTensor(name: name, type: weight.type, shape: weight.shape) { try $0(weight.bytes) }
      }
    }
    change(&tensors)
    let path = scratch.path("model")
    try AtomicDirectory.write(to: path, neededBytes: 0, hasManifest: false) {
      try $0.file("config.json", text: JSONValue.object(members).serialized())
      try ShardedExport.write(tensors, to: $0)
    }
    return path
  }

  private func zeros(_ name: String, _ type: ElementType, _ shape: [Int]) -> OutgoingTensor {
    OutgoingTensor(name: name, type: type, shape: shape) {
      try [UInt8](repeating: 0, count: shape.reduce(type.bytes, *)).withUnsafeBytes($0)
    }
  }

  private func message(_ path: String) -> String {
    let error = #expect(throws: ContentError.self) { try ModelDirectory(path) }
    return error?.description ?? ""
  }

  private func floats(_ weight: HubWeights.Weight) -> [Float] {
    weight.bytes.bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
  }

  @Test(arguments: ["base", "sharded"])
  func `opens what transformers wrote`(name: String) throws {
    let model = try ModelDirectory(Repository.fixture("checkpoints/\(name)"))
    #expect(model.configuration.layerCount == 2)
    #expect(Array(floats(model[.embedding]).prefix(8)) == (try expectedNumbers("embedding")))
    #expect(Array(floats(model[.linear(.down, layer: 1)]).suffix(8)) == (try expectedNumbers("down")))
    #expect(model[.head].bytes.baseAddress == model[.embedding].bytes.baseAddress)
    for name in WeightName.all(model.configuration) { #expect(model[name].shape == name.shape(model.configuration)) }
  }

  @Test func `names what is missing and what is too much`() throws {
    let scratch = try TemporaryDirectory()
    let text = message(
      try directory(in: scratch) {
        $0.removeAll { $0.name == "model.norm.weight" }
        $0.append(zeros("model.layers.2.mlp.up_proj.weight", .bfloat16, [48, 32]))
      })
    #expect(text.contains("\"model.norm.weight\" is missing"))
    #expect(text.contains("\"model.layers.2.mlp.up_proj.weight\" is unexpected"))
  }

  @Test func `names the key behind a shape`() throws {
    let scratch = try TemporaryDirectory()
    let text = message(
      try directory(in: scratch) {
        $0.removeAll { $0.name == "model.norm.weight" }
        $0.append(zeros("model.norm.weight", .bfloat16, [31]))
      })
    #expect(text.contains("\"model.norm.weight\" has shape [31], expected [32] (hidden_size in config.json)"))
    let other = try TemporaryDirectory()
    #expect(
      message(try directory(in: other, configuration: [("intermediate_size", 64)]))
        .contains("[64, 32] (hidden_size, intermediate_size in config.json)"))
  }

  @Test func `refuses other types`() throws {
    let scratch = try TemporaryDirectory()
    let text = message(
      try directory(in: scratch) {
        $0.removeAll { $0.name == "model.norm.weight" }
        $0.append(zeros("model.norm.weight", .uint8, [32]))
      })
    #expect(text.contains("has dtype U8, expected BF16, F16 or F32"))
  }

  @Test func `head and embedding are tied or not`() throws {
    let tied = try TemporaryDirectory()
    #expect(
      message(try directory(in: tied) { $0.append(zeros("lm_head.weight", .bfloat16, [96, 32])) })
        .contains("tie_word_embeddings"))
    let untied = try TemporaryDirectory()
    #expect(
      message(try directory(in: untied, configuration: [("tie_word_embeddings", false)]))
        .contains("\"lm_head.weight\" is missing"))
    let both = try TemporaryDirectory()
    let model = try ModelDirectory(
      try directory(in: both, configuration: [("tie_word_embeddings", false)]) {
        $0.append(zeros("lm_head.weight", .bfloat16, [96, 32]))
      })
    #expect(model[.head].bytes.allSatisfy { $0 == 0 })
  }

  /// transformers ties the two if they are equal, and keeps both otherwise.
  @Test func `a tied model may have its head again`() throws {
    let embedding = try #require(
      try HubWeights(directory: Repository.fixture("checkpoints/base"))[WeightName.embedding.hubName])
    func head(_ type: ElementType, _ bytes: [UInt8]) -> OutgoingTensor {
      OutgoingTensor(name: "lm_head.weight", type: type, shape: embedding.shape) { try bytes.withUnsafeBytes($0) }
    }
    let same = try TemporaryDirectory()
    let model = try ModelDirectory(try directory(in: same) { $0.append(head(.bfloat16, Array(embedding.bytes))) })
    #expect(model[.head].bytes.baseAddress == model[.embedding].bytes.baseAddress)
    var changed = Array(embedding.bytes)
    changed[changed.count - 1] ^= 1
    for tensor in [head(.bfloat16, changed), head(.float16, Array(embedding.bytes))] {
      let other = try TemporaryDirectory()
      #expect(
        message(try directory(in: other) { $0.append(tensor) }).contains(
          "\"lm_head.weight\" differs from model.embed_tokens.weight although tie_word_embeddings is true, expected "))
    }
  }

  @Test func `old buffers are ignored`() throws {
    let scratch = try TemporaryDirectory()
    _ = try ModelDirectory(
      try directory(in: scratch) { $0.append(zeros("model.layers.0.self_attn.rotary_emb.inv_freq", .float32, [4])) })
  }

  @Test func `hashes follow the content`() throws {
    let hashes = ContentHash(cacheDirectory: nil)
    let one = try TemporaryDirectory()
    let two = try TemporaryDirectory()
    let three = try TemporaryDirectory()
    let original = try ModelDirectory(try directory(in: one)).contentHash(hashes)
    #expect(original == (try ModelDirectory(try directory(in: two)).contentHash(hashes)))
    let changed = try directory(in: three) {
      $0.removeAll { $0.name == "model.norm.weight" }
      $0.append(zeros("model.norm.weight", .bfloat16, [32]))
    }
    #expect(original != (try ModelDirectory(changed).contentHash(hashes)))
    #expect(try ModelDirectory(Repository.fixture("checkpoints/sharded")).contentHash(hashes) != original)
  }

  @Test func `the tokenizer's hash follows its files`() throws {
    let hashes = ContentHash(cacheDirectory: nil)
    let scratch = try TemporaryDirectory()
    #expect(throws: ContentError.self) {
      try ModelDirectory.tokenizerHash(directory: scratch.path, hashes)
    }
    try AtomicFile.write("{}", to: scratch.path("tokenizer.json"))
    let one = try ModelDirectory.tokenizerHash(directory: scratch.path, hashes)
    try AtomicFile.write("{ }", to: scratch.path("tokenizer_config.json"))
    #expect(one != (try ModelDirectory.tokenizerHash(directory: scratch.path, hashes)))
  }
}

/// The fixtures' numbers as printed by torch.
func expectedNumbers(_ name: String) throws -> [Float] {
  let json = try JSONValue.read(file: Repository.fixture("checkpoints/expected.json"))
  return json[name]?.array?.compactMap(\.double).map(Float.init) ?? []
}
