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
    let count = examples.count
    return trees(examples, limit: limit) { place in (place + count - 1) % count }
  }

  /// The same for an evaluation. There KTO's mismatched completion is that of the nearest earlier example with another
  /// prompt: in the order of the data, which no shuffling changes, the example before is often the other half of a pair.
  package func heldOutTrees(_ examples: [ExampleTree], limit: Int) -> [ExampleTree] {
    guard let first = examples.first?.prompt, let other = examples.lastIndex(where: { $0.prompt != first }) else {
      return trees(examples, limit: limit)
    }
    var sources = [other]
    for place in examples.indices.dropFirst() {
      sources.append(examples[place].prompt == examples[place - 1].prompt ? sources[place - 1] : place - 1)
    }
    return trees(examples, limit: limit) { sources[$0] }
  }

  /// - Parameter source: the place of the example that another's mismatched completion comes from.
  private func trees(_ examples: [ExampleTree], limit: Int, source: (Int) -> Int) -> [ExampleTree] {
    examples.indices.map { tree(examples[$0], mismatchedWith: examples[source($0)], limit: limit) }
  }

  /// The tree of one example.
  /// - Parameter other: where a mismatched completion comes from.
  func tree(_ example: ExampleTree, mismatchedWith other: ExampleTree, limit: Int) -> ExampleTree {
    var tree = example
    switch self {
    case .supervised, .dpo, .cpo, .simpo: break
    case .orpo: tree.scoresPrompt = true
    case .kto:
      let mismatched = other.completions[0]
      let room = max(1, limit - tree.prompt.count)
      tree.completions.append(mismatched.count <= room ? mismatched : Array(mismatched.prefix(room)))
    }
    return tree
  }

  /// Whether an example's tree is the example itself.
  var keepsExamples: Bool {
    switch self {
    case .supervised, .dpo, .cpo, .simpo: true
    case .orpo, .kto: false
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
