// Dropout of LoRA's inputs. Its random numbers depend on the example, the step and the row in the tree, not on the rank
// or the batch.

import Tensors

/// Dropout of LoRA inputs for one step.
package struct DropoutDraw: Sendable, Equatable {
  package var probability: Float
  /// The run's seed.
  package var seed: UInt64
  /// The optimizer step, so that each epoch draws a new dropout mask for an example.
  package var step: UInt64

  package init(probability: Float, seed: UInt64, step: UInt64) {
    // A probability such as 0.99999999 is 1 in fp32. Dropout would then keep nothing and scale by infinity.
    (self.probability, self.seed, self.step) = (min(probability, Float(1).nextDown), seed, step)
  }
}

/// A draw for the rows of a batch.
struct DropoutRows {
  private let rows: Kernels.DropoutRows
  private let scoredRows: [Int32]

  /// Nil when nothing is dropped.
  init?(_ draw: DropoutDraw?, _ batch: TreeBatch) {
    guard let draw, draw.probability > 0 else { return nil }
    rows = Kernels.DropoutRows(
      probability: draw.probability, key: draw.seed, counters: batch.counters(step: draw.step))
    scoredRows = batch.scoredRows
  }

  /// The rows of one input of one layer.
  /// - Parameter isContinuing: whether the input has only the rows that continue in the last layer.
  func of(_ group: InputGroup, layer: Int, isContinuing: Bool) -> Kernels.DropoutRows {
    var rows = rows
    // One key per input. In Philox, neighbouring keys give independent numbers.
    rows.key &+= UInt64(layer * InputGroup.allCases.count + group.rawValue + 1) << 32
    if isContinuing {
      rows.counters = scoredRows.flatMap { [rows.counters[2 * Int($0)], rows.counters[2 * Int($0) + 1]] }
    }
    return rows
  }
}

extension TreeBatch {
  /// Two counters per row for random numbers: the step and the example, and the row's place in its tree.
  func counters(step: UInt64) -> [UInt64] {
    var counters: [UInt64] = []
    counters.reserveCapacity(2 * rows)
    for row in 0..<rows {
      counters.append(step << 32 | UInt64(exampleIndices[treeOfRow[row]]))
      counters.append(UInt64(placeInTree[row]))
    }
    return counters
  }
}
