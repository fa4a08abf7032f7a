// The memory of a pass. It is allocated once for the largest micro-batch, so a step allocates nothing.

import Tensors

/// The size of a buffer before memory is allocated for it.
struct MatrixSize {
  let rows, columns: Int
  var bytes: Int { rows * columns * MemoryLayout<Float>.stride }
}

/// The activations that one layer keeps for its backward pass.
struct LayerActivations<Buffer> {
  /// After the rotation: q [N, H E], k and v [N, K E].
  let q, k, v: Buffer
  /// Attention's result [N, H E] and log Σ exp of its scores [N, H].
  let attention, logsum: Buffer
  /// The residual stream between attention and feed-forward [N, D].
  let middle: Buffer
  /// 1 / root mean square at each of the two norms [N, 1].
  let inverse1, inverse2: Buffer
  /// [N, F].
  let gate, up: Buffer
  /// Scaled LoRA reductions s · x Aᵀ of each input [N, n R].
  let reduced: [Buffer]

  init(rows: Int, queryRows: Int, _ c: ModelConfiguration, _ layout: AdapterLayout?, _ take: (Int, Int) -> Buffer) {
    q = take(queryRows, c.queryWidth)
    k = take(rows, c.keyValueWidth)
    v = take(rows, c.keyValueWidth)
    attention = take(queryRows, c.queryWidth)
    logsum = take(queryRows, c.headCount)
    middle = take(queryRows, c.hiddenSize)
    inverse1 = take(rows, 1)
    inverse2 = take(queryRows, 1)
    gate = take(queryRows, c.feedForwardSize)
    up = take(queryRows, c.feedForwardSize)
    reduced = InputGroup.allCases.map { group in
      // The reductions of the attention input have rows for q, k and v.
      take(group == .attention ? rows : queryRows, layout?.reducedWidth(of: group) ?? 0)
    }
  }
}

/// The largest micro-batch that a workspace holds.
package struct Capacity: Sendable, Equatable, Codable {
  package var rows: Int
  package var scoredRows: Int
  package var targets: Int

  package init(rows: Int, scoredRows: Int, targets: Int) {
    (self.rows, self.scoredRows, self.targets) = (rows, scoredRows, targets)
  }

  package init(_ batch: TreeBatch) {
    self.init(rows: batch.rows, scoredRows: batch.scoredRows.count, targets: batch.targets.count)
  }

  /// The smallest capacity that holds both.
  package func union(_ other: Capacity) -> Capacity {
    Capacity(
      rows: max(rows, other.rows), scoredRows: max(scoredRows, other.scoredRows), targets: max(targets, other.targets))
  }
}

/// The part of the forward pass that is kept for the backward pass.
package enum Retention: Sendable, Equatable {
  /// Nothing: scoring only.
  case none
  /// Every layer's input, and all activations of the last `layers` layers. The backward pass recomputes the others
  /// (gradient checkpointing, Chen et al. 2016). This choice does not change any bit of the results.
  case activations(layers: Int)

  package static let layerInputs = Retention.activations(layers: 0)
  package static let all = Retention.activations(layers: .max)

  /// The number of layers that a backward pass recomputes: all layers that keep nothing, except one. Its activations
  /// are still in the shared buffers when the backward pass starts.
  package func recomputedLayers(of count: Int) -> Int {
    switch self {
    case .none: 0
    case .activations(let layers): max(0, count - layers - 1)
    }
  }
}

/// All buffers of a pass. `Workspace<Matrix>` holds memory to compute with. `Workspace<MatrixSize>` holds only sizes,
/// to count the memory.
final class Workspace<Buffer> {
  let capacity: Capacity
  let layout: AdapterLayout?
  let retention: Retention
  /// Whether a backward pass will follow the current pass. A pass that only scores uses the shared buffers.
  var isKeeping = false
  /// The residual stream at each layer's input [N, D] (two buffers in turn when nothing is kept).
  private let hidden: [Buffer]
  private let activations: [LayerActivations<Buffer>]
  private let layerCount: Int
  /// The scored rows of the residual stream after the last layer [S, D], and their norms.
  let final, finalNormed, finalInverse: Buffer
  /// Scratch rows [N, D].
  let normed, gathered, gatheredResidual: Buffer
  /// Scratch [N, F].
  let wide: Buffer
  /// Head: a tile of logits [S, tile], Σ exp · weight [S, D], target rows of the head's weight [targets, D].
  let logits, expected, targetRows: Buffer
  /// For the backward pass only.
  let gradient: Gradient?
  /// Inputs after dropout, when dropout is used: [N, max(D, H E, F)].
  let dropped: Buffer?

