// Handles examples that are longer than the limit. Only the prompt's text is ever cut: the loss needs the completions,
// and the model needs the template.

/// What to do with an example whose prompt and longest completion exceed `sequence_len`.
package enum ExcessLengthStrategy: String, Sendable, Codable, CaseIterable {
  case truncateMiddle = "truncate_middle"
  case drop
  case error
}

/// The limit on an example's length, with the configuration's names.
package struct LengthLimit: Sendable, Equatable, Codable {
  /// Tokens of the prompt and the longest completion together.
  package let sequenceLength: Int
  package let strategy: ExcessLengthStrategy

  package init(sequenceLength: Int, strategy: ExcessLengthStrategy = .truncateMiddle) {
    (self.sequenceLength, self.strategy) = (sequenceLength, strategy)
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
        "prompt and longest completion have \(length) tokens, more than sequence_len \(sequenceLength)")
    case .truncateMiddle:
      let excess = length - sequenceLength
      guard let text = example.texts.max(by: { $0.count < $1.count }),
        excess <= min(text.count, example.tree.prompt.count - 1)
      else { return .dropped }
      let head = (text.count - excess + 1) / 2
      var tree = example.tree
      tree.prompt.removeSubrange(text.lowerBound + head..<text.lowerBound + head + excess)
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
