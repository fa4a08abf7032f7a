import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing
import TextMetrics

@Suite struct EncoderTests {
  private static func encoder(_ directory: String, layers: Int = 3) throws -> (Encoder, EncoderTokenizer, ThreadPool) {
    let encoder = try Encoder(directory: directory, layers: layers)
    let tokenizer = try EncoderTokenizer(directory: directory, encoder.shape)
    return (
      encoder, tokenizer, ThreadPool(threads: 2, scratchCount: encoder.scratchCount(tokens: tokenizer.maximumTokens))
    )
  }

  /// Ids and the first columns of the hidden rows that transformers gives.
  @Test(arguments: BertFixture.models) func `hidden rows of transformers`(model: String) throws {
    let (encoder, tokenizer, pool) = try Self.encoder(BertFixture.path(model))
    for item in try #require(try BertFixture.json()["states"]?[model]?.array) {
      let ids = tokenizer.encode(try #require(item["text"]?.string))
      #expect(ids.map(Int.init) == item["ids"]?.array?.compactMap(\.int))
      let hidden = encoder.forward([ids], pool)
      let expected = try #require(item["rows"]?.array).map { try #require($0.numbers) }
      #expect(hidden.rows == expected.count)
      for (row, numbers) in expected.enumerated() {
        #expect(excess((0..<4).map { Double(hidden[row, $0]) }, numbers, .forward) < 1)
      }
    }
  }

  @Test(arguments: BertFixture.models) func `a text's rows are the same beside others`(model: String) throws {
    let (encoder, tokenizer, pool) = try Self.encoder(BertFixture.path(model))
    let texts = ["a licence to use the work and such", "b", String(repeating: "the text of it ", count: 20)]
      .map(tokenizer.encode)
    let together = encoder.forward(texts, pool)
    var start = 0
    for text in texts {
      let alone = encoder.forward([text], ThreadPool(threads: 1, scratchCount: encoder.scratchCount(tokens: 64)))
      #expect(alone.elements == together.rows(start..<start + text.count).elements)
      start += text.count
    }
  }

  // MARK: Files

  /// The same numbers in another container.
  @Test func `shards, and names with the family before them`() throws {
    let copy = try BertFixture.copy("deberta")
    let stored = try StoredTensors(directory: copy.path)
    var map: [JSONValue.Member] = []
    for (number, names) in [stored.names.sorted().prefix(20), stored.names.sorted().dropFirst(20)].enumerated() {
      let file = "model-\(number).safetensors"
      let tensors = try names.map { name in
        let tensor = try #require(stored[name])
        map.append(.init("deberta.\(name)", .string(file)))
        return OutgoingTensor(name: "deberta.\(name)", type: tensor.type, shape: tensor.shape) { try $0(tensor.bytes) }
      }
      try AtomicFile.write(to: copy.path(file)) { try SafetensorsWriter.write(tensors, to: $0) }
    }
    try copy.write("model.safetensors.index.json", JSONValue.object([.init("weight_map", .object(map))]).serialized())
    let texts: [[Int32]] = [[1, 7, 9, 30, 2]]
    let (first, _, pool) = try Self.encoder(BertFixture.path("deberta"))
    let (second, _, _) = try Self.encoder(copy.path)
    #expect(first.forward(texts, pool).elements == second.forward(texts, pool).elements)
  }

  @Test func `every tensor that is missing or has another shape is told`() throws {
    let copy = try BertFixture.copy("roberta")
    try copy.replace("\"intermediate_size\": 24", by: "\"intermediate_size\": 25", in: "config.json")
    try copy.replace("\"num_hidden_layers\": 3", by: "\"num_hidden_layers\": 4", in: "config.json")
    let error = #expect(throws: ContentError.self) { try Encoder(directory: copy.path, layers: 4) }
    let items = error?.problems.compactMap(\.item) ?? []
    #expect(items.contains("roberta.encoder.layer.0.intermediate.dense.weight"))
    #expect(items.contains("roberta.encoder.layer.3.output.dense.bias"))
    // Layers beyond the wanted one are not read.
    try copy.replace("\"intermediate_size\": 25", by: "\"intermediate_size\": 24", in: "config.json")
    #expect(throws: Never.self) { try Encoder(directory: copy.path, layers: 3) }
  }