  struct Gradient {
    /// Gradients of the residual stream [N, D], of a normed input [N, D], of gathered rows [S, D].
    let stream, normed, gathered: Buffer
    /// Gradient of the scored rows' residual stream [S, D].
    let scored: Buffer
    let attention, q, k, v: Buffer
    let attentionParts: Buffer
    /// Gradients of LoRA reductions [N, n R].
    let reduced: Buffer
    /// Scratch for gradients after dropout [N, max(D, H E, F)].
    let dropped: Buffer?
  }

  let buffers: [Buffer]

  /// - Parameter make: makes a buffer with the given rows and columns.
  init(
    _ c: ModelConfiguration, _ layout: AdapterLayout?, capacity: Capacity, retention: Retention, dropout: Bool,
    make: (_ rows: Int, _ columns: Int) -> Buffer
  ) {
    (self.capacity, self.layout, self.retention) = (capacity, layout, retention)
    layerCount = c.layerCount
    var buffers: [Buffer] = []
    func take(_ rows: Int, _ columns: Int) -> Buffer {
      buffers.append(make(rows, columns))
      return buffers[buffers.count - 1]
    }
    let (n, s) = (capacity.rows, capacity.scoredRows)
    let widest = max(c.hiddenSize, c.queryWidth, c.feedForwardSize)
    hidden = (0..<(retention == .none ? 2 : c.layerCount)).map { _ in take(n, c.hiddenSize) }
    // One per layer that keeps its activations, last layer first, and one for all others. The last has scored rows
    // only.
    let kept = if case .activations(let layers) = retention { min(layers, c.layerCount) } else { 0 }
    activations = (0..<min(kept + 1, c.layerCount)).map { place in
      LayerActivations(rows: n, queryRows: place == 0 && kept > 0 ? s : n, c, layout, take)
    }
    final = take(s, c.hiddenSize)
    finalNormed = take(s, c.hiddenSize)
    finalInverse = take(s, 1)
    normed = take(n, c.hiddenSize)
    gathered = take(s, c.hiddenSize)
    gatheredResidual = take(s, c.hiddenSize)
    wide = take(n, c.feedForwardSize)
    logits = take(s, min(headTile, c.vocabularySize))
    expected = take(s, c.hiddenSize)
    targetRows = take(capacity.targets, c.hiddenSize)
    dropped = dropout ? take(n, widest) : nil
    let reducedWidth = InputGroup.allCases.map { layout?.reducedWidth(of: $0) ?? 0 }.max() ?? 0
    gradient =
      retention == .none
      ? nil
      : Gradient(
        stream: take(n, c.hiddenSize), normed: take(n, c.hiddenSize), gathered: take(s, c.hiddenSize),
        scored: take(s, c.hiddenSize), attention: take(n, c.queryWidth), q: take(n, c.queryWidth),
        k: take(n, c.keyValueWidth), v: take(n, c.keyValueWidth), attentionParts: take(2 * n, c.queryWidth),
        reduced: take(n, reducedWidth), dropped: dropout ? take(n, widest) : nil)
    self.buffers = buffers
  }

  func hidden(layer: Int) -> Buffer { hidden[isKeeping ? layer : layer % 2] }

  func activations(layer: Int) -> LayerActivations<Buffer> {
    activations[isKeeping ? min(layerCount - 1 - layer, activations.count - 1) : activations.count - 1]
  }
}

/// Columns of the vocabulary per tile of the head.
let headTile = 4096
