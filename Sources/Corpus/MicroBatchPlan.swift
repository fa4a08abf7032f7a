// Groups examples into micro-batches. The groups depend on token counts alone, never on ranks or threads. A micro-batch
// is the unit of work for a rank, so the result cannot depend on the assignment to ranks.

/// The micro-batches of one step.
package struct MicroBatchPlan: Sendable, Equatable {
  /// The number of rows that makes one read of a weight worth its cost.
  package static let rows = 1024

  /// Positions within the step, ascending in each micro-batch; the micro-batch with the most tokens comes first.
  package let microBatches: [[Int]]

  /// Plans one step.
  ///
  /// There are max(⌈total / 1024⌉, min(8, total / 256)) micro-batches, at least one and at most one per example: about
  /// 1024 rows each, but in a small step enough micro-batches for several ranks. Examples are placed longest first,
  /// each in the micro-batch with the fewest tokens so far (Graham's longest processing time rule: the longest
  /// micro-batch is at most 4/3 of the optimum).
  /// - Parameter tokenCounts: tokens of each example of the step, in its order.
  package init(tokenCounts: [Int]) {
    let total = tokenCounts.reduce(0, +)
    let wanted = max((total + Self.rows - 1) / Self.rows, min(8, total / 256))
    let count = min(max(wanted, 1), tokenCounts.count)
    var bins = Array(repeating: (tokens: 0, positions: [Int]()), count: count)
    for position in Self.longestFirst(tokenCounts) {
      // min(by:) takes the first of equal values; both sorts do the same, because their keys end in a position.
      guard let bin = bins.indices.min(by: { bins[$0].tokens < bins[$1].tokens }) else { break }
      bins[bin].tokens += tokenCounts[position]
      bins[bin].positions.append(position)
    }
    microBatches = Self.longestFirst(bins.map(\.tokens)).map { bins[$0].positions.sorted() }
  }

  /// Divides a whole data set, in its order, into micro-batches as close to 1024 tokens as whole examples allow.
  /// - Returns: the range of positions of each micro-batch.
  package static func runs(tokenCounts: some Collection<Int>) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var first = 0
    var tokens = 0
    for (position, count) in tokenCounts.enumerated() {
      // Stop if the next example would end further from 1024 tokens than stopping here.
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
