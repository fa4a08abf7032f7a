// axolotl's sample packing: which examples share a row, and which rows a batch. Examples never see each other, so the
// rows decide only what a step is made of.

/// The settings of packing, with axolotl's defaults.
package struct SamplePacking: Sendable, Equatable {
  /// Whether a batch is several rows of the sequence length, or one row as long as all of them.
  package var usesRealBatches = true
  /// Examples that are packed at a time. A row has examples of one such group.
  package var groupSize = 100_000
  /// 0: no limit.
  package var mostExamplesPerRow = 200
  /// Whether examples keep their order: an example that does not fit closes its row.
  package var isSequential = false
  /// How full rows are, if the number of steps comes from that instead of from the rows.
  package var efficiencyEstimate: Double?
  /// Whether a run has one step fewer for every epoch.
  package var dropsLastStep = false

  package init() {}
}

/// Packs the examples of an epoch.
package struct RowPacker: Sendable {
  package let settings: SamplePacking
  /// Tokens of a row as the configuration counts them.
  package let sequenceLength: Int
  /// Such rows in a batch: the configuration's `micro_batch_size`.
  package let microBatchSize: Int
  /// Tokens of each example, by position; at most `sequenceLength`.
  let lengths: [Int]

  package init(_ settings: SamplePacking, sequenceLength: Int, microBatchSize: Int, lengths: [Int]) {
    precondition(lengths.allSatisfy { 1...sequenceLength ~= $0 }, "an example has 1 to \(sequenceLength) tokens")
    (self.settings, self.sequenceLength, self.microBatchSize) = (settings, sequenceLength, microBatchSize)
    self.lengths = lengths
  }

  /// Tokens that a row has room for.
  package var rowTokens: Int { settings.usesRealBatches ? sequenceLength : sequenceLength * microBatchSize }
  package var rowsPerBatch: Int { settings.usesRealBatches ? microBatchSize : 1 }

  /// Packs examples in the given order.
  /// - Returns: the positions in each row.
  package func rows(_ order: [Int]) -> [[Int]] {
    guard !settings.isSequential else { return nextFit(order) }
    return stride(from: 0, to: order.count, by: settings.groupSize).flatMap { start in
      firstFit(order[start..<min(start + settings.groupSize, order.count)])
    }
  }

  /// The examples of each batch of rows. An incomplete batch is left out unless it is the only one.
  package func batches(_ order: [Int]) -> [[Int]] {
    let rows = rows(order)
    return (0..<batches(ofRows: rows.count)).map { batch in
      Array(rows[batch * rowsPerBatch..<min((batch + 1) * rowsPerBatch, rows.count)].joined())
    }
  }

  func batches(ofRows count: Int) -> Int { max(1, count / rowsPerBatch) }

  /// Each example goes to the first row that has room. (axolotl calls it first-fit-decreasing, but does not sort.)
  private func firstFit(_ group: ArraySlice<Int>) -> [[Int]] {
    let most = settings.mostExamplesPerRow > 0 ? settings.mostExamplesPerRow : .max
    var room = RowRoom(rows: group.count, tokens: rowTokens)
    var rows: [[Int]] = []
    for position in group {
      let row = room.take(lengths[position])
      if row == rows.count { rows.append([]) }
      rows[row].append(position)
      if rows[row].count == most { room.close(row) }
    }
    return rows
  }

  private func nextFit(_ order: [Int]) -> [[Int]] {
    var rows: [[Int]] = []
    var left = 0
    for position in order {
      if rows.isEmpty || lengths[position] > left {
        rows.append([])
        left = rowTokens
      }
      rows[rows.count - 1].append(position)
      left -= lengths[position]
    }
    return rows
  }
}

/// The room in the rows of a group: a tree of maxima, which finds the first row with room in logarithmic time.
private struct RowRoom {
  private let leaves: Int
  /// The root is at 1, the children of node n at 2n and 2n + 1.
  private var most: [Int]

  init(rows: Int, tokens: Int) {
    var leaves = 1
    while leaves < rows { leaves *= 2 }
    self.leaves = leaves
    most = Array(repeating: tokens, count: 2 * leaves)
  }

  /// Takes room in the first row that has enough. An empty row of the group has enough for any example.
  /// - Returns: the row.
  mutating func take(_ tokens: Int) -> Int {
    var node = 1
    while node < leaves { node = most[2 * node] >= tokens ? 2 * node : 2 * node + 1 }
    set(node, most[node] - tokens)
    return node - leaves
  }

  mutating func close(_ row: Int) { set(leaves + row, 0) }

  private mutating func set(_ leaf: Int, _ tokens: Int) {
    most[leaf] = tokens
    var node = leaf / 2
    while node > 0 {
      most[node] = max(most[2 * node], most[2 * node + 1])
      node /= 2
    }
  }
}
