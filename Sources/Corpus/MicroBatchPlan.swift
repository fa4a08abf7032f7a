// How examples are grouped into micro-batches. The groups depend on token counts alone, never on ranks or
// threads: they are the unit that a rank is given, so the result cannot depend on who computes what.

/// The micro-batches of one step.
package struct MicroBatchPlan: Sendable, Equatable {
  /// Rows that make one visit of a weight worth its cost.
  package static let rows = 1024

  /// Positions within the step, ascending inside a micro-batch; the micro-batch with most tokens first.
  package let microBatches: [[Int]]

  /// Plans one step.
  ///
  /// There are max(⌈total / 1024⌉, min(8, total / 256)) micro-batches, at least one and at most one per
  /// example: about 1024 rows each, but in a small step enough pieces that several ranks have work.
  /// The longest example goes first, each to the micro-batch with fewest tokens so far (Graham's longest
  /// processing time rule, at most 4/3 of the best possible longest micro-batch).
  /// - Parameter tokenCounts: tokens of each example of the step, in its order.
  package init(tokenCounts: [Int]) {
    let total = tokenCounts.reduce(0, +)
    let wanted = max((total + Self.rows - 1) / Self.rows, min(8, total / 256))
    let count = min(max(wanted, 1), tokenCounts.count)
    var bins = Array(repeating: (tokens: 0, positions: [Int]()), count: count)
    for position in Self.longestFirst(tokenCounts) {
      // min(by:) takes the first of equals, as do both sorts: their keys end in a position.
      guard let bin = bins.indices.min(by: { bins[$0].tokens < bins[$1].tokens }) else { break }
      bins[bin].tokens += tokenCounts[position]
      bins[bin].positions.append(position)
    }
    microBatches = Self.longestFirst(bins.map(\.tokens)).map { bins[$0].positions.sorted() }
  }

  /// Cuts a whole data set, in its order, into micro-batches as near to 1024 tokens as whole examples allow.
  /// - Returns: the range of positions of each micro-batch.
  package static func runs(tokenCounts: [Int]) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var first = 0
    var tokens = 0
    for (position, count) in tokenCounts.enumerated() {
      // Taking the next example must not end further from the aim than stopping here.
      if position > first && 2 * tokens + count > 2 * rows {
        runs.append(first..<position)
        first = position
        tokens = 0
      }
      tokens += count
    }
    if first < tokenCounts.count { runs.append(first..<tokenCounts.count) }
    return runs
  }

  /// Positions by count, largest first; equal counts keep their order.
  private static func longestFirst(_ counts: [Int]) -> [Int] {
    counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
  }
}
