// The memory of a pass, taken once for the largest micro-batch: a step then allocates nothing.

import Tensors

/// What one layer keeps of its forward pass for its backward pass.
struct LayerActivations {
  /// After the rotation: q [N, H E], k and v [N, K E].
  let q, k, v: Matrix
  /// Attention's result [N, H E] and log Σ exp of its scores [N, H].
  let attention, logsum: Matrix
  /// The residual stream between attention and feed-forward [N, D].
  let middle: Matrix
  /// 1 / root mean square at either norm [N, 1].
  let inverse1, inverse2: Matrix
  /// [N, F].
  let gate, up: Matrix
  /// Scaled LoRA reductions s · x Aᵀ of each input [N, n R].
  let reduced: [Matrix]

  init(rows: Int, queryRows: Int, _ c: ModelConfiguration, _ layout: AdapterLayout?) {
    q = Matrix(rows: queryRows, columns: c.queryWidth)
    k = Matrix(rows: rows, columns: c.keyValueWidth)
    v = Matrix(rows: rows, columns: c.keyValueWidth)
    attention = Matrix(rows: queryRows, columns: c.queryWidth)
    logsum = Matrix(rows: queryRows, columns: c.headCount)
    middle = Matrix(rows: queryRows, columns: c.hiddenSize)
    inverse1 = Matrix(rows: rows, columns: 1)
    inverse2 = Matrix(rows: queryRows, columns: 1)
    gate = Matrix(rows: queryRows, columns: c.feedForwardSize)
    up = Matrix(rows: queryRows, columns: c.feedForwardSize)
    reduced = InputGroup.allCases.map { group in
      // The attention input's reductions hold k's and v's rows as well as q's.
      Matrix(
        rows: group == .attention ? rows : queryRows,
        columns: (layout?.modules(of: group).count ?? 0) * (layout?.rank ?? 0))
    }
  }
}

/// The largest micro-batch that a workspace holds.
package struct Capacity: Sendable, Equatable {
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
  /// Each layer's input; the rest is computed again (gradient checkpointing).
  case layerInputs
  /// Everything.
  case all
}

/// All buffers of a pass.
final class Workspace {
  let capacity: Capacity
  let retention: Retention
  /// The residual stream entering each layer [N, D] (two in turn when nothing is kept).
  private let hidden: [Matrix]
  private let activations: [LayerActivations]
  /// Residual rows that are scored, after the last layer [S, D], and their norms.
  let final, finalNormed, finalInverse: Matrix
  /// Scratch rows [N, D].
  let normed, gathered, gatheredResidual: Matrix
  /// Scratch [N, F].
  let wide: Matrix
  /// Head: a tile of logits [S, tile], Σ exp · weight [S, D], target rows of the head's weight [targets, D].
  let logits, expected, targetRows: Matrix
  let softmax: HeadSoftmax
  /// Backward only.
  let gradient: Gradient?
  /// Dropped inputs, when dropout is in use: [N, max(D, H E, F)].
  let dropped: Matrix?

  struct Gradient {
    /// Of the residual stream [N, D], of a normed input [N, D], of gathered rows [S, D].
    let stream, normed, gathered: Matrix
    /// Of the scored rows' residual stream [S, D].
    let scored: Matrix
    let attention, q, k, v: Matrix
    let attentionParts: Matrix
    /// Of LoRA reductions [N, n R].
    let reduced: Matrix
    /// Scratch for dropped gradients [N, max(D, H E, F)].
    let dropped: Matrix?
  }

  /// Columns of the vocabulary that the head takes at a time.
  static let headTile = 4096

  init(_ c: ModelConfiguration, _ layout: AdapterLayout?, capacity: Capacity, retention: Retention, dropout: Bool) {
    self.capacity = capacity
    self.retention = retention
    let (n, s) = (capacity.rows, capacity.scoredRows)
    let attentionWidth = c.queryWidth
    hidden = (0..<(retention == .none ? 2 : c.layerCount)).map { _ in Matrix(rows: n, columns: c.hiddenSize) }
    switch retention {
    case .all:
      activations = (0..<c.layerCount).map {
        LayerActivations(rows: n, queryRows: $0 == c.layerCount - 1 ? s : n, c, layout)
      }
    case .none, .layerInputs:
      activations = [LayerActivations(rows: n, queryRows: n, c, layout)]
    }
    final = Matrix(rows: s, columns: c.hiddenSize)
    finalNormed = Matrix(rows: s, columns: c.hiddenSize)
    finalInverse = Matrix(rows: s, columns: 1)
    normed = Matrix(rows: n, columns: c.hiddenSize)
    gathered = Matrix(rows: s, columns: c.hiddenSize)
    gatheredResidual = Matrix(rows: s, columns: c.hiddenSize)
    wide = Matrix(rows: n, columns: c.feedForwardSize)
    logits = Matrix(rows: s, columns: min(Self.headTile, c.vocabularySize))
    expected = Matrix(rows: s, columns: c.hiddenSize)
    targetRows = Matrix(rows: capacity.targets, columns: c.hiddenSize)
    softmax = HeadSoftmax(capacity: s)
    let widest = max(c.hiddenSize, attentionWidth, c.feedForwardSize)
    dropped = dropout ? Matrix(rows: n, columns: widest) : nil
    let reducedWidth = InputGroup.allCases.map { (layout?.modules(of: $0).count ?? 0) * (layout?.rank ?? 0) }.max() ?? 0
    gradient =
      retention == .none
      ? nil
      : Gradient(
        stream: Matrix(rows: n, columns: c.hiddenSize), normed: Matrix(rows: n, columns: c.hiddenSize),
        gathered: Matrix(rows: s, columns: c.hiddenSize), scored: Matrix(rows: s, columns: c.hiddenSize), attention: Matrix(rows: n, columns: attentionWidth),
        q: Matrix(rows: n, columns: attentionWidth),
        k: Matrix(rows: n, columns: c.keyValueWidth),
        v: Matrix(rows: n, columns: c.keyValueWidth),
        attentionParts: Matrix(rows: 2 * n, columns: attentionWidth),
        reduced: Matrix(rows: n, columns: reducedWidth),
        dropped: dropout ? Matrix(rows: n, columns: widest) : nil)
  }

  func hidden(layer: Int) -> Matrix { hidden[retention == .none ? layer % 2 : layer] }
  func activations(layer: Int) -> LayerActivations { activations[retention == .all ? layer : 0] }
}
