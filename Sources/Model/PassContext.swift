// What all layers of one pass share.

package import Tensors

/// Observes every kernel's result: the debug mode's finite checks and norms.
package protocol PassObserver: AnyObject {
  /// - Parameter layer: nil for the embedding, the final norm and the head.
  func observe(_ kernel: String, layer: Int?, _ values: Matrix) throws
}

/// The rows of a layer's input, and which of them continue past its keys and values.
struct LayerRows {
  /// Of the input [N].
  let positions: [Int32]
  /// The rows that continue; nil: all of them.
  let continuing: [Int32]?
  /// Of the rows that continue.
  let queryPositions: [Int32]

  init(positions: [Int32], continuing: [Int32]? = nil) {
    (self.positions, self.continuing) = (positions, continuing)
    queryPositions = continuing.map { $0.map { positions[Int($0)] } } ?? positions
  }

  var count: Int { positions.count }
  var queryCount: Int { queryPositions.count }

  /// The rows of x that continue.
  func queries(of x: Matrix, into buffer: Matrix, _ pool: ThreadPool) -> Matrix {
    guard let continuing else { return x }
    let gathered = buffer.prefix(continuing.count)
    Kernels.gather(gathered, x, index: continuing, pool)
    return gathered
  }
}

/// Buffers that the layers of a pass use in turn.
struct LayerScratch<Buffer> {
  /// [N, D].
  let normed: Buffer
  /// Of the last layer's rows that continue [S, D].
  let gathered, gatheredResidual: Buffer
  /// [N, F].
  let wide: Buffer

  init(_ c: ModelConfiguration, rows: Int, continuing: Int, _ take: (Int, Int) -> Buffer) {
    normed = take(rows, c.hiddenSize)
    gathered = take(continuing, c.hiddenSize)
    gatheredResidual = take(continuing, c.hiddenSize)
    wide = take(rows, c.feedForwardSize)
  }
}

/// Buffers for gradients that the layers use in turn.
struct GradientScratch<Buffer> {
  /// Gradients of the residual stream [N, D], of a normed input [N, D], of gathered rows [S, D].
  let stream, normed, gathered: Buffer
  /// Gradient of the scored rows' residual stream [S, D].
  let scored: Buffer
  let attention, q, k, v: Buffer
  /// Gradients of q and k before their heads' norms, in families that have them.
  let rawQ, rawK: Buffer?
  let attentionParts: Buffer
  /// Gradients of LoRA reductions [N, n R].
  let reduced: Buffer
  /// Gradients of the results of decomposed linear layers, scaled [N, Σ out].
  let scaled: Buffer
  /// For gradients after dropout [N, max(D, H E, F)].
  let dropped: Buffer?
  /// The gradient of one parameter, or of several of LoRA's.
  let parameter: Buffer

  init(
    _ layout: PolicyLayout, rows n: Int, continuing: Int, dropout: Bool, _ take: (Int, Int) -> Buffer
  ) {
    let c = layout.configuration
    stream = take(n, c.hiddenSize)
    normed = take(n, c.hiddenSize)
    gathered = take(continuing, c.hiddenSize)
    scored = take(continuing, c.hiddenSize)
    attention = take(n, c.queryWidth)
    q = take(n, c.queryWidth)
    k = take(n, c.keyValueWidth)
    v = take(n, c.keyValueWidth)
    rawQ = c.family.normsHeads ? take(n, c.queryWidth) : nil
    rawK = c.family.normsHeads ? take(n, c.keyValueWidth) : nil
    attentionParts = take(2 * n, c.queryWidth)
    reduced = take(n, InputGroup.allCases.map { layout.adapter?.reducedWidth(of: $0) ?? 0 }.max() ?? 0)
    scaled = take(
      n,
      layout.adapter?.form == .decomposed
        ? InputGroup.allCases.map { $0.modules.reduce(0) { $0 + $1.outputWidth(c) } }.max() ?? 0 : 0)
    dropped = dropout ? take(n, c.widestInput) : nil
    parameter = take(1, layout.largestGradient)
  }
}

extension PolicyLayout {
  /// Entries of the largest gradient that is computed at once.
  var largestGradient: Int {
    let c = configuration
    let lora = (0..<c.layerCount).flatMap { layer in
      InputGroup.allCases.flatMap { group in
        let ranks = group.modules.compactMap { adapter?.shape($0, layer: layer)?.rank }
        return [ranks.reduce(0, +) * group.modules[0].inputWidth(c)]
          + zip(group.modules, group.modules.map { adapter?.shape($0, layer: layer)?.rank ?? 0 }).map {
            $0.outputWidth(c) * max($1, adapter?.form == .decomposed ? 1 : 0)
          }
      }
    }
    let weights = trainedWeights.map { name in
      // The head's gradient comes in tiles, the embedding's row by row.
      let shape = name.shape(c)
      return name == .head || name == .embedding ? min(headTile, shape[0]) * shape[1] : shape.reduce(1, *)
    }
    return (lora + weights).max() ?? 0
  }
}

/// Columns of the vocabulary per tile of the head.
let headTile = 4096

/// The policy, the machine and the switches of one pass.
struct PassContext {
  let policy: Policy
  let pool: ThreadPool
  let ropeTable: Matrix
  /// Nil: no dropout.
  var dropout: DropoutRows?
  /// Nil: none.
  var noise: EmbeddingNoise?
  /// For inputs after dropout [N, max(D, H E, F)].
  var droppedInput: Matrix?
  weak var observer: (any PassObserver)?
  /// For products of weights in int8.
  let int8Rows: Int8Rows
  var rowProducts = RowProducts.never

  /// Which rows use products that read each weight once, without packing. Their bits are not those of the others.
  enum RowProducts { case never, ofContinuing, always }

  var model: LanguageModel { policy.model }
  var configuration: ModelConfiguration { policy.model.configuration }

  func observe(_ kernel: String, layer: Int?, _ values: Matrix) throws {
    try observer?.observe(kernel, layer: layer, values)
  }

  /// Products that share their inputs' rows.
  func compute(
    _ products: [(y: Matrix, start: Product.Start, terms: [Term])], isContinuing: Bool, phase: Phase = .linears
  ) {
    let usesRows =
      switch rowProducts {
      case .never: false
      case .ofContinuing: isContinuing
      case .always: true
      }
    let products = products.map { Product($0.y, from: $0.start, $0.terms) }
    if usesRows {
      Products.computeRows(products, int8Rows: int8Rows, phase: phase, pool)
    } else {
      Products.compute(products, int8Rows: int8Rows, phase: phase, pool)
    }
  }
}

extension ModelConfiguration {
  /// Numbers of memory for a row in int8, whatever the product. The linears' widest result is no wider than their widest
  /// input; the head's result comes in tiles.
  var int8Width: Int { Int8Rows.width(depth: max(widestInput, min(headTile, vocabularySize))) }

  /// The widest input of a linear layer.
  var widestInput: Int { max(hiddenSize, queryWidth, feedForwardSize) }
}
