// The memory of a pass, taken once for the largest micro-batch: a step then allocates nothing.

import Tensors

/// What a buffer is before memory is taken for it.
struct MatrixSize {
  let rows, columns: Int
  var bytes: Int { rows * columns * MemoryLayout<Float>.stride }
}

/// What one layer keeps of its forward pass for its backward pass.
struct LayerActivations<Buffer> {
  /// After the rotation: q [N, H E], k and v [N, K E].
  let q, k, v: Buffer
  /// Attention's result [N, H E] and log Σ exp of its scores [N, H].
  let attention, logsum: Buffer
  /// The residual stream between attention and feed-forward [N, D].
  let middle: Buffer
  /// 1 / root mean square at either norm [N, 1].
  let inverse1, inverse2: Buffer
  /// [N, F].
  let gate, up: Buffer
  /// Scaled LoRA reductions s · x Aᵀ of each input [N, n R].
  let reduced: [Buffer]

  init(
    rows: Int, queryRows: Int, _ c: ModelConfiguration, _ layout: AdapterLayout?, _ take: (Int, Int) -> Buffer
  ) {
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
      // The attention input's reductions hold k's and v's rows as well as q's.
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

  /// The capacity that holds both.
  package func union(_ other: Capacity) -> Capacity {
    Capacity(
      rows: max(rows, other.rows), scoredRows: max(scoredRows, other.scoredRows), targets: max(targets, other.targets))
  }
}

/// What of the forward pass is kept for the backward pass.
package enum Retention: Sendable, Equatable {
  /// Nothing: scoring only.
  case none
  /// Every layer's input, and all activations of the last `layers`; the others' are computed again on the way back
  /// (gradient checkpointing, Chen et al. 2016). Results have the same bits whatever is kept.
  case activations(layers: Int)

  package static let layerInputs = Retention.activations(layers: 0)
  package static let all = Retention.activations(layers: .max)

  /// How many of a model's layers a backward pass computes again: all that keep nothing but one, whose activations
  /// are still in the shared buffers when the way back starts.
  package func recomputedLayers(of count: Int) -> Int {
    switch self {
    case .none: 0
    case .activations(let layers): max(0, count - layers - 1)
    }
  }
}

/// All buffers of a pass, named once: as matrices (`Workspace<Matrix>`) it computes with them, as sizes
/// (`Workspace<MatrixSize>`) it says what they would take.
final class Workspace<Buffer> {
  let capacity: Capacity
  let layout: AdapterLayout?
  let retention: Retention
  /// Whether the pass under way will be gone back through. One that only scores goes through the shared buffers.
  var isKeeping = false
  /// The residual stream entering each layer [N, D] (two in turn when nothing is kept).
  private let hidden: [Buffer]
  private let activations: [LayerActivations<Buffer>]
  private let layerCount: Int
  /// Residual rows that are scored, after the last layer [S, D], and their norms.
  let final, finalNormed, finalInverse: Buffer
  /// Scratch rows [N, D].
  let normed, gathered, gatheredResidual: Buffer
  /// Scratch [N, F].
  let wide: Buffer
  /// Head: a tile of logits [S, tile], Σ exp · weight [S, D], target rows of the head's weight [targets, D].
  let logits, expected, targetRows: Buffer
  /// Backward only.
  let gradient: Gradient?
  /// Dropped inputs, when dropout is in use: [N, max(D, H E, F)].
  let dropped: Buffer?

  struct Gradient {
    /// Of the residual stream [N, D], of a normed input [N, D], of gathered rows [S, D].
    let stream, normed, gathered: Buffer
    /// Of the scored rows' residual stream [S, D].
    let scored: Buffer
    let attention, q, k, v: Buffer
    let attentionParts: Buffer
    /// Of LoRA reductions [N, n R].
    let reduced: Buffer
    /// Scratch for dropped gradients [N, max(D, H E, F)].
    let dropped: Buffer?
  }

  /// Every buffer.
  let buffers: [Buffer]

  /// - Parameter make: makes a buffer of so many rows and columns.
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
    // Layers that keep theirs, last first, and one for all others. The last layer goes on with the scored rows alone.
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

/// Columns of the vocabulary that the head takes at a time.
let headTile = 4096
