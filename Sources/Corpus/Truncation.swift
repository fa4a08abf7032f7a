// Handles examples that are longer than the limit.

/// What to do with an example whose prompt and longest completion exceed `sequence_len`.
package enum ExcessLengthStrategy: String, Sendable, Codable, CaseIterable {
  case truncateMiddle = "truncate_middle"
  case drop
  case truncate
  case error
}

/// The limit on an example's length, with the configuration's names.
package struct LengthLimit: Sendable, Equatable, Codable, CustomStringConvertible {
  /// Tokens of the prompt and the longest completion together.
  package let sequenceLength: Int
  package let strategy: ExcessLengthStrategy
  /// Whether the model has no more positions.
  package let isOfModel: Bool

  /// - Parameter modelPositions: what the model can take; the lower number is the limit.
  package init(
    sequenceLength: Int, strategy: ExcessLengthStrategy = .truncateMiddle, modelPositions: Int = .max
  ) {
    (self.sequenceLength, self.strategy) = (min(sequenceLength, modelPositions), strategy)
    isOfModel = modelPositions < sequenceLength
  }

  package var description: String {
    isOfModel ? "the model's \(sequenceLength) positions" : "sequence_len \(sequenceLength)"
  }

  /// The result of the limit for one example.
  package enum Outcome: Sendable, Equatable {
    case fits
    case truncated(ExampleTree)
    /// A running text that was divided.
    case pieces([ExampleTree])
    case dropped
  }

  /// Applies the limit.
  ///
  /// `truncateMiddle` removes the excess from the middle of the prompt's longest text; its first and last halves stay.
  /// An example that would not fit without that text is dropped. At least one token of the prompt always stays: the
  /// first token of a completion is predicted from it.
  ///
  /// `truncate` cuts off the end of the sequence, as axolotl does: a completion ends early, or an example whose prompt
  /// leaves no room for one is dropped.
  ///
  /// A running text is divided into pieces of `sequence_len` tokens with every strategy, as in axolotl. A single last
  /// token is left out, since no token predicts it.
  /// - Throws: `RecordProblem` if the example is too long and the strategy is `error`.
  package func applied(to example: EncodedExample) throws(RecordProblem) -> Outcome {
    let length = example.tree.sequenceLength
    guard length > sequenceLength else { return .fits }
    guard !example.isRunningText else { return .pieces(pieces(of: example.tree)) }
    switch strategy {
    case .drop: return .dropped
    case .error:
      throw RecordProblem(
        "prompt and longest completion have \(length) tokens, more than \(self)")
    case .truncateMiddle:
      let excess = length - sequenceLength
      guard let text = example.texts.max(by: { $0.count < $1.count }),
        excess <= min(text.count, example.tree.prompt.count - 1)
      else { return .dropped }
      let head = (text.count - excess + 1) / 2
      var tree = example.tree
      tree.prompt.removeSubrange(text.lowerBound + head..<text.lowerBound + head + excess)
      return .truncated(tree)
    case .truncate:
      guard let tree = example.tree.prefix(sequenceLength) else { return .dropped }
      return .truncated(tree)
    }
  }

  private func pieces(of tree: ExampleTree) -> [ExampleTree] {
    let sequence = tree.prompt + tree.completions[0]
    return stride(from: 0, to: sequence.count, by: sequenceLength).compactMap { start in
      let piece = Array(sequence[start..<min(start + sequenceLength, sequence.count)])
      return ExampleTree(index: tree.index, sequence: piece, scored: [0..<piece.count])
    }
  }
}

extension ExampleTree {
  /// The tree with at most `length` tokens of the prompt and each completion; nil when a completion has none in the
  /// loss left.
  func prefix(_ length: Int) -> ExampleTree? {
    guard prompt.count < length else { return nil }
    var tree = self
    var gaps: [[Range<Int>]] = []
    for index in completions.indices {
      let room = length - prompt.count
      let runs = scored(index).map { $0.clamped(to: 0..<room) }.filter { !$0.isEmpty }
      guard let last = runs.last else { return nil }
      tree.completions[index] = Array(completions[index].prefix(last.upperBound))
      gaps.append(zip(runs, runs.dropFirst()).map { $0.upperBound..<$1.lowerBound })
    }
    tree.unscored = gaps.allSatisfy(\.isEmpty) ? [] : gaps
    return tree
  }
}
