// Files that the tokenizer must reject, each with its reason in the message.

import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

@Suite struct TokenizerLoadingTests {
  struct Change: Sendable, CustomTestStringConvertible {
    let old: String
    let new: String
    let reason: String
    var testDescription: String { reason }

    init(_ old: String, _ new: String, _ reason: String) { (self.old, self.new, self.reason) = (old, new, reason) }
  }

  static let changes = [
    Change(#""dropout":null"#, #""dropout":0.1"#, "model.dropout is 0.1"),
    Change(
      #""continuing_subword_prefix":"""#, #""continuing_subword_prefix":"x""#,
      "model.continuing_subword_prefix"),
    Change(#""end_of_word_suffix":"""#, #""end_of_word_suffix":"x""#, "model.end_of_word_suffix"),
    Change(#""byte_fallback":false"#, #""byte_fallback":true"#, "sentencepiece-style BPE"),
    Change(#""type":"Split""#, #""type":"Metaspace""#, "sentencepiece-style BPE"),
    Change(#""byte_fallback":false"#, #""ignore_merges":1"#, "model.ignore_merges is 1"),
    Change(#""byte_fallback":false"#, #""surprise":1"#, #"model has a member "surprise""#),
    Change(#""type":"BPE""#, #""type":"Unigram""#, "model.type is"),
    Change(#""type":"NFC""#, #""type":"NFKC""#, "normalizer.type is"),
    Change(#""type":"NFC"}"#, #""type":"Sequence","normalizers":[{"type":"Strip"}]}"#, "normalizers[0]"),
    Change(#"\\p{N}|"#, #"\\w|"#, #"which has \w, which is not supported"#),
    Change(#""Regex":"#, #""String":"#, "pretokenizers[0].pattern is no object"),
    Change(#""behavior":"Isolated""#, #""behavior":"MergedWithNext""#, "pretokenizers[0].behavior is"),
    Change(#""invert":false"#, #""invert":0"#, "pretokenizers[0].invert is"),
    Change(#""use_regex":false}]}"#, #""use_regex":0}]}"#, "pretokenizers[1].use_regex is"),
    Change(#""type":"Split""#, #""type":"Whitespace""#, #"pretokenizers[0].type is "Whitespace""#),
    Change(#"[{"type":"Split""#, #"[{"type":"ByteLevel","add_prefix_space":true},{"type":"Split""#, "ByteLevel last"),
    Change(
      #""post_processor":{"type":"ByteLevel""#,
      #""post_processor":{"type":"TemplateProcessing","single":[]},"a":{"type":"ByteLevel""#, "member \"a\""),
    Change(#""decoder":{"type":"ByteLevel""#, #""decoder":{"type":"WordPiece""#, "decoder.type is"),
    Change(
      #""post_processor":{"type":"ByteLevel""#, #""post_processor":{"type":"BertProcessing""#,
      "post_processor.type is"),
    Change(#""pre_tokenizer":"#, #""pretokenizer":"#, #"the file has a member "pretokenizer""#),
    Change(#""version":"1.0""#, #""version":"2.0""#, "the file.version is"),
    Change(#""lstrip":false"#, #""lstrip":true"#, "added_tokens[0].lstrip is true"),
    Change(#""id":3001"#, #""id":3000"#, "added_tokens[1] has the id 3000, expected 3001"),
    Change(#""id":3001"#, #""id":3010"#, "added_tokens[1] has the id 3010, expected 3001"),
    Change(#""id":3001"#, #""id":-1"#, "added_tokens[1] lacks one of"),
    Change(#""content":"<|im_start|>""#, #""content":"Ġthe""#, "an id other than the one it has"),
    Change(#""content":"<|im_start|>""#, #""content":"""#, "has 0 bytes"),
    Change(#""content":"<|im_end|>""#, #""content":"<|end|>""#, "not among the added tokens"),
    Change(#""vocab":{"!":0"#, #""vocab":{"!":1"#, "is given to two tokens"),
    Change(#""vocab":{"!":0"#, #""vocab":{"!":99999999"#, "is no number from 0 to 1048575"),
    Change(#""vocab":{"!":0"#, #""vocab":{"!!!!!!!!!!!":0"#, "names a token that model.vocab has not"),
    Change(#""vocab":{"!":0"#, #""vocab":{"!":0,"!":0"#, "occurs twice"),
    Change(#""merges":["Ġ Ġ""#, #""merges":["Ġ Ġ","Ġ Ġ""#, "model.merges[1] is there twice"),
    Change(#""merges":["Ġ Ġ""#, #""merges":["Ġ Ġqqq""#, "model.merges[0] names a token"),
    Change(#""merges":["Ġ Ġ""#, #""merges":["q q""#, "model.merges[0] names a token"),
    Change(#""merges":["Ġ Ġ""#, #""merges":["Ġ Ġ Ġ""#, "model.merges[0] is neither"),
    Change(#""merges":["Ġ Ġ""#, #""merges":[["Ġ"]"#, "model.merges[0] is neither"),
    Change(#""merges":["#, #""merges":[["#, "not valid JSON"),
  ]

  @Test(arguments: changes)
  func `refuses what would change ids`(change: Change) throws {
    let files = try TokenizerFiles { text in
      text.range(of: change.old).map { text.replacingCharacters(in: $0, with: change.new) } ?? ""
    }
    #expect { try Tokenizer(directory: files.path) } throws: { "\($0)".contains(change.reason) }
  }

  @Test func `refuses what is put around a text and is not there`() throws {
    for (processor, reason) in [
      (#"{"type":"TemplateProcessing","single":[]}"#, "has the text A 0 times"),
      (#"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]}"#, "single[0] is neither"),
      (
        #"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},{"Sequence":{"id":"A"}}],"#
          + #""special_tokens":{"x":{"ids":[70000]}}}"#, "post_processor adds the id 70000"
      ),
    ] {
      let files = try TokenizerFiles { text in
        text.replacing(/"post_processor":\{[^}]*\}/, with: #""post_processor":\#(processor)"#)
      }
      #expect { try Tokenizer(directory: files.path) } throws: { "\($0)".contains(reason) }
    }
  }

  @Test func `a token for unknown bytes is refused where it would be used`() throws {
    let files = try TokenizerFiles { text in
      text.replacing(#""unk_token":null"#, with: #""unk_token":"a""#)
    }
    #expect(try Tokenizer(directory: files.path).encode("a").count == 1)
    // A byte that no UTF-8 has is in no merge.
    let name = String(UnicodeScalar(0xC0 as UInt8))
    let lacking = try TokenizerFiles { text in
      text.replacing(#""unk_token":null"#, with: #""unk_token":"a""#)
        .replacing(#""\#(name)":"#, with: #""<unused>":"#)
    }
    #expect { try Tokenizer(directory: lacking.path) } throws: { "\($0)".contains("for the byte 192") }
  }

  @Test func `refuses long tokens and missing files`() throws {
    let files = try TokenizerFiles { text in
      text.replacing(#""!":0"#, with: #""\#(String(repeating: "a", count: 4097))":0"#)
    }
    #expect { try Tokenizer(directory: files.path) } throws: { "\($0)".contains("has 4097 bytes") }
    #expect { try Tokenizer(directory: "/nonexistent") } throws: {
      "\($0)".contains("/nonexistent/tokenizer.json: cannot open")
    }
    try files.write("tokenizer.json", "")
    #expect(throws: (any Error).self) { try Tokenizer(directory: files.path) }
  }

  @Test func `reads merges as arrays`() throws {
    var root = try #require(try JSONValue.parse(TokenizerFiles.text(of: "tokenizer.json")).members)
    let merges = try #require(root.last?.value["merges"]?.array).map { merge in
      JSONValue.array(merge.string?.split(separator: " ").map { .string(String($0)) } ?? [])
    }
    let members = try #require(root.last?.value.members).filter { $0.name != "merges" }
    root[root.count - 1].value = .object(members + [JSONValue.Member("merges", .array(merges))])
    let files = try TokenizerFiles { _ in JSONValue.object(root).serialized() }
    let arrays = try Tokenizer(directory: files.path)
    let strings = try Tokenizer(directory: TokenizerFiles.committed)
    for entry in try TokenizerFiles.cases("texts") {
      let text = try #require(entry["text"]?.string)
      #expect(arrays.encode(text) == strings.encode(text))
    }
  }

  @Test func `reads an end of sequence written out or none`() throws {
    let files = try TokenizerFiles()
    try files.write("tokenizer_config.json", #"{"eos_token": {"content": "<|endoftext|>", "lstrip": false}}"#)
    #expect(try Tokenizer(directory: files.path).endOfSequence == 3000)
    try files.write("tokenizer_config.json", "{}")
    #expect(try Tokenizer(directory: files.path).endOfSequence == nil)
    try files.write("tokenizer_config.json", #"{"eos_token": 5}"#)
    #expect { try Tokenizer(directory: files.path) } throws: { "\($0)".contains("eos_token is neither") }
  }

  @Test func `without a normalizer text stays as it is`() throws {
    let files = try TokenizerFiles {
      $0.replacing(#"{"type":"NFC"}"#, with: "null")
    }
    let tokenizer = try Tokenizer(directory: files.path)
    #expect(tokenizer.decode(tokenizer.encode("e\u{301}")).unicodeScalars.count == 2)
  }
}
