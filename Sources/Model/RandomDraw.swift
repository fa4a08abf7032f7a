// What is random in a step: dropout of LoRA's inputs and noise of embeddings. Its numbers depend on the example, the step
// and the row in the tree, not on the rank or the batch.

import Tensors

/// The random numbers of one step.
package struct RandomDraw: Sendable, Equatable {
  /// Of LoRA's inputs to be dropped.
  package var probability: Float
  /// NEFTune's α (Jain et al. 2023); 0: no noise.
  package var embeddingNoise: Float
  /// The run's seed.
  package var seed: UInt64
  /// The optimizer step, so that each epoch draws a new dropout mask for an example.
  package var step: UInt64

  package init(probability: Float, embeddingNoise: Float = 0, seed: UInt64, step: UInt64) {
    // A probability such as 0.99999999 is 1 in fp32. Dropout would then keep nothing and scale by infinity.
    (self.probability, self.seed, self.step) = (min(probability, Float(1).nextDown), seed, step)
    self.embeddingNoise = embeddingNoise
  }
}

/// A draw for the rows of a batch.
struct DropoutRows {
  private let rows: Kernels.DropoutRows
  private let scoredRows: [Int32]

  /// Nil when nothing is dropped.
  init?(_ draw: RandomDraw?, _ batch: TreeBatch) {
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

/// Noise for the embedded rows of a batch: uniform in ± α / √(L D), with the length L of prompt and longest completion.
struct EmbeddingNoise {
  let key: UInt64
  let counters: [UInt64]
  /// Of each row.
  let amplitudes: [Float]

  /// Nil when there is none.
  init?(_ draw: RandomDraw?, _ batch: TreeBatch, width: Int) {
    guard let draw, draw.embeddingNoise > 0 else { return nil }
    // Dropout's keys count upwards from the seed.
    key = draw.seed &- 1 << 32
    counters = batch.counters(step: draw.step)
    var lengths = [Int](repeating: 0, count: batch.trees.count)
    for (row, tree) in batch.treeOfRow.enumerated() {
      lengths[tree] = max(lengths[tree], Int(batch.positions[row]) + 1)
    }
    amplitudes = batch.treeOfRow.map { draw.embeddingNoise / Float(lengths[$0] * width).squareRoot() }
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
