// What an objective asks of the data, and which sums of an example's tree it is a function of.

package import Corpus

extension Objective {
  /// What it learns from.
  package var exampleKind: ExampleKind {
    switch self {
    case .supervised: .completion
    case .dpo, .cpo, .simpo, .orpo: .pair
    case .kto: .labelled
    }
  }

  /// The examples of a step as trees whose sums are those of `spans`.
  ///
  /// KTO's mismatched completion is cut where prompt and completion exceed `limit` tokens.
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

  /// How many of an example's sums have a gradient: the mismatched completion has none.
  var trainedSpans: Int { spans.count - (spans.contains(.mismatched) ? 1 : 0) }

  /// An example's tree without what has no gradient.
  package func trainedTree(_ tree: ExampleTree) -> ExampleTree {
    guard spans.contains(.mismatched) else { return tree }
    var trained = tree
    trained.completions.removeLast()
    return trained
  }
}

extension ExampleSums {
  /// - Parameter reference: empty where the objective has none.
  package init(_ tree: ExampleTree, policy: [Double], reference: [Double]) {
    self.init(policy: policy, reference: reference, tokens: tree.sumTokens, isDesirable: tree.label ?? true)
  }
}

extension StepTotals {
  /// The counts of a step that consists of `examples`.
  package init(_ examples: [ExampleSums], _ objective: Objective) {
    self.init(
      examples: examples.count,
      likelihoodTokens: examples.reduce(0) { $0 + objective.likelihoodTokens($1.tokens) })
  }
}
