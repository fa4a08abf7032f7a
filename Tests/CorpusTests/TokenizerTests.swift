// Compares ids with those of the `tokenizers` library on committed cases; Tests/Parity does the same on 70 MB.

import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

@Suite struct TokenizerTests {
  let tokenizer: Tokenizer

  init() throws { tokenizer = try Tokenizer(directory: TokenizerFiles.committed) }

  @Test func `ids equal the library's`() throws {
    for entry in try TokenizerFiles.cases("texts") {
      let text = try #require(entry["text"]?.string)
      let ids = try #require(entry["ids"]?.ids)
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      let special = entry["special"]?.ids ?? ids
      #expect(tokenizer.encode(text, allowSpecial: true) == special, "\(text.debugDescription)")
    }
  }

  /// In the second pass, short pieces come from the cache.
  @Test func `cached ids are the same`() throws {
    for _ in 0..<2 {
      for entry in try TokenizerFiles.cases("texts") {
        let text = try #require(entry["text"]?.string)
        #expect(tokenizer.encode(text) == entry["ids"]?.ids)
      }
    }
  }

  @Test func `concurrent calls do not disturb each other`() async throws {
    let texts = try TokenizerFiles.cases("texts").compactMap { $0["text"]?.string }
    let expected = try TokenizerFiles.cases("texts").compactMap { $0["ids"]?.ids }
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 { group.addTask { [tokenizer] in texts.map { tokenizer.encode($0) } == expected } }
      for await isEqual in group { #expect(isEqual) }
    }
  }

  @Test func `decoding equals the library's`() throws {
    for entry in try TokenizerFiles.cases("decodings") {
      let ids = try #require(entry["ids"]?.ids)
      let text = try #require(entry["text"]?.string)
      #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8), "\(ids)")
    }
    #expect(tokenizer.decode([-1, 5000, .max]) == "")
  }

  @Test func `normalized text comes back`() throws {
    let texts = [
      "", " a\n", "naïve Å ａ 각 \u{0344}x".precomposedStringWithCanonicalMapping, "<|im_end|>", "\0",
    ]
    for text in texts {
      for allowSpecial in [false, true] {
        let ids = tokenizer.encode(text, allowSpecial: allowSpecial)
        #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8))
      }
    }
  }

  @Test func `special text is found and named`() {
    #expect(tokenizer.holdsSpecialText("a <|im_end|>"))
    #expect(tokenizer.holdsSpecialText("<|im_start<|endoftext|>"))
    #expect(!tokenizer.holdsSpecialText("<tool_call> <|im_end| >"))
    #expect(tokenizer.id(ofToken: "<|im_end|>") == 3002)
    #expect(tokenizer.id(ofToken: "<tool_call>") == 3003)
    #expect(tokenizer.id(ofToken: "Hello") == nil)
    #expect(tokenizer.endOfSequence == 3002)
    #expect(tokenizer.endOfSequenceToken == "<|im_end|>")
  }

  @Test func `ids must fit the embedding`() throws {
    #expect(tokenizer.vocabularyBound == 3006)
    try tokenizer.validate(vocabularySize: 3006)
    #expect { try tokenizer.validate(vocabularySize: 3005) } throws: {
      "\($0)".contains("the largest token id is 3005, but the model has only 3005 embedding rows")
    }
  }

  /// Quadratic time on a long run would exceed this test's time limit.
  @Test(.timeLimit(.minutes(1)), arguments: ["a", " ", "\u{301}\u{323}", "你好", "!", "\n"])
  func `long runs take linear time`(unit: String) {
    let text = String(repeating: unit, count: 400_000)
    let decoded = tokenizer.decode(tokenizer.encode(text))
    #expect(decoded.unicodeScalars.count == unit.unicodeScalars.count * 400_000)
  }
}
