import Corpus
import Foundation
import Preparation
import TestSupport
import Testing

@Suite struct DocumentPartsTests {
  private let tokenizer: Tokenizer

  init() throws { tokenizer = try Tokenizer(directory: TinyFixture.path("model")) }

  private func letters(_ text: some StringProtocol) -> String { String(text.filter { !$0.isWhitespace }) }

  private static let paragraph = "The tide turns at night. Nobody leads the shoal, and yet it turns as one. "

  @Test func `a text within the limit is one part, as it is`() {
    let text = "One line.\n\nAnother.\n"
    #expect(DocumentParts(tokenizer: tokenizer, limit: tokenizer.encode(text).count).parts(of: text) == [text])
  }

  @Test(
    arguments: [
      String(repeating: paragraph + "\n\n", count: 20), String(repeating: paragraph, count: 20),
      String(repeating: "word ", count: 400), String(repeating: "x", count: 900),
      "short\n\n" + String(repeating: "é", count: 300),
    ], [7, 40, 200])
  func `parts keep every letter, in order, and to the limit`(text: String, limit: Int) {
    let parts = DocumentParts(tokenizer: tokenizer, limit: limit).parts(of: text)
    #expect(letters(parts.joined()) == letters(text))
    #expect(parts.allSatisfy { tokenizer.encode($0).count <= limit })
    let tokens = tokenizer.encode(text).count
    #expect(tokens <= limit ? parts.count == 1 : parts.count >= tokens / limit)
  }

  @Test func `parts end where paragraphs do`() {
    let text = String(repeating: Self.paragraph + Self.paragraph + "\n\n", count: 12)
    let one = tokenizer.encode(Self.paragraph + Self.paragraph).count
    let parts = DocumentParts(tokenizer: tokenizer, limit: 3 * one + one / 2).parts(of: text)
    #expect(parts.count >= 4 && parts.allSatisfy { $0.hasSuffix("turns as one.") && $0.hasPrefix("The tide") })
  }

  @Test func `a character is never cut`() {
    #expect(DocumentParts(tokenizer: tokenizer, limit: 1).parts(of: "👨‍👩‍👧‍👦 👩🏽‍🚀") == ["👨‍👩‍👧‍👦", "👩🏽‍🚀"])
  }
}

@Suite struct DocumentTextTests {
  @Test func `text is read without white space at its ends, and what is none is refused`() throws {
    let directory = try TemporaryDirectory()
    #expect(try DocumentText.read(directory.write("a.md", "\n# Title\n\nText.\n\n")) == "# Title\n\nText.")
    for (name, bytes) in [("empty.txt", []), ("blank.txt", Array(" \n\t".utf8)), ("binary.txt", [0xFF, 0xFE, 0])] {
      let path = try directory.write(name, bytes)
      #expect(throws: DocumentError.self) { try DocumentText.read(path) }
    }
    let missing = #expect(throws: DocumentError.self) { try DocumentText.read(directory.path("none.txt")) }
    #expect(missing?.description.hasPrefix("\(directory.path)/none.txt: cannot be read") == true)
  }
}
