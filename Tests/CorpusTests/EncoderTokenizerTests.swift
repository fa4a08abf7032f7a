import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

/// The tokenizers of encoders in both forms, with the ids of transformers (Tests/Fixtures/bert_score_models.py).
@Suite struct EncoderTokenizerTests {
  static let families: [(name: String, specials: EncoderSpecials)] = [("roberta", .roberta), ("deberta", .deberta)]

  private static func copy(_ name: String, tokenizerFile: Bool) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    let names = tokenizerFile ? ["\(name)-tokenizer.json"] : ["\(name)/vocab.json", "\(name)/merges.txt"]
    for name in names {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: Repository.fixture("bert/\(name)")))
      try directory.write(tokenizerFile ? "tokenizer.json" : String(name.split(separator: "/")[1]), bytes)
    }
    return directory
  }

  @Test(arguments: [false, true]) func `ids of transformers`(tokenizerFile: Bool) throws {
    let cases = try JSONValue.parse(
      Array(Data(contentsOf: URL(fileURLWithPath: Repository.fixture("bert/ids.json")))), by: .anyText)
    for (name, specials) in Self.families {
      let directory = try Self.copy(name, tokenizerFile: tokenizerFile)
      let tokenizer = try Tokenizer(encoder: directory.path, specials: specials)
      let texts = try #require(cases[name]?.array)
      #expect(texts.count > 10)
      for item in texts {
        let text = try #require(item.array?[0].string)
        let ids = tokenizer.encodeWhole(text, allowSpecial: true)
        #expect(ids == item.array?[tokenizerFile ? 2 : 1].ids, "\(name): \(text.debugDescription)")
      }
    }
  }

  @Test func `special tokens are renamed`() throws {
    let directory = try Self.copy("roberta", tokenizerFile: false)
    try directory.replace("\"<mask>\"", by: "\"[M]\"", in: "vocab.json")
    try directory.replace("\"<s>\"", by: "\"[B]\"", in: "vocab.json")
    try directory.write("special_tokens_map.json", #"{"mask_token": {"content": "<mask>"}, "cls_token": "[B]"}"#)
    try directory.write(
      "tokenizer_config.json", #"{"mask_token": {"content": "[M]", "rstrip": true}, "sep_token": null}"#)
    let tokenizer = try Tokenizer(encoder: directory.path, specials: .roberta)
    #expect(tokenizer.encodeWhole("[M]  \u{2003}", allowSpecial: true) == [0, 4, 2])
    // The space before it stays.
    #expect(tokenizer.encodeWhole(" [M]", allowSpecial: true).count == 4)
  }

  /// A file's content, and a part of its refusal.
  @Test(arguments: [
    ("vocab.json", "[]", "is no object"), ("vocab.json", "{\"a\": 0}", "no token \"<s>\""),
    ("vocab.json", "{", "not valid"),
    ("merges.txt", "#version: 0.2\na b c\n", "is neither"), ("merges.txt", "qqq zzz\n", "names a token"),
    ("added_tokens.json", "{\"x\": 500}", "adds tokens"),
    ("special_tokens_map.json", "{\"cls_token\": 3}", "cls_token"),
    ("special_tokens_map.json", "{\"cls_token\": \"[none]\"}", "no token \"[none]\""),
    ("tokenizer.json", "{}", "model is missing"),
  ])
  func `malformed files are refused`(name: String, text: String, reason: String) throws {
    let directory = try Self.copy("roberta", tokenizerFile: false)
    try directory.write(name, text)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(encoder: directory.path, specials: .roberta) }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test func `a byte without a token is refused`() throws {
    let directory = try Self.copy("deberta", tokenizerFile: false)
    var members = try #require(JSONValue.parse(directory.text("vocab.json")).members)
    members.removeAll { $0.name == "é" }
    try directory.write("vocab.json", JSONValue.object(members).serialized())
    #expect(throws: TokenizerError.self) { try Tokenizer(encoder: directory.path, specials: .deberta) }
  }

  @Test func `a tokenizer that frames nothing is refused`() throws {
    let directory = try TokenizerFiles()
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(encoder: directory.path, specials: .roberta) }
    #expect(error?.description.contains("one token before and one after") == true)
  }
}
