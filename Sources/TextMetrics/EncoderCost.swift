// Operations and memory of an encoder, for forecasts.

/// What a pass of an encoder takes.
package struct EncoderCost: Sendable {
  private let shape: EncoderConfiguration
  private let layers: Int

  package init(_ shape: EncoderConfiguration, layers: Int) { (self.shape, self.layers) = (shape, layers) }

  /// Floating-point operations of a text; relative positions are counted once for `shared` texts of that length.
  package func flops(tokens: Int, shared: Int = 1) -> Double {
    let (n, d, f) = (Double(tokens), Double(shape.hidden), Double(shape.feedForward))
    let linears = 2 * n * (4 * d * d + 2 * d * f)
    let parts = shape.relativeReach == nil ? 0 : Double(shape.scoreParts - 1)
    let distances = shape.relativeReach.map { min(2 * n, 2 * Double($0)) } ?? 0
    // A tile of scores takes products with twice as many positions as it has keys.
    let attention = 2 * n * n * d * (2 + 2 * parts)
    return Double(layers) * (linears + attention + parts * 2 * distances * d * d / Double(max(shared, 1)))
  }

  /// Bytes of memory for a pass over `rows` tokens with texts of at most `longest`, without weights and scratch.
  package func activationBytes(rows: Int, longest: Int) -> Int {
    let relative = shape.relativeReach == nil ? 0 : 2 * longest * shape.hidden * (1 + 2 * (shape.scoreParts - 1))
    return 4 * (rows * (6 * shape.hidden + shape.feedForward) + relative)
  }

  /// Parameters of the tables and of the layers in use.
  package var parameters: Int {
    let (d, f) = (shape.hidden, shape.feedForward)
    let parts = shape.relativeReach == nil ? 0 : shape.scoreParts - 1
    let layer = 4 * d * d + 2 * d * f + parts * d * d + 9 * d + f
    let relative = shape.relativeReach.map { 2 * $0 * d } ?? 0
    let positions = shape.hasPositionEmbeddings ? shape.positions * d : 0
    return shape.vocabulary * d + positions + relative + layers * layer
  }
}
