// The memory of a pass, taken once for the largest micro-batch: a step then allocates nothing.

import Tensors

/// Takes matrices and counts their bytes.
struct MatrixAllotment {
  private(set) var bytes = 0
  private(set) var storages: [Storage] = []

  mutating func matrix(_ rows: Int, _ columns: Int) -> Matrix {
    bytes += 4 * rows * columns
    let matrix = Matrix(rows: rows, columns: columns)
    storages.append(matrix.storage)
    return matrix
  }
}

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

  init(rows: Int, queryRows: Int, _ c: ModelConfiguration, _ layout: AdapterLayout?, _ memory: inout MatrixAllotment) {
    q = memory.matrix(queryRows, c.queryWidth)
    k = memory.matrix(rows, c.keyValueWidth)
    v = memory.matrix(rows, c.keyValueWidth)
    attention = memory.matrix(queryRows, c.queryWidth)
    logsum = memory.matrix(queryRows, c.headCount)
    middle = memory.matrix(queryRows, c.hiddenSize)
    inverse1 = memory.matrix(rows, 1)
    inverse2 = memory.matrix(queryRows, 1)
    gate = memory.matrix(queryRows, c.feedForwardSize)
    up = memory.matrix(queryRows, c.feedForwardSize)
    var reduced: [Matrix] = []
    for group in InputGroup.allCases {
      // The attention input's reductions hold k's and v's rows as well as q's.
      reduced.append(memory.matrix(group == .attention ? rows : queryRows, layout?.reducedWidth(of: group) ?? 0))
    }
    self.reduced = reduced
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

/// All buffers of a pass.
final class Workspace {
  let capacity: Capacity
  let layout: AdapterLayout?
  let retention: Retention
  /// Whether the pass under way will be gone back through. One that only scores goes through the shared buffers.
  var isKeeping = false
  /// The residual stream entering each layer [N, D] (two in turn when nothing is kept).
  private let hidden: [Matrix]
  private let activations: [LayerActivations]
  private let layerCount: Int
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

  /// Bytes of all buffers.
  let bytes: Int
  private let storages: [Storage]

  /// Columns of the vocabulary that the head takes at a time.
  static let headTile = 4096

  init(_ c: ModelConfiguration, _ layout: AdapterLayout?, capacity: Capacity, retention: Retention, dropout: Bool) {
    self.capacity = capacity
    self.layout = layout
    self.retention = retention
    layerCount = c.layerCount
    var memory = MatrixAllotment()
    let (n, s) = (capacity.rows, capacity.scoredRows)
    let widest = max(c.hiddenSize, c.queryWidth, c.feedForwardSize)
    var hidden: [Matrix] = []
    for _ in 0..<(retention == .none ? 2 : c.layerCount) { hidden.append(memory.matrix(n, c.hiddenSize)) }
    self.hidden = hidden
    var activations: [LayerActivations] = []
    // Layers that keep theirs, last first, and one for all others.
    if case .activations(let layers) = retention {
      for place in 0..<min(layers, c.layerCount) {
        // The last layer goes on with the scored rows alone.
        activations.append(LayerActivations(rows: n, queryRows: place == 0 ? s : n, c, layout, &memory))
      }
    }
    if activations.count < c.layerCount {
      activations.append(LayerActivations(rows: n, queryRows: n, c, layout, &memory))
    }
    self.activations = activations
    final = memory.matrix(s, c.hiddenSize)
    finalNormed = memory.matrix(s, c.hiddenSize)
    finalInverse = memory.matrix(s, 1)
    normed = memory.matrix(n, c.hiddenSize)
    gathered = memory.matrix(s, c.hiddenSize)
    gatheredResidual = memory.matrix(s, c.hiddenSize)
    wide = memory.matrix(n, c.feedForwardSize)
    logits = memory.matrix(s, min(Self.headTile, c.vocabularySize))
    expected = memory.matrix(s, c.hiddenSize)
    targetRows = memory.matrix(capacity.targets, c.hiddenSize)
    softmax = HeadSoftmax(capacity: s)
    dropped = dropout ? memory.matrix(n, widest) : nil
    if retention == .none {
      gradient = nil
    } else {
      let reducedWidth = InputGroup.allCases.map { layout?.reducedWidth(of: $0) ?? 0 }.max() ?? 0
      gradient = Gradient(
        stream: memory.matrix(n, c.hiddenSize), normed: memory.matrix(n, c.hiddenSize),
        gathered: memory.matrix(s, c.hiddenSize), scored: memory.matrix(s, c.hiddenSize),
        attention: memory.matrix(n, c.queryWidth), q: memory.matrix(n, c.queryWidth),
        k: memory.matrix(n, c.keyValueWidth), v: memory.matrix(n, c.keyValueWidth),
        attentionParts: memory.matrix(2 * n, c.queryWidth), reduced: memory.matrix(n, reducedWidth),
        dropped: dropout ? memory.matrix(n, widest) : nil)
    }
    bytes = memory.bytes
    storages = memory.storages
  }

  func populate(_ pool: ThreadPool) throws { try pool.populate(storages) }

  func hidden(layer: Int) -> Matrix { hidden[isKeeping ? layer : layer % 2] }

  func activations(layer: Int) -> LayerActivations {
    activations[isKeeping ? min(layerCount - 1 - layer, activations.count - 1) : activations.count - 1]
  }
}
