// The forward pass of an encoder, in fp32, up to the layer that is wanted.

import Checkpoints
package import Tensors

/// An encoder of a hub directory. Its numbers for a text do not depend on other texts or on threads.
package final class Encoder: Sendable {
  package let shape: EncoderConfiguration
  /// How many layers are computed.
  package let layers: Int
  private let weights: EncoderWeights

  /// Maps the weights of the first `layers` layers of a directory.
  /// - Throws: `FileError`; `ContentError` with every problem of config.json, or of the weights.
  package convenience init(directory: String, layers: Int) throws {
    try self.init(directory: directory, EncoderConfiguration(directory: directory), layers: layers)
  }

  /// - Precondition: the encoder has so many layers.
  init(directory: String, _ shape: EncoderConfiguration, layers: Int) throws {
    precondition(0...shape.layers ~= layers, "\(layers) layers of \(shape.layers)")
    (self.shape, self.layers) = (shape, layers)
    weights = try EncoderWeights(directory: directory, shape, layers: layers)
  }

  /// Numbers of scratch that each thread of a pool needs for texts of at most `tokens`.
  package func scratchCount(tokens: Int) -> Int {
    EncoderAttention.scratchCount(tokens: tokens, headWidth: shape.headWidth)
  }

  /// The hidden rows of all tokens after the last layer [Σ tokens, D], text after text.
  /// - Precondition: every id is below the vocabulary's size, no text is longer than the positions or the pool's scratch
  ///   allow, and none is empty.
  package func forward(_ texts: [[Int32]], _ pool: ThreadPool) -> Matrix {
    precondition(texts.allSatisfy { !$0.isEmpty }, "an empty text")
    var ranges: [Range<Int>] = []
    for text in texts {
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<start + text.count)
    }
    let pass = EncoderPass(shape, rows: ranges.last?.upperBound ?? 0, texts: ranges)
    embed(texts, pass, pool)
    let longest = texts.map(\.count).max() ?? 0
    let relative = weights.relative.map { RelativeRows($0, reach: shape.relativeReach ?? 1, longest: longest, pool) }
    for layer in weights.layers { forward(layer, pass, relative, pool) }
    return pass.hidden
  }

  // MARK: Embeddings

  private func embed(_ texts: [[Int32]], _ pass: EncoderPass, _ pool: ThreadPool) {
    Kernels.embed(pass.hidden, ids: texts.flatMap { $0 }, table: weights.words, pool)
    if let row = weights.tokenType { Kernels.add(row: row, to: pass.hidden, pool) }
    var residual: Matrix?
    if let table = weights.positions {
      Kernels.embed(pass.mixed, ids: texts.flatMap { positions(of: $0) }, table: table, pool)
      residual = pass.mixed
    }
    norm(pass.hidden, pass.hidden, residual: residual, weights.norm, pool)
  }

  /// RoBERTa counts tokens other than padding, from one after the id of that; DeBERTa counts all, from zero.
  private func positions(of text: [Int32]) -> [Int32] {
    guard shape.family == .roberta else { return (0..<Int32(text.count)).map { $0 } }
    let padding = Int32(shape.padding)
    var last = padding
    return text.map { (id: Int32) -> Int32 in
      guard id != padding else { return padding }
      last += 1
      return last
    }
  }

  // MARK: Layers

  private func forward(
    _ layer: EncoderLayerWeights, _ pass: EncoderPass, _ relative: RelativeRows?, _ pool: ThreadPool
  ) {
    let heads = project(layer, pass, pool)
    let positions = relative.map { self.positions(layer, $0, pool) }
    let parts = shape.family == .deberta ? shape.scoreParts : 1
    let scale = 1 / (Float(shape.headWidth) * Float(parts)).squareRoot()
    EncoderAttention.forward(pass.mixed, heads, positions: positions, scale: scale, texts: pass.texts, pool)
    apply(layer.attentionOutput, pass.mixed, to: pass.attended, pool)
    norm(pass.attended, pass.attended, residual: pass.hidden, layer.attentionNorm, pool)
    apply(layer.intermediate, pass.attended, to: pass.wide, pool)
    EncoderKernels.gelu(pass.wide, pool)
    apply(layer.output, pass.wide, to: pass.hidden, pool)
    norm(pass.hidden, pass.hidden, residual: pass.attended, layer.outputNorm, pool)
  }

  private func project(_ layer: EncoderLayerWeights, _ pass: EncoderPass, _ pool: ThreadPool) -> EncoderHeads {
    let (hidden, width) = (shape.hidden, shape.headWidth)
    if layer.projections.count == 1 {
      // The query, the key and the value of each head are beside each other.
      apply(layer.projections[0], pass.hidden, to: pass.projected, pool)
      let parts = (0..<3).map { pass.projected.columns($0 * width..<3 * hidden - (2 - $0) * width) }
      return EncoderHeads(
        q: parts[0], k: parts[1], v: parts[2], count: shape.heads, width: width, stride: 3 * width)
    }
    let parts = layer.projections.indices.map { index in
      let part = pass.projected.columns(index * hidden..<(index + 1) * hidden)
      apply(layer.projections[index], pass.hidden, to: part, pool)
      return part
    }
    return EncoderHeads(q: parts[0], k: parts[1], v: parts[2], count: shape.heads, width: width, stride: width)
  }

  private func positions(
    _ layer: EncoderLayerWeights, _ relative: RelativeRows, _ pool: ThreadPool
  ) -> RelativePositions {
    let (keys, queries) = (layer.positionKeys, layer.positionQueries)
    return RelativePositions(
      keys: keys.map { relative.rows(through: $0, pool) }, queries: queries.map { relative.rows(through: $0, pool) },
      center: relative.center)
  }

  private func apply(_ linear: EncoderLinear, _ x: Matrix, to y: Matrix, _ pool: ThreadPool) {
    let start = linear.bias.map { Product.Start.bias($0) } ?? .zero
    Products.compute(y, from: start, [.forward(x, linear.weight)], pool)
  }

  private func norm(_ y: Matrix, _ x: Matrix, residual: Matrix?, _ norm: EncoderNorm, _ pool: ThreadPool) {
    EncoderKernels.layerNorm(
      y, x, residual: residual, weight: norm.weight, bias: norm.bias, epsilon: shape.normEpsilon, pool)
  }
}

