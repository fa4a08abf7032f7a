// An example as token ids: a prompt with its completions.

/// One prompt and one or more completions: two for a preference pair (chosen first), one for SFT and KTO.
package struct ExampleTree: Sendable, Equatable {
  /// Identifies the example in random draws, caches and messages. It is the record's place in the data if every record
  /// makes one example.
  package var index: Int
  package var prompt: [Int32]
  package var completions: [[Int32]]
  /// For each completion, the tokens that are context and not in the loss, such as other speakers' turns: ascending
  /// ranges that do not touch, never at either end. Empty if all tokens are in the loss.
  package var unscored: [[Range<Int>]]
  /// Whether the completion is desirable, if the data has labels (KTO).
  package var label: Bool?
  /// Whether the prompt's own log-prob is also needed (ORPO).
  package var scoresPrompt: Bool
  /// Tokens of the record's sequence after the last that is in the loss. They are not computed, but a packed row has
  /// room for them.
  package var leftOut = 0

  package init(
    index: Int, prompt: [Int32], completions: [[Int32]], unscored: [[Range<Int>]] = [], label: Bool? = nil,
    scoresPrompt: Bool = false
  ) {
    (self.index, self.prompt, self.completions, self.unscored) = (index, prompt, completions, unscored)
    (self.label, self.scoresPrompt) = (label, scoresPrompt)
  }

  /// Rows of the tree in its layout: prompt | completion 1 | completion 2 …
  package var tokenCount: Int { prompt.count + completions.reduce(0) { $0 + $1.count } }

  /// Tokens of the prompt and the longest completion: the number of positions that the example uses.
  package var sequenceLength: Int { prompt.count + (completions.map(\.count).max() ?? 0) }

  /// The tokens of a completion that are in the loss, as ascending ranges.
  package func scored(_ completion: Int) -> [Range<Int>] {
    let gaps = unscored.isEmpty ? [] : unscored[completion]
    let starts = [0] + gaps.map(\.upperBound)
    let ends = gaps.map(\.lowerBound) + [completions[completion].count]
    return zip(starts, ends).map { $0..<$1 }
  }

  /// The number of tokens of a completion that are in the loss.
  package func scoredCount(_ completion: Int) -> Int { scored(completion).reduce(0) { $0 + $1.count } }

  /// The number of tokens of each log-prob sum of the tree: the completions, then the prompt if it is scored. The
  /// prompt's first token is not counted, since no token predicts it.
  package var sumTokens: [Int] { completions.indices.map(scoredCount) + (scoresPrompt ? [prompt.count - 1] : []) }

  /// Whether prompt and completions are not empty and `unscored` satisfies its rules.
  package var isWellFormed: Bool {
    guard !prompt.isEmpty, completions.allSatisfy({ !$0.isEmpty }) else { return false }
    guard !unscored.isEmpty else { return true }
    return unscored.count == completions.count
      && zip(unscored, completions).allSatisfy { gaps, completion in
        let bounds = [0] + gaps.flatMap { [$0.lowerBound, $0.upperBound] } + [completion.count]
        return zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
      }
  }
}

extension ExampleTree {
  /// Makes a tree of one sequence with some tokens in the loss. The tokens before the first of them are the prompt; the
  /// tokens after the last are left out. The sequence's first token is never in the loss: no token predicts it.
  /// - Parameter scored: ascending ranges.
  /// - Returns: nil if no token is in the loss.
  init?(index: Int, sequence: [Int32], scored: [Range<Int>]) {
    let scored = scored.map { $0.clamped(to: 1..<max(sequence.count, 1)) }.filter { !$0.isEmpty }
    guard let first = scored.first, let last = scored.last else { return nil }
    let start = first.lowerBound
    let gaps = zip(scored, scored.dropFirst())
      .filter { $0.upperBound < $1.lowerBound }
      .map { $0.upperBound - start..<$1.lowerBound - start }
    self.init(
      index: index, prompt: Array(sequence[..<start]), completions: [Array(sequence[start..<last.upperBound])],
      unscored: gaps.isEmpty ? [] : [gaps])
    leftOut = sequence.count - last.upperBound
  }
}
