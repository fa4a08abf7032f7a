// An encoded example as segments of text, which show the user what is trained.

/// Consecutive tokens of an example with the same role.
package struct ExampleSegment: Sendable, Equatable {
  package enum Role: Sendable, Equatable {
    case prompt
    /// In a completion, but not in the loss.
    case context
    case loss
  }

  package var role: Role
  /// The index of its completion; nil for the prompt.
  package var completion: Int?
  package var tokens: [Int32]
  /// A character whose bytes are split between segments is shown as U+FFFD.
  package var text: String
}

extension ExampleTree {
  /// The prompt, then the segments of each completion in order.
  package func segments(with tokenizer: Tokenizer) -> [ExampleSegment] {
    func segment(_ role: ExampleSegment.Role, _ completion: Int?, _ tokens: some Sequence<Int32>) -> ExampleSegment {
      let tokens = Array(tokens)
      return ExampleSegment(role: role, completion: completion, tokens: tokens, text: tokenizer.decode(tokens))
    }
    var segments = [segment(.prompt, nil, prompt)]
    for (number, tokens) in completions.enumerated() {
      var end = 0
      for run in scored(number) {
        if end < run.lowerBound { segments.append(segment(.context, number, tokens[end..<run.lowerBound])) }
        segments.append(segment(.loss, number, tokens[run]))
        end = run.upperBound
      }
    }
    return segments
  }
}
