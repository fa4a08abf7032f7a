// Documents: read without duplicates and classified by length; and the requests made from them.

import Checkpoints
import Corpus
import Preparation
import TestSupport
import Testing

@Suite struct SourceDocumentsTests {
  static let text = "The tide turns twice a day, and the shoal turns with it because nobody leads."

  @Test func `documents are sorted by length`() throws {
    let fixture = try PreparationFixture()
    let long = String(repeating: "moon ", count: 200)
    let documents = try fixture.documents([
      PreparationFixture.document("a", Self.text), PreparationFixture.document(7, "Short."),
      PreparationFixture.document("held", String(long.prefix(450))),
      PreparationFixture.document("between", String(long.prefix(390))), PreparationFixture.document("long", long),
    ])
    #expect(documents.documents.map(\.id) == ["a", "7", "held", "between", "long"])
    #expect(documents.documents.map(\.lengthClass) == [.pair, .tooShort, .heldOut, .between, .tooLong])
    #expect(documents.documents[2].characters == 450)
    let tokenizer = try Tokenizer(directory: TinyFixture.path("model"))
    #expect(documents.documents[0].tokens == tokenizer.encode(Self.text).count)
    #expect(try documents.text(of: documents.documents[0]) == Self.text)
  }

  /// The bounds belong to the range.
  @Test func `bounds are inside`() {
    func lengthClass(_ tokens: Int, _ characters: Int) -> SourceDocuments.LengthClass {
      SourceDocuments.LengthClass(tokens: tokens, characters: characters, DocumentLimits())
    }
    #expect(lengthClass(900, 4000) == .pair && lengthClass(1800, 8000) == .pair)
    #expect(lengthClass(899, 4000) == .tooShort && lengthClass(1801, 8000) == .between)
    #expect(lengthClass(4000, 15_999) == .between && lengthClass(4000, 16_000) == .heldOut)
    #expect(lengthClass(20_000, 100_000) == .heldOut && lengthClass(20_000, 100_001) == .tooLong)
    // Long only in characters: the number of tokens decides.
    #expect(lengthClass(1000, 20_000) == .pair)
  }

  @Test func `a text counts once`() throws {
    let fixture = try PreparationFixture()
    let documents = try fixture.documents([
      PreparationFixture.document("a", Self.text), PreparationFixture.document("a", Self.text),
      PreparationFixture.document("b", Self.text.split(separator: " ").joined(separator: "\r\n") + "\n"),
      PreparationFixture.document("c", Self.text + " Still."), ["text": .string(Self.text)],
      ["text": .string("Without a name.")],
    ])
    #expect(documents.recordCount == 6)
    #expect(documents.documents.map(\.id).prefix(2) == ["a", "c"])
    #expect(documents.duplicates.prefix(2) == ["a", "b"])
    #expect(documents.documents.count == 3 && documents.documents[2].id.hasPrefix("doc-"))
  }

  @Test func `every wrong line is named`() throws {
    let fixture = try PreparationFixture()
    let lines = [
      #"{"id": "a", "text": "one"}"#, #"{"id": "a", "text": "two"}"#, #"{"id": "b"}"#, #"{"id": "c", "text": 5}"#,
      #"{"id": [], "text": "x"}"#, #"{"id": "d", "text": "  "}"#, #"{"id": "e", "text": "x""#,
    ]
    let path = try fixture.write("documents.jsonl", lines.joined(separator: "\n"))
    let error = #expect(throws: CorpusError.self) {
      try SourceDocuments(path: path, tokenizer: Tokenizer(directory: TinyFixture.path("model")))
    }
    guard case .badRecords(let mistakes, nil) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(mistakes.map(\.location.line) == [2, 3, 4, 5, 6, 7])
    #expect(mistakes[0].problem.reason.contains("documents.jsonl:1 has the same id and another text"))
  }

  @Test func `a request has the prompt and the document`() throws {
    let fixture = try PreparationFixture()
    let documents = try fixture.documents([
      PreparationFixture.document("a", Self.text), PreparationFixture.document("b", "Short."),
    ])
    try TeacherRequests(documents: documents, prompt: .teacher(), teacher: "judge").write(to: fixture.path("out.jsonl"))
    let requests = try fixture.lines("out.jsonl")
    #expect(requests.count == 1)
    #expect(requests[0]["custom_id"]?.string == "a" && requests[0]["url"]?.string == "/v1/chat/completions")
    #expect(requests[0]["body"]?["model"]?.string == "judge")
    let messages = requests[0]["body"]?["messages"]?.array ?? []
    #expect(messages.map { $0["role"]?.string } == ["system", "user"])
    let question = try #require(messages.last?["content"]?.string)
    #expect(question.contains("==========\n\(Self.text)\n==========") && question.contains("Best summary:"))
    #expect(!question.contains(PromptTemplate.placeholder))
  }

  @Test func `nothing to ask is an error`() throws {
    let documents = try PreparationFixture().documents([PreparationFixture.document("b", "Short.")])
    let error = #expect(throws: EmptyInput.self) {
      try TeacherRequests(documents: documents, prompt: .teacher(), teacher: "judge")
    }
    #expect(error?.description.contains("none of the 1 documents has 20 to 60 tokens") == true)
  }
}

@Suite struct PromptTemplateTests {
  @Test func `sections are read`() throws {
    let prompt = try PromptTemplate("[system]\nBe brief.\n\n[user]\r\nSum up:\n\n{document}\n\nNow.\n", source: "p")
    #expect(prompt.system == "Be brief.")
    // A document may contain anything, even the placeholder.
    #expect(prompt.question(about: "a {document}") == "Sum up:\n\na {document}\n\nNow.")
    #expect(try PromptTemplate("[user]\n{document}", source: "p").messages(about: "x").map(\.role) == ["user"])
  }

  @Test(arguments: [
    ("", "no section [user]"), ("Hello\n[user]\n{document}", "text before its first section"),
    ("[user]\nSum up", "{document} 0 times"), ("[user]\n{document}{document}", "{document} 2 times"),
    ("[system]\n{document}\n[user]\n{document}", "{document} in [system]"),
    ("[user]\n{document}\n[user]\nx", "two sections [user]"),
  ])
  func `mistakes are told`(text: String, says: String) {
    let error = #expect(throws: PromptError.self) { try PromptTemplate(text, source: "my.txt") }
    #expect(error?.description.contains("my.txt: ") == true && error?.description.contains(says) == true)
  }
}
