// The feed-forward half of a decoder layer: y = middle + down(silu(gate) ∘ up) of the normed middle.

import Tensors

struct FeedForward {
  let layer: Int
  /// Whether its rows are only those that continue in the last layer.
  let isContinuing: Bool

  /// What it keeps for the backward pass.
  struct Activations<Buffer> {
    /// The residual stream between attention and feed-forward [N, D], and 1 / its root mean square [N, 1].
    let middle, inverse: Buffer
    /// [N, F].
    let gate, up: Buffer
    /// Of the input and of h = silu(gate) ∘ up.
    let adaptersOfInput, adaptersOfHidden: AdapterActivations<Buffer>

    init(rows: Int, _ c: ModelConfiguration, _ layout: AdapterLayout?, _ take: (Int, Int) -> Buffer) {
      middle = take(rows, c.hiddenSize)
      inverse = take(rows, 1)
      gate = take(rows, c.feedForwardSize)
      up = take(rows, c.feedForwardSize)
      adaptersOfInput = AdapterActivations(.feedForward, rows: rows, layout, take)
      adaptersOfHidden = AdapterActivations(.down, rows: rows, layout, take)
    }
  }

  private var input: LinearGroup { LinearGroup(.feedForward, layer: layer, isContinuing: isContinuing) }
  private var down: LinearGroup { LinearGroup(.down, layer: layer, isContinuing: isContinuing) }

  // MARK: Forward

  /// Fills `kept` from its `middle`, and h = silu(gate) ∘ up in `scratch.wide`: all that the backward pass needs.
  func forward(
    rows: Int, _ kept: Activations<Matrix>, _ scratch: LayerScratch<Matrix>, _ context: PassContext
  ) throws {
    let norm = NormLayer.feedForward(layer, context.model)
    let normed = scratch.normed.prefix(rows)
    norm.forward(normed, inverse: kept.inverse.prefix(rows), kept.middle.prefix(rows), context)
    try context.observe(norm.label, layer: layer, normed)
    let (gate, up, h) = (kept.gate.prefix(rows), kept.up.prefix(rows), scratch.wide.prefix(rows))
    try input.forward([(.gate, gate), (.up, up)], normed, kept.adaptersOfInput, context)
    Kernels.swiGLUForward(h, gate: gate, up: up, context.pool)
    try context.observe("swiglu", layer: layer, h)
    try down.reduce([.down], h, kept.adaptersOfHidden, context)
  }

  /// Finishes the forward pass: y = middle + down(h). The backward pass does not need it.
  func finish(
    into y: Matrix, _ kept: Activations<Matrix>, _ scratch: LayerScratch<Matrix>, _ context: PassContext
  ) throws {
    try down.multiply(
      [(.down, y)], scratch.wide.prefix(y.rows), residual: kept.middle.prefix(y.rows), kept.adaptersOfHidden,
      context)
  }

  // MARK: Backward

  /// Turns `dy` [queries, D], the gradient of the result, into that of `middle`.
  func backward(
    _ dy: Matrix, _ kept: Activations<Matrix>, _ scratch: LayerScratch<Matrix>, _ gradient: GradientScratch<Matrix>,
    _ context: PassContext, _ gradients: ParameterGradients
  ) throws {
    let rows = dy.rows
    let (gate, up, middle) = (kept.gate.prefix(rows), kept.up.prefix(rows), kept.middle.prefix(rows))
    // The gradients of gate and up replace their values, and h replaces dh.
    let dh = scratch.wide.prefix(rows)
    try down.backward([(.down, dy)], dx: dh, kept.adaptersOfHidden, gradient, context, gradients)
    Kernels.swiGLUBackward(gate: gate, up: up, dh: dh, context.pool)
    try context.observe("gradient of gate_proj", layer: layer, gate)
    try context.observe("gradient of up_proj", layer: layer, up)
    try down.weightGradients([(.down, dy)], x: dh, gradient, context, gradients)

    let norm = NormLayer.feedForward(layer, context.model)
    let results = [(LinearModule.gate, gate), (.up, up)]
    let dnormed = gradient.normed.prefix(rows)
    try input.backward(results, dx: dnormed, kept.adaptersOfInput, gradient, context, gradients)
    let normed = scratch.normed.prefix(rows)
    norm.forward(normed, inverse: nil, middle, context)
    try input.weightGradients(results, x: normed, gradient, context, gradients)
    let inverse = kept.inverse.prefix(rows)
    try norm.weightGradient(dnormed, middle, inverse: inverse, context, gradients)
    norm.backward(dy, dnormed, middle, inverse: inverse, context)
    try context.observe("gradient of the \(norm.label)", layer: layer, dy)
  }
}
