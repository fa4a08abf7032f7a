// The data that an objective needs, and the sums of an example's tree that it uses.

package import Corpus

extension Objective {
  /// The kind of example that the objective learns from.
  package var exampleKind: ExampleKind {
    switch self {
    case .supervised: .completion
    case .dpo, .cpo, .simpo, .orpo: .pair
    case .kto: .labelled
    }
  }

  /// Turns the examples of a step into trees whose sums are those of `spans`.
  ///
  /// KTO's mismatched completion is truncated if prompt and completion exceed `limit` tokens.
  package func trees(_ examples: [ExampleTree], limit: Int) -> [ExampleTree] {
    switch self {
    case .supervised, .dpo, .cpo, .simpo: return examples
    case .orpo:
      return examples.map { example in
        var tree = example
        tree.scoresPrompt = true
        return tree
      }
    case .kto:
      return examples.indices.map { place in
        var tree = examples[place]
        let before = examples[(place + examples.count - 1) % examples.count].completions[0]
        let room = max(1, limit - tree.prompt.count)
        tree.completions.append(before.count <= room ? before : Array(before.prefix(room)))
        return tree
      }
    }
  }

  /// The number of an example's sums that have a gradient. The mismatched completion has no gradient.
  var trainedSpans: Int { spans.count - (spans.contains(.mismatched) ? 1 : 0) }

  /// An example's tree without completions that have no gradient.
  package func trainedTree(_ tree: ExampleTree) -> ExampleTree {
    guard spans.contains(.mismatched) else { return tree }
    var trained = tree
    trained.completions.removeLast()
    return trained
  }
}

extension ExampleSums {
  /// - Parameter reference: empty if the objective has no reference.
  package init(_ tree: ExampleTree, policy: [Double], reference: [Double]) {
    self.init(policy: policy, reference: reference, tokens: tree.sumTokens, isDesirable: tree.label ?? true)
  }
}

extension StepTotals {
  /// The counts of a step with these examples.
  package init(_ examples: [ExampleSums], _ objective: Objective) {
    self.init(
      examples: examples.count,
      likelihoodTokens: examples.reduce(0) { $0 + objective.likelihoodTokens($1.tokens) })
  }
}
