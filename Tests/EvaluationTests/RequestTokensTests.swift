import Checkpoints
import Corpus
import Evaluation
import Foundation
import Runtime
import TestSupport
import Testing

struct RequestTokensTests {
  private let tokenizer: Tokenizer
  private let prefix: Int32

  init() throws {
    tokenizer = try HarnessCase.tokenizer.get()
    prefix = try #require(tokenizer.endOfSequence)
  }

  @Test func `windows score every token once`() throws {
    let values = try JSONValue.read(file: Repository.fixture("lm_eval/python_values.json"))
    for entry in try #require(values["windows"]?.array) {
      let (count, length) = (entry.array?[0].int ?? 0, entry.array?[1].int ?? 0)
      let tokens = try RequestTokens(tokenizer, maximumLength: length)
      // A text whose tokens are known: one per letter.
      let text = String("x\ty\nz&a\tb\nc&d\te\nf&g\th".prefix(0))
      #expect(tokens.windows(of: text).isEmpty)
      let ids = tokenizer.encode(String(repeating: "\t&", count: 40), allowSpecial: false)
      let own = tokenizer.decode(Array(ids.prefix(count)))
      guard tokenizer.encode(own) == Array(ids.prefix(count)) else { continue }
      let windows = tokens.windows(of: own)
      let expected = (entry.array?[2].array ?? []).map { window in
        window.array?.map { $0.array?.compactMap(\.int) ?? [] } ?? []
      }
      // The fixture's tokens are 100, 101, …, after 1.
      func renamed(_ id: Int) -> Int32 { id == 1 ? prefix : ids[id - 100] }
      #expect(windows.map { [$0.context, $0.continuation] } == expected.map { $0.map { $0.map(renamed) } })
    }
  }

  @Test func `white space at the end of a context belongs to what follows`() throws {
    let tokens = try RequestTokens(tokenizer, maximumLength: 100)
    let request = try tokens.likelihood(context: "A question? \n", continuation: "yes").request
    #expect(request.context == tokenizer.encode("A question?"))
    #expect(request.context + request.continuation == tokenizer.encode("A question? \nyes"))
    #expect(try tokens.likelihood(context: "", continuation: "yes").request.context == [prefix])
    #expect(throws: DocumentProblem.self) { try tokens.likelihood(context: "A", continuation: "") }
    #expect(throws: DocumentProblem.self) { try tokens.likelihood(context: "", continuation: "") }
  }

  @Test func `what does not fit is left out at the start`() throws {
    let tokens = try RequestTokens(tokenizer, maximumLength: 4)
    let (request, isCut) = try tokens.likelihood(context: [1, 2, 3, 4], continuation: [5, 6])
    #expect(request == LikelihoodRequest(context: [2, 3, 4], continuation: [5, 6]) && isCut)
    #expect(try !tokens.likelihood(context: [1, 2, 3], continuation: [5, 6]).isCut)
    #expect(try tokens.likelihood(context: [1, 2], continuation: [3, 4, 5, 6]).request.context == [2])
    #expect(throws: DocumentProblem.self) { try tokens.likelihood(context: [1], continuation: [1, 2, 3, 4, 5]) }
    #expect(throws: DocumentProblem.self) { try tokens.prompt("A", answerLength: 4) }
    let prompt = try tokens.prompt("A question of many tokens", answerLength: 2)
    #expect(prompt.ids.count == 2 && prompt.isCut)
  }

  @Test func `answers end where a stop text begins`() throws {
    let tokens = try RequestTokens(tokenizer, maximumLength: 4)
    let ids = tokenizer.encode("It is 12.\nQ: more<|im_end|>", allowSpecial: true)
    #expect(tokens.answer(ids, stopTexts: ["Q:", "."]) == "It is 12")
    #expect(tokens.answer(ids, stopTexts: []) == "It is 12.\nQ: more")
  }
}
