// The memory demand of a run's largest micro-batch, known before the run starts.

package import Corpus
package import Model

/// The maximum demand of any micro-batch of a run.
package struct PassDemand: Sendable, Equatable, Codable {
  package var capacity = Capacity(rows: 0, scoredRows: 0, targets: 0)
  /// The longest prompt + completion.
  package var positions = 0
  package var mostMicroBatches = 1
  /// The most examples of a step.
  package var mostExamples = 1

  package init() {}

  /// Includes a micro-batch in the maximum.
  package mutating func include(_ trees: some Sequence<ExampleTree>) {
    var (rows, scored, targets) = (0, 0, 0)
    for tree in trees {
      let completions = tree.completions.reduce(0) { $0 + $1.count }
      rows += tree.prompt.count + completions
      scored += (tree.scoresPrompt ? tree.prompt.count : 1) + completions - tree.completions.count
      targets += completions + (tree.scoresPrompt ? tree.prompt.count - 1 : 0)
      positions = max(positions, tree.prompt.count + (tree.completions.map(\.count).max() ?? 0))
    }
    capacity = capacity.union(Capacity(rows: rows, scoredRows: scored, targets: targets))
  }

  /// Includes scoring of any of `trees`, in any order. A scoring micro-batch has about `MicroBatchPlan.rows` rows and
  /// exceeds that by at most half a tree.
  /// - Parameter forEachTree: calls its argument for each tree.
  package mutating func includeScoring(_ forEachTree: ((ExampleTree) -> Void) -> Void) {
    var (longest, total) = (0, 0)
    forEachTree { tree in
      include([tree])
      longest = max(longest, tree.tokenCount)
      total += tree.tokenCount
    }
    let rows = min(MicroBatchPlan.rows + longest / 2 + 1, total)
    capacity = capacity.union(Capacity(rows: rows, scoredRows: rows, targets: rows))
  }

  /// Includes every step.
  /// - Parameter trees: returns the trees of the step with the examples at these positions.
  package mutating func includeSteps(
    _ plan: StepPlan, _ objective: Objective, trees: (ArraySlice<Int>) -> [ExampleTree]
  ) {
    plan.forEachStep { _, positions in
      let trees = trees(positions)
      mostExamples = max(mostExamples, trees.count)
      mostMicroBatches = max(mostMicroBatches, includeStep(trees.map(objective.trainedTree)))
      if objective.needsWholeStep { _ = includeStep(trees) }
    }
  }

  /// Includes the micro-batches of one step and returns their number.
  private mutating func includeStep(_ trees: [ExampleTree]) -> Int {
    let batches = MicroBatchPlan(tokenCounts: trees.map(\.tokenCount)).microBatches
    for batch in batches { include(batch.map { trees[$0] }) }
    return batches.count
  }
}