  // MARK: Lengths

  /// What tokenizer_config.json states, and the tokens that texts are cut to: RoBERTa has 26 positions, of which two are
  /// no token's; DeBERTa has distances alone, so that longer texts fit too.
  @Test(arguments: [
    ("roberta", "{}", 24), ("roberta", #"{"model_max_length": 7}"#, 7), ("roberta", #"{"model_max_length": 4000}"#, 24),
    ("roberta", #"{"model_max_length": 1000000000000000019884624838656}"#, 24), ("deberta", "{}", 40),
    ("deberta", #"{"model_max_length": 100}"#, 100), ("deberta-near", #"{"model_max_length": 100}"#, 40),
  ])
  func `texts are cut`(model: String, configuration: String, expected: Int) throws {
    let copy = try BertFixture.copy(model)
    try copy.write("tokenizer_config.json", configuration)
    let shape = try EncoderConfiguration(directory: copy.path)
    let tokenizer = try EncoderTokenizer(directory: copy.path, shape)
    #expect(tokenizer.maximumTokens == expected)
    let ids = tokenizer.encode(String(repeating: "the work and ", count: 200))
    #expect(ids.count == expected && ids.first == tokenizer.first && ids.last == tokenizer.last)
    let shorter = try EncoderTokenizer(directory: copy.path, shape, maximumTokens: 5)
    #expect(shorter.encode("the work and the work") == ids.prefix(4) + [tokenizer.last])
    let pool = ThreadPool(threads: 2, scratchCount: 1 << 17)
    #expect(try Encoder(directory: copy.path, layers: 1).forward([ids], pool).elements.allSatisfy(\.isFinite))
    try copy.write("tokenizer_config.json", #"{"model_max_length": "x"}"#)
    #expect(throws: ContentError.self) { try EncoderTokenizer(directory: copy.path, shape) }
  }

  // MARK: Configuration

  /// A change of the configuration, and a part of its refusal.
  @Test(arguments: [
    (#""model_type": "bert""#, "model_type"), (#""model_type": "deberta-v2""#, "version 1"),
    (#""hidden_act": "gelu_new""#, "hidden_act"), (#""num_attention_heads": 5"#, "multiple of num_attention_heads"),
    (#""talking_head": true"#, "talking_head"), (#""pos_att_type": "p2p|c2p""#, "pos_att_type"),
    (#""conv_kernel_size": 3"#, "conv_kernel_size"), (#""norm_rel_ebd": "layer_norm""#, "norm_rel_ebd"),
    (#""embedding_size": 8"#, "embedding_size"), (#""vocab_size": -1"#, "vocab_size"),
    (#""hidden_size": 1e30"#, "hidden_size"), (#""layer_norm_eps": "x""#, "layer_norm_eps"),
    (#""max_relative_positions": 99999999999"#, "max_relative_positions"),
    (#""quantization_config": {}"#, "quantization_config"), (#""position_biased_input": 1"#, "position_biased_input"),
  ])
  func `refuses what is not computed`(member: String, reason: String) throws {
    let name = String(member.split(separator: "\"")[0])
    var members = try #require(try JSONValue.read(file: "\(BertFixture.path("deberta"))/config.json").members)
    members.removeAll { $0.name == name }
    members += try #require(try JSONValue.parse("{\(member)}").members)
    let error = #expect(throws: ContentError.self) {
      try EncoderConfiguration(json: .object(members), path: "config.json")
    }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test func `the defaults are those of transformers`() throws {
    let roberta = try EncoderConfiguration(json: ["model_type": "roberta"], path: "")
    #expect(roberta.hidden == 768 && roberta.layers == 12 && roberta.padding == 1 && roberta.normEpsilon == 1e-12)
    let deberta = try EncoderConfiguration(
      json: ["model_type": "deberta", "relative_attention": true, "pos_att_type": "c2p|P2C"], path: "")
    #expect(deberta.relativeReach == 512 && deberta.queriesSeePositions && deberta.keysSeePositions)
    #expect(deberta.normEpsilon == 1e-7 && deberta.tokenTypes == 0 && deberta.hasPositionEmbeddings)
  }
}
