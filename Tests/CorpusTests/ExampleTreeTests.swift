import Corpus
import Testing

struct ExampleTreeTests {
  private func tree(_ completions: [[Int32]], _ unscored: [[Range<Int>]] = [], label: Bool? = nil) -> ExampleTree {
    ExampleTree(index: 0, prompt: [1, 2], completions: completions, unscored: unscored, label: label)
  }

  @Test func `every token that is not masked is in the loss`() {
    let tree = tree([[3], [4, 5, 6, 7, 8, 9]], [[], [1..<2, 3..<5]])
    #expect(tree.isWellFormed)
    #expect(tree.scored(0) == [0..<1])
    #expect(tree.scored(1) == [0..<1, 2..<3, 5..<6])
    #expect(tree.scoredCount(1) == 3)
    #expect(self.tree([[3], [4, 5]]).scored(1) == [0..<2])
  }

  @Test(arguments: [
    [[0..<1]], [[2..<3]], [[1..<1]], [[1..<4]], [[1..<2], []], [[1..<2, 2..<2]],
  ])
  func `trees that cannot be laid out are refused`(unscored: [[Range<Int>]]) {
    #expect(tree([[3, 4, 5]]).isWellFormed && tree([[3, 4, 5]], [[1..<2]]).isWellFormed)
    #expect(!tree([[3, 4, 5]], unscored).isWellFormed)
  }

  @Test func `the digest is of all that matters`() {
    // Computed with hashlib: the counts of parts and tokens as 64-bit words, then the tokens as 32-bit words.
    let plain = tree([[3], [4, 5]])
    let hex = plain.contentDigest.text
    #expect(hex == "e83ca8e2dde80735287c11984d0385ca6173ff7156604de6d3e1fce25c705d7e")
    let trees = [
      plain, tree([[3, 4, 5]]), tree([[3], [4, 5]], label: true), tree([[3], [4, 5]], label: false),
      tree([[3, 4, 5]], [[1..<2]]), tree([[3, 4, 5]], [[1..<2]], label: true), tree([[3, 4, 5, 6]], [[1..<2]]),
      tree([[3, 4, 5, 6]], [[1..<3]]), tree([[3, 4, 5, 6]], [[2..<3]]),
    ]
    #expect(Set(trees.map(\.contentDigest)).count == trees.count)
  }

  @Test func `segments show what is learnt`() throws {
    let tokenizer = try Fixtures.tokenizer()
    let messages = [
      ChatMessage(role: "user", content: "Sky?"), ChatMessage(role: "assistant", content: "Blue."),
      ChatMessage(role: "user", content: "Sure?"), ChatMessage(role: "assistant", content: "Yes."),
    ]
    let encoder = ExampleEncoder(tokenizer: tokenizer, template: .chatML)
    let tree = try encoder.encode(ExampleRecord(.conversation(messages, .turns(TurnTraining()))), index: 0).tree
    let segments = tree.segments(with: tokenizer)
    #expect(segments.map(\.role) == [.prompt, .loss, .context, .loss])
    #expect(
      segments.map(\.text) == [
        "<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\n", "Blue.<|im_end|>",
        "\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n", "Yes.<|im_end|>",
      ])
    #expect(segments.flatMap(\.tokens) == tree.prompt + tree.completions[0])
    let pair = self.tree([[3], [4, 5]]).segments(with: tokenizer)
    #expect(pair.map(\.completion) == [nil, 0, 1])
  }
}
