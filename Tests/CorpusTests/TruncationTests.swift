import Corpus
import Testing

struct TruncationTests {
  private func example(_ prompt: [ChatMessage]) throws -> EncodedExample {
    try Fixtures.encoder().encode(
      ExampleRecord(
        .messages(
          prompt: prompt,
          completions: [
            [ChatMessage(role: "assistant", content: "Short.")],
            [ChatMessage(role: "assistant", content: "Rather a longer one, by far.")],
          ])), index: 3)
  }

  private let long = (0..<60).map { "Sentence number \($0)." }.joined(separator: " ")

  private func chat() throws -> EncodedExample {
    try example([
      ChatMessage(role: "user", content: "A first question, not so long?"),
      ChatMessage(role: "assistant", content: "An answer."), ChatMessage(role: "user", content: long),
    ])
  }

  @Test func `only the middle of the longest text is cut`() throws {
    let example = try chat()
    let text = try #require(example.texts.last)
    let full = example.tree.sequenceLength
    #expect(text.count > 200)
    for excess in [1, 2, 99, text.count - 1, text.count] {
      let limit = LengthLimit(sequenceLength: full - excess)
      guard case .truncated(let tree) = try limit.applied(to: example) else {
        #expect(Bool(false), "expected an example that is cut by \(excess)")
        continue
      }
      #expect(tree.sequenceLength == limit.sequenceLength)
      #expect(tree.completions == example.tree.completions)
      #expect(tree.index == 3)
      let kept = text.count - excess
      let head = text.lowerBound + (kept + 1) / 2
      #expect(Array(tree.prompt[..<head]) == Array(example.tree.prompt[..<head]))
      #expect(Array(tree.prompt[head...]) == Array(example.tree.prompt[(head + excess)...]))
      #expect(head + excess <= text.upperBound)
    }
  }

  @Test func `what cannot fit is dropped`() throws {
    let example = try chat()
    let text = try #require(example.texts.last)
    let smallest = example.tree.sequenceLength - text.count
    #expect(try LengthLimit(sequenceLength: smallest - 1).applied(to: example) == .dropped)
    #expect(try LengthLimit(sequenceLength: example.tree.sequenceLength).applied(to: example) == .fits)
  }

  @Test func `a standard prompt keeps one token`() throws {
    let example = try Fixtures.encoder().encode(
      ExampleRecord(.texts(prompt: long, completions: [" Yes, it is.", " No."])), index: 0)
    let longest = try #require(example.tree.completions.map(\.count).max())
    guard case .truncated(let tree) = try LengthLimit(sequenceLength: longest + 1).applied(to: example) else {
      return #expect(Bool(false), "expected one token to stay")
    }
    #expect(tree.prompt == [example.tree.prompt[0]])
    #expect(try LengthLimit(sequenceLength: longest).applied(to: example) == .dropped)
  }

  @Test func `other strategies cut elsewhere or drop`() throws {
    let example = try chat()
    let length = example.tree.sequenceLength - 1
    #expect(try LengthLimit(sequenceLength: length, strategy: .drop).applied(to: example) == .dropped)
    let problem = #expect(throws: RecordProblem.self) {
      try LengthLimit(sequenceLength: length, strategy: .error).applied(to: example)
    }
    #expect(problem?.reason.contains("\(length + 1) tokens") == true)
    #expect(try LengthLimit(sequenceLength: length + 1, strategy: .error).applied(to: example) == .fits)
  }
}