/// The memory of one pass.
private struct EncoderPass {
  let texts: [Range<Int>]
  /// [N, D]: a layer's input, what attention gives, and that with the layer's input.
  let hidden, mixed, attended: Matrix
  /// Queries, keys and values [N, 3 D].
  let projected: Matrix
  /// [N, F].
  let wide: Matrix

  init(_ shape: EncoderConfiguration, rows: Int, texts: [Range<Int>]) {
    self.texts = texts
    hidden = Matrix(rows: rows, columns: shape.hidden)
    mixed = Matrix(rows: rows, columns: shape.hidden)
    attended = Matrix(rows: rows, columns: shape.hidden)
    projected = Matrix(rows: rows, columns: 3 * shape.hidden)
    wide = Matrix(rows: rows, columns: shape.feedForward)
  }
}

/// The rows of the table of distances that the longest text needs, from keys far before their query to keys far after.
private struct RelativeRows {
  /// [distances, D], each distance that differs from its neighbours once.
  private let rows: Matrix
  /// For each distance from -(longest - 1) on, its row.
  private let index: [Int32]
  /// The place of distance zero.
  let center: Int

  /// - Parameter reach: keys `reach` or more tokens after a query are alike, and those `reach - 1` or more before it.
  init(_ table: Weight, reach: Int, longest: Int, _ pool: ThreadPool) {
    let (first, last) = (max(1 - longest, 1 - reach), min(longest - 1, reach))
    rows = Matrix(rows: last - first + 1, columns: table.columns)
    // The table begins with keys that come after.
    Kernels.embed(rows, ids: (first...last).map { Int32(reach - $0) }, table: table, pool)
    index = (1 - longest...longest - 1).map { Int32(min(max($0, first), last) - first) }
    center = longest - 1
  }

  /// What the rows become in a linear layer, a row for each distance.
  func rows(through linear: EncoderLinear, _ pool: ThreadPool) -> Matrix {
    let projected = Matrix(rows: rows.rows, columns: linear.weight.rows)
    let start = linear.bias.map { Product.Start.bias($0) } ?? .zero
    Products.compute(projected, from: start, [.forward(rows, linear.weight)], pool)
    guard index.count > rows.rows else { return projected }
    let all = Matrix(rows: index.count, columns: projected.columns)
    Kernels.gather(all, projected, index: index, pool)
    return all
  }
}
