// RMSNorm as a layer: y = x · inverse ∘ weight, with inverse = 1 / √(mean(x²) + ε).

import Tensors

/// One of a model's norms over the hidden width, or over the width of a head.
struct NormLayer {
  let weight: Matrix
  /// The name of its weight.
  let name: WeightName
  /// For observers.
  let label: String
  let layer: Int?

  /// The norm before attention.
  static func input(_ layer: Int, _ model: LanguageModel) -> NormLayer {
    NormLayer(
      weight: model.layers[layer].inputNorm, name: .inputNorm(layer: layer), label: "input norm", layer: layer)
  }

  /// The norm before the feed-forward part.
  static func feedForward(_ layer: Int, _ model: LanguageModel) -> NormLayer {
    NormLayer(
      weight: model.layers[layer].postAttentionNorm, name: .feedForwardNorm(layer: layer),
      label: "post-attention norm", layer: layer)
  }

  /// The norm after the last layer.
  static func final(_ model: LanguageModel) -> NormLayer {
    NormLayer(weight: model.finalNorm, name: .finalNorm, label: "final norm", layer: nil)
  }

  /// - Parameter inverse: [N, 1]; nil if it is not needed or already known.
  func forward(_ y: Matrix, inverse: Matrix?, _ x: Matrix, _ context: PassContext) {
    Kernels.rmsNormForward(
      y, inverse: inverse, x, weight: weight, epsilon: context.configuration.normEpsilon, context.pool)
  }

  /// The gradient of the weight, if it is trained: Σ dy ∘ x · inverse.
  func weightGradient(
    _ dy: Matrix, _ x: Matrix, inverse: Matrix, _ context: PassContext, _ gradients: ParameterGradients
  ) throws {
    try gradients.add(name) { gradient in
      Kernels.rmsNormWeightGradient(gradient, dy, x, inverse: inverse, context.pool)
      try context.observe("gradient of the weight of the \(label)", layer: layer, gradient)
    }
  }

  /// dx += the gradient of x.
  func backward(_ dx: Matrix, _ dy: Matrix, _ x: Matrix, inverse: Matrix, _ context: PassContext) {
    Kernels.rmsNormBackward(dx, dy, x, inverse: inverse, weight: weight, context.pool)
  }
}

/// The norms over each head of q and k, before the rotation. They are [N · heads, E] for the kernels.
struct HeadNorms {
  let layer: Int

  /// What they keep for the backward pass.
  struct Activations<Buffer> {
    /// q [N, H E] and k [N, K E] before the norms.
    let q, k: Buffer
    /// [N H, 1] and [N K, 1].
    let queryInverse, keyInverse: Buffer

    init(rows: Int, queryRows: Int, _ c: ModelConfiguration, _ take: (Int, Int) -> Buffer) {
      q = take(queryRows, c.queryWidth)
      k = take(rows, c.keyValueWidth)
      queryInverse = take(queryRows * c.headCount, 1)
      keyInverse = take(rows * c.keyValueHeadCount, 1)
    }
  }

  private func norms(_ model: LanguageModel) -> (query: NormLayer, key: NormLayer)? {
    guard let query = model.layers[layer].queryNorm, let key = model.layers[layer].keyNorm else { return nil }
    return (
      NormLayer(weight: query, name: .queryNorm(layer: layer), label: "q norm", layer: layer),
      NormLayer(weight: key, name: .keyNorm(layer: layer), label: "k norm", layer: layer)
    )
  }

  private func heads(_ x: Matrix, _ c: ModelConfiguration) -> Matrix {
    x.reshaped(rows: x.rows * x.columns / c.headWidth, columns: c.headWidth)
  }

  /// Norms `kept.q` and `kept.k` into `q` and `k`. Either may have fewer rows than `kept` has.
  func forward(q: Matrix, k: Matrix, _ kept: Activations<Matrix>, _ context: PassContext) throws {
    guard let norms = norms(context.model) else { return }
    for (norm, y, x, inverse) in [(norms.query, q, kept.q, kept.queryInverse), (norms.key, k, kept.k, kept.keyInverse)]
    {
      let rows = heads(x.prefix(y.rows), context.configuration)
      norm.forward(heads(y, context.configuration), inverse: inverse.prefix(rows.rows), rows, context)
      try context.observe(norm.label, layer: layer, y)
    }
  }

  /// Overwrites `dx` with the gradients of q and k before the norms, from those after them.
  func backward(
    _ dy: (q: Matrix, k: Matrix), dx: (q: Matrix, k: Matrix), _ kept: Activations<Matrix>, _ context: PassContext,
    _ gradients: ParameterGradients
  ) throws {
    guard let norms = norms(context.model) else { return }
    let c = context.configuration
    for (norm, dy, dx, x, inverse) in [
      (norms.query, dy.q, dx.q, kept.q, kept.queryInverse), (norms.key, dy.k, dx.k, kept.k, kept.keyInverse),
    ] {
      let (gradient, rows) = (heads(dy, c), heads(x.prefix(dy.rows), c))
      let inverse = inverse.prefix(rows.rows)
      try norm.weightGradient(gradient, rows, inverse: inverse, context, gradients)
      Kernels.clear(dx, context.pool)
      norm.backward(heads(dx, c), gradient, rows, inverse: inverse, context)
    }
  }
}
