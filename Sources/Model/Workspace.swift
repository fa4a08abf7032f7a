// The memory of a pass. It is allocated once for the largest micro-batch, so a step allocates nothing.

import Tensors

/// The size of a buffer before memory is allocated for it.
struct MatrixSize {
  let rows, columns: Int
  var bytes: Int { rows * columns * MemoryLayout<Float>.stride }
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
  let retention: Retention
  /// Whether a backward pass will follow the current pass. A pass that only scores uses the shared buffers.
  var isKeeping = false
  /// The residual stream at each layer's input [N, D] (two buffers in turn when nothing is kept).
  private let hidden: [Buffer]
  private let attention: [SelfAttention.Activations<Buffer>]
  private let feedForward: [FeedForward.Activations<Buffer>]
  private let layerCount: Int
  let head: HeadLayer.Buffers<Buffer>
  let scratch: LayerScratch<Buffer>
  /// Inputs after dropout, when dropout is used: [N, max(D, H E, F)].
  let dropped: Buffer?
  /// For the backward pass only.
  let gradient: GradientScratch<Buffer>?
  /// For rows in int8 [N, ..]: attention's parts, which no product of a linear layer needs, where they suffice.
  let int8Rows: Buffer
  let buffers: [Buffer]

  /// - Parameter make: makes a buffer with the given rows and columns.
  init(
    _ c: ModelConfiguration, _ layout: PolicyLayout?, capacity: Capacity, retention: Retention, dropout: Bool,
    make: (_ rows: Int, _ columns: Int) -> Buffer
  ) {
    (self.capacity, self.retention) = (capacity, retention)
    layerCount = c.layerCount
    var buffers: [Buffer] = []
    func take(_ rows: Int, _ columns: Int) -> Buffer {
      buffers.append(make(rows, columns))
      return buffers[buffers.count - 1]
    }
    let (n, s) = (capacity.rows, capacity.scoredRows)
    hidden = (0..<(retention == .none ? 2 : c.layerCount)).map { _ in take(n, c.hiddenSize) }
    // One per layer that keeps its activations, last layer first, and one for all others. The last has scored rows
    // only.
    let kept = if case .activations(let layers) = retention { min(layers, c.layerCount) } else { 0 }
    let queryRows = (0..<min(kept + 1, c.layerCount)).map { place in place == 0 && kept > 0 ? s : n }
    let adapter = layout?.adapter
    attention = queryRows.map { SelfAttention.Activations(rows: n, queryRows: $0, c, adapter, take) }
    feedForward = queryRows.map { FeedForward.Activations(rows: $0, c, adapter, take) }
    let use: HeadLayer.Use =
      retention == .none ? .scores : layout?.headRange == nil ? .gradient : .trainedGradient
    head = HeadLayer.Buffers(c, for: use, scored: s, targets: capacity.targets, take)
    scratch = LayerScratch(c, rows: n, continuing: s, take)
    dropped = dropout ? take(n, c.widestInput) : nil
    gradient = layout.flatMap { layout in
      retention == .none ? nil : GradientScratch(layout, rows: n, continuing: s, dropout: dropout, take)
    }
    let parts = 2 * c.queryWidth >= c.int8Width ? gradient?.attentionParts : nil
    int8Rows = parts ?? take(n, c.int8Width)
    self.buffers = buffers
  }

  func hidden(layer: Int) -> Buffer { hidden[isKeeping ? layer : layer % 2] }

  func attention(layer: Int) -> SelfAttention.Activations<Buffer> { attention[place(of: layer)] }
  func feedForward(layer: Int) -> FeedForward.Activations<Buffer> { feedForward[place(of: layer)] }

  private func place(of layer: Int) -> Int {
    isKeeping ? min(layerCount - 1 - layer, attention.count - 1) : attention.count - 1
  }
}
