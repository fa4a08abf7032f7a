// What the data becomes: a prompt with its completions, as token ids.

/// One prompt and one or more completions: two for a preference pair (chosen first), one for SFT.
package struct ExampleTree: Sendable, Equatable {
  /// The record's place in the data; names the example in random draws, caches and messages.
  package var index: Int
  package var prompt: [Int32]
  package var completions: [[Int32]]

  package init(index: Int, prompt: [Int32], completions: [[Int32]]) {
    self.index = index
    self.prompt = prompt
    self.completions = completions
  }

  /// Rows the tree takes when it is laid out once: prompt | completion 1 | completion 2 …
  package var tokenCount: Int { prompt.count + completions.reduce(0) { $0 + $1.count } }
}
