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

  @Test func `truncate cuts the end of what is too long, as axolotl's slices do`() throws {
    let example = try chat()
    let (prompt, completions) = (example.tree.prompt, example.tree.completions)
    let longest = try #require(completions.map(\.count).max())
    for room in [1, 2, longest - 1] {
      let limit = LengthLimit(sequenceLength: prompt.count + room, strategy: .truncate)
      guard case .truncated(let tree) = try limit.applied(to: example) else {
        #expect(Bool(false), "expected an example that is cut to \(room)")
        continue
      }
      #expect(tree.prompt == prompt && tree.completions == completions.map { Array($0.prefix(room)) })
      #expect(tree.isWellFormed && tree.index == 3)
    }
    #expect(try LengthLimit(sequenceLength: prompt.count, strategy: .truncate).applied(to: example) == .dropped)
    #expect(
      try LengthLimit(sequenceLength: prompt.count + longest, strategy: .truncate).applied(to: example) == .fits)
  }

  /// The cut takes the first tokens and their labels, as `input_ids[:length]` and `labels[:length]` do, without a tail
  /// that is not in the loss.
  @Test func `truncate keeps what is trained where it was`() throws {
    let roles = ["user", "assistant", "user", "assistant"]
    let messages = zip(roles, ["One?", "Yes, one.", "And then?", "Nothing."]).map { ChatMessage(role: $0, content: $1) }
    let example = try Fixtures.encoder().encode(
      ExampleRecord(.conversation(messages, .turns(TurnTraining()))), index: 0)
    let tree = example.tree
    #expect(tree.scored(0).count == 2, "a turn between is not in the loss")
    for length in 1..<tree.sequenceLength {
      let labels = tree.scored(0).joined().filter { $0 + tree.prompt.count < length }
      guard case .truncated(let cut) = try LengthLimit(sequenceLength: length, strategy: .truncate).applied(to: example)
      else {
        #expect(labels.isEmpty)
        continue
      }
      #expect(cut.isWellFormed && cut.prompt == tree.prompt)
      #expect(cut.completions[0] == Array(tree.completions[0].prefix(cut.completions[0].count)))
      #expect(cut.scored(0).joined().map { $0 } == labels)
    }
  }

  @Test func `the model's positions are a limit too, under their own name`() {
    let limit = LengthLimit(sequenceLength: 4096, modelPositions: 512)
    #expect(limit.sequenceLength == 512 && limit.isOfModel && limit.description == "the model's 512 positions")
    #expect(LengthLimit(sequenceLength: 512, modelPositions: 512).description == "sequence_len 512")
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
