import Corpus
import Foundation
import Testing

/// Tests text that arrives token by token.
@Suite struct TextStreamTests {
  /// Ids of single bytes; the committed tokenizer has one for each byte.
  private func ids(of bytes: [UInt8], _ tokenizer: Tokenizer) throws -> [Int32] {
    let all = (0..<Int32(tokenizer.vocabularyBound)).filter { !tokenizer.isSpecial($0) }
    // Compared as bytes: decoded text cannot distinguish single bytes that are not characters.
    return try bytes.map { byte in
      try #require(all.first { tokenizer.bytes(of: $0).elementsEqual([byte]) }, "no token for \(byte)")
    }
  }

  @Test(arguments: [
    "é", "漢字", "a👩‍👩‍👧b", "naïve – ½ 𝔘", "e\u{301}", "\u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}",
  ])
  func `no character is split`(text: String) throws {
    let tokenizer = try Fixtures.tokenizer()
    var stream = TextStream(tokenizer)
    var pieces: [String] = []
    for id in try ids(of: Array(text.utf8), tokenizer) { pieces.append(stream.append(id)) }
    #expect(pieces.joined() == text && stream.finish().isEmpty)
    #expect(pieces.filter { !$0.isEmpty }.map { Array($0.unicodeScalars) } == text.unicodeScalars.map { [$0] })
  }

  @Test func `bytes that are no text come out as in one piece`() throws {
    let tokenizer = try Fixtures.tokenizer()
    var state: UInt64 = 1
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    let lead: [UInt8] = [0x41, 0x80, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF, 0x90, 0xA0]
    for _ in 0..<400 {
      let bytes = (0..<1 + next(9)).map { _ in lead[Int(next(UInt64(lead.count)))] }
      let text = TextStream.text(of: try ids(of: bytes, tokenizer), tokenizer)
      #expect(Array(text.utf8) == Array(String(decoding: bytes, as: UTF8.self).utf8), "\(bytes)")
    }
  }

  @Test func `special tokens are left out, ids without a token too`() throws {
    let tokenizer = try Fixtures.tokenizer()
    let end = try #require(tokenizer.id(ofToken: "<|im_end|>"))
    #expect(tokenizer.isSpecial(end) && !tokenizer.isSpecial(0))
    let ids = tokenizer.encode("Hello") + [end, 1_000_000, -1] + tokenizer.encode(" world")
    #expect(TextStream.text(of: ids, tokenizer) == "Hello world")
  }
}
