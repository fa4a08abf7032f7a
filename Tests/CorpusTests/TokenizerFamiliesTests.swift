// Tokenizers of other families, against the `tokenizers` library's ids and TRL's examples in families.json.

import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

@Suite struct TokenizerFamiliesTests {
  private static let fixture: JSONValue = {
    (try? JSONValue.read(file: Repository.fixture("tokenizer/families.json"))) ?? .null
  }()

  static let names = (fixture["families"]?.array ?? []).compactMap { $0["name"]?.string }

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private static func family(_ name: String) throws -> JSONValue {
    try #require(fixture["families"]?.array?.first { $0["name"]?.string == name })
  }

  /// The committed tokenizer.json with the family's members in place of its own.
  private func tokenizer(_ family: JSONValue) throws -> Tokenizer {
    let base = try JSONValue.read(file: TokenizerFiles.committed + "/tokenizer.json")
    var model = try #require(base["model"]).replacing(try #require(family["model"]))
    let lacks = (family["lacks"]?.array ?? []).compactMap(\.string)
    var names: [JSONValue.Member] = []
    for member in try #require(model["vocab"]?.members) {
      let place = lacks.firstIndex(of: member.name)
      names.append(.init(place.map { "<unused\($0)>" } ?? member.name, member.value))
    }
    model = model.replacing(.object([.init("vocab", .object(names + (family["vocab"]?.members ?? [])))]))
    let changes = try #require(family["changes"])
    try directory.write(
      "tokenizer.json", base.replacing(changes).replacing(.object([.init("model", model)])).serialized())
    return try Tokenizer(directory: directory.path)
  }

  @Test(arguments: names) func `ids equal the library's`(name: String) throws {
    let family = try Self.family(name)
    let tokenizer = try tokenizer(family)
    let cases = try #require(family["cases"]?.array)
    #expect(cases.count > 70)
    // In the second pass, short pieces come from the cache.
    for entry in cases + cases {
      let text = try #require(entry["text"]?.string)
      let ids = try #require(entry["ids"]?.ids)
      #expect(tokenizer.encodeWhole(text) == ids, "\(text.debugDescription)")
      #expect(
        tokenizer.encodeWhole(text, allowSpecial: true) == entry["special"]?.ids ?? ids, "\(text.debugDescription)")
    }
  }

  /// Texts begin with the tokenizer's token, chats with what their template writes.
  @Test func `examples are TRL's`() throws {
    try directory.write(
      "tokenizer_config.json", #"{"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}"#)
    let tokenizer = try tokenizer(try Self.family("llama3"))
    let template = try ChatTemplate(jinja: try #require(Self.fixture["chat_template"]?.string))
    let encoder = ExampleEncoder(tokenizer: tokenizer, template: template)
    let records = try #require(Self.fixture["records"]?.array)
    #expect(records.count == 5)
    for entry in records {
      let record = try #require(entry["record"])
      let example = try encoder.encode(try #require(try ExampleRecord.read(record).first), index: 0)
      let ids = try #require(entry["ids"]?.array).compactMap(\.ids)
      if let prompt = entry["prompt"]?.ids {
        #expect(example.tree.prompt == prompt, "\(record.serialized())")
        #expect(example.tree.completions == ids, "\(record.serialized())")
        #expect(example.texts.allSatisfy { $0.lowerBound > 0 }, "what begins the prompt may be cut")
      } else {
        #expect(example.tree.prompt + example.tree.completions[0] == ids[0], "\(record.serialized())")
      }
    }
  }

  /// As in axolotl, whose instruction formats begin the prompt alone, and whose input_output adds nothing.
  @Test func `stretches of text begin once`() throws {
    try directory.write("tokenizer_config.json", #"{"eos_token": "<|end_of_text|>"}"#)
    let tokenizer = try tokenizer(try Self.family("llama3"))
    let start = try #require(tokenizer.id(ofToken: "<|begin_of_text|>"))
    let encoder = ExampleEncoder(tokenizer: tokenizer, template: nil).parsingSpecialTokens(true)
    for (text, type, count) in [
      (#"{"instruction": "Say 1.", "output": "1"}"#, "alpaca", 1),
      (#"{"segments": [{"text": "a", "label": false}, {"text": "b", "label": true}]}"#, "input_output", 0),
      (#"{"text": "<|begin_of_text|>Once upon"}"#, "completion", 1),
    ] {
      let type = try DatasetType(named: type)
      let record = try #require(try ExampleRecord.read(try JSONValue.parse(text), type: type).first)
      let tree = try encoder.encode(record, index: 0).tree
      let ids = tree.prompt + tree.completions[0]
      #expect(ids.filter { $0 == start }.count == count, "\(text)")
      #expect((ids.first == start) == (count > 0), "\(text)")
    }
  }
}

extension JSONValue {
  /// An object with another's members in place of its own of the same names.
  fileprivate func replacing(_ other: JSONValue) -> JSONValue {
    let changed = other.members ?? []
    let names = Set(changed.map(\.name))
    return .object((members ?? []).filter { !names.contains($0.name) } + changed)
  }
}
