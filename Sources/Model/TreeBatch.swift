// Lays out the trees of a micro-batch end to end and determines which rows are needed for what.

package import Corpus
package import Tensors

/// Several example trees as the rows of one pass: `prompt | completion 1 | completion 2 …`, tree after tree.
///
/// Positions of every completion start at the prompt's length. A completion attends to the prompt and to itself. There
/// is no padding, and every prompt is computed once.
package struct TreeBatch: Sendable {
  /// One token whose log-prob is needed.
  package struct Target: Sendable, Equatable {
    /// The index in `scoredRows` of the row that predicts it.
    package var scored: Int
    package var token: Int32
    /// The index of its sum, over the whole batch.
    package var sum: Int
  }

  /// Token ids and positions [N].
  package let tokens: [Int32]
  package let positions: [Int32]
  /// Rows whose logits are needed, ascending: each prompt's last row (or all its rows if it is scored), and the rows
  /// before the other tokens of the loss.
  package let scoredRows: [Int32]
  package let targets: [Target]
  /// `ExampleTree.sumTokens` of all trees in order.
  package let sumTokens: [Int]
  /// The index of each tree's first sum in `sumTokens`; the last entry is the total.
  package let sumOffsets: [Int]
  /// Attention when all rows are queries, and when only the scored rows are.
  package let trees: [Attention.Tree]
  package let scoredTrees: [Attention.Tree]
  /// Each row's index in its tree, and the index of its tree.
  package let placeInTree: [Int]
  package let treeOfRow: [Int]
  package let exampleIndices: [Int]

  package var rows: Int { tokens.count }

  /// - Precondition: every tree is well formed.
  package init(_ examples: [ExampleTree]) {
    var layout = Layout()
    for example in examples { layout.append(example) }
    tokens = layout.tokens
    positions = layout.positions
    scoredRows = layout.scoredRows
    targets = layout.targets
    sumTokens = layout.sumTokens
    sumOffsets = layout.sumOffsets
    trees = layout.trees
    scoredTrees = layout.scoredTrees
    placeInTree = layout.placeInTree
    treeOfRow = layout.treeOfRow
    exampleIndices = examples.map(\.index)
  }

  private struct Layout {
    var tokens: [Int32] = []
    var positions: [Int32] = []
    var scoredRows: [Int32] = []
    var targets: [Target] = []
    var sumTokens: [Int] = []
    var sumOffsets = [0]
    var trees: [Attention.Tree] = []
    var scoredTrees: [Attention.Tree] = []
    var placeInTree: [Int] = []
    var treeOfRow: [Int] = []

    mutating func append(_ example: ExampleTree) {
      precondition(example.isWellFormed, "an example tree with nothing in the loss")
      let start = tokens.count
      let prompt = example.prompt.count
      var segments = [
        AttentionSegment(
          queryRow: start, queryCount: prompt, prefixRow: start, prefixCount: 0, ownRow: start, ownOffset: 0)
      ]
      tokens += example.prompt
      positions += (0..<prompt).map(Int32.init)
      let firstScored = example.scoresPrompt ? 0 : prompt - 1
      var scoredSegments = [
        AttentionSegment(
          queryRow: scoredRows.count, queryCount: prompt - firstScored, prefixRow: start, prefixCount: 0,
          ownRow: start, ownOffset: firstScored)
      ]
      for place in firstScored..<prompt {
        if place < prompt - 1 {
          targets.append(
            Target(
              scored: scoredRows.count, token: example.prompt[place + 1],
              sum: sumTokens.count + example.completions.count))
        }
        scoredRows.append(Int32(start + place))
      }
      let promptScored = scoredRows.count - 1
      for (place, completion) in example.completions.enumerated() {
        let row = tokens.count
        let number = sumTokens.count + place
        segments.append(
          AttentionSegment(
            queryRow: row, queryCount: completion.count, prefixRow: start, prefixCount: prompt, ownRow: row,
            ownOffset: 0))
        targets.append(Target(scored: promptScored, token: completion[0], sum: number))
        for run in example.scored(place) {
          // The row before a token predicts it. The prompt's last row predicts a completion's first token.
          let predicting = max(run.lowerBound - 1, 0)..<run.upperBound - 1
          guard !predicting.isEmpty else { continue }
          scoredSegments.append(
            AttentionSegment(
              queryRow: scoredRows.count, queryCount: predicting.count, prefixRow: start, prefixCount: prompt,
              ownRow: row, ownOffset: predicting.lowerBound))
          for before in predicting {
            targets.append(Target(scored: scoredRows.count, token: completion[before + 1], sum: number))
            scoredRows.append(Int32(row + before))
          }
        }
        tokens += completion
        positions += (0..<completion.count).map { Int32(prompt + $0) }
      }
      sumTokens += example.sumTokens
      sumOffsets.append(sumTokens.count)
      let rows = start..<tokens.count
      placeInTree += 0..<rows.count
      treeOfRow += Array(repeating: trees.count, count: rows.count)
      trees.append(Attention.Tree(rows: rows, segments: segments))
      scoredTrees.append(Attention.Tree(rows: rows, segments: scoredSegments))
    }
  }
}
