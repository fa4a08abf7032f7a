// A decoder layer: forward and backward pass side by side.
//
// In the last layer only scored rows continue past the keys and values, because nothing reads the other rows' results.

import Tensors

extension Pass {
  private var configuration: ModelConfiguration { model.configuration }

  /// Whether the layer's queries are only the scored rows.
  private func isScoredOnly(_ layer: Int) -> Bool { layer == configuration.layerCount - 1 }

  private func queryRows(_ layer: Int) -> Int { isScoredOnly(layer) ? batch.scoredRows.count : batch.rows }

  private func queryPositions(_ layer: Int) -> [Int32] {
    isScoredOnly(layer) ? batch.scoredRows.map { batch.positions[Int($0)] } : batch.positions
  }

  /// The rows of x that continue past the keys and values.
  private func queryRows(of x: Matrix, _ layer: Int, into buffer: Matrix) -> Matrix {
    guard isScoredOnly(layer) else { return x }
    let gathered = buffer.prefix(batch.scoredRows.count)
    Kernels.gather(gathered, x, index: batch.scoredRows, pool)
    return gathered
  }

  /// Runs a layer up to silu(gate) ∘ up and fills its activations.
  func forwardLayer(_ layer: Int) throws {
    let weights = model.layers[layer]
    let kept = workspace.activations(layer: layer)
    let n = batch.rows
    let queries = queryRows(layer)
    let scored = isScoredOnly(layer)
    let x = workspace.hidden(layer: layer).prefix(n)

    // Attention's inputs.
    let normed = workspace.normed.prefix(n)
    Kernels.rmsNormForward(
      normed, inverse: kept.inverse1.prefix(n), x, weight: weights.inputNorm, epsilon: configuration.normEpsilon, pool)
    try observe("input norm", layer: layer, normed)
    let queryNormed = queryRows(of: normed, layer, into: workspace.gathered)
    if scored {
      try loraReduce(.attention, [.query], queryNormed, layer: layer, scored: true)
      try loraReduce(.attention, [.key, .value], normed, layer: layer, scored: false)
    } else {
      try loraReduce(.attention, [.query, .key, .value], normed, layer: layer, scored: false)
    }
    let (q, k, v) = (kept.q.prefix(queries), kept.k.prefix(n), kept.v.prefix(n))
    for (module, y, input) in [(LinearModule.query, q, queryNormed), (.key, k, normed), (.value, v, normed)] {
      Products.compute(
        y, from: weights.biases[module].map(Products.Start.bias) ?? .zero,
        linearTerms(module, .attention, input, layer: layer), pool)
      try observe(module.rawValue, layer: layer, y)
    }

    // Attention.
    Kernels.rope(q, positions: queryPositions(layer), table: ropeTable, .forward, pool)
    Kernels.rope(k, positions: batch.positions, table: ropeTable, .forward, pool)
    let attention = kept.attention.prefix(queries)
    let trees = scored ? batch.scoredTrees : batch.trees
    Attention.forward(
      attention, logsum: kept.logsum.prefix(queries), q: q, k: k, v: v, segments: trees.flatMap(\.segments),
      headWidth: configuration.headWidth, pool)
    try observe("attention", layer: layer, attention)
    try loraReduce(.output, [.output], attention, layer: layer, scored: scored)
    let middle = kept.middle.prefix(queries)
    Products.compute(
      middle, from: .matrix(queryRows(of: x, layer, into: workspace.gatheredResidual)),
      linearTerms(.output, .output, attention, layer: layer), pool)
    try observe(LinearModule.output.rawValue, layer: layer, middle)

    // Feed-forward.
    let middleNormed = workspace.normed.prefix(queries)
    Kernels.rmsNormForward(
      middleNormed, inverse: kept.inverse2.prefix(queries), middle, weight: weights.postAttentionNorm,
      epsilon: configuration.normEpsilon, pool)
    try observe("post-attention norm", layer: layer, middleNormed)
    try loraReduce(.feedForward, [.gate, .up], middleNormed, layer: layer, scored: scored)
    for (module, y) in [(LinearModule.gate, kept.gate.prefix(queries)), (.up, kept.up.prefix(queries))] {
      Products.compute(y, linearTerms(module, .feedForward, middleNormed, layer: layer), pool)
      try observe(module.rawValue, layer: layer, y)
    }
    let h = workspace.wide.prefix(queries)
    Kernels.swiGLUForward(h, gate: kept.gate.prefix(queries), up: kept.up.prefix(queries), pool)
    try observe("swiglu", layer: layer, h)
    try loraReduce(.down, [.down], h, layer: layer, scored: scored)
  }

  /// Finishes a layer's forward pass: output = middle + down(silu(gate) ∘ up). The backward pass does not need it.
  func forwardDown(_ layer: Int, into output: Matrix) throws {
    let kept = workspace.activations(layer: layer)
    let queries = queryRows(layer)
    let h = workspace.wide.prefix(queries)
    Products.compute(
      output, from: .matrix(kept.middle.prefix(queries)), linearTerms(.down, .down, h, layer: layer), pool)
    try observe(LinearModule.down.rawValue, layer: layer, output)
  }

  /// Runs a layer's backward pass. It overwrites `dy` [queries, D], the gradient of the layer's output.
  ///
  /// - Returns: the gradient of the layer's input [N, D], or nil for the first layer, whose input needs no gradient.
  func backwardLayer(_ layer: Int, _ dy: Matrix, _ scratch: Workspace<Matrix>.Gradient, into gradient: Storage) throws
    -> Matrix?
  {
    let weights = model.layers[layer]
    let kept = workspace.activations(layer: layer)
    let n = batch.rows
    let queries = queryRows(layer)
    let scored = isScoredOnly(layer)
    let x = workspace.hidden(layer: layer).prefix(n)
    let isFirst = layer == 0

    // Feed-forward. The gradients of gate and up replace their values, and h replaces dh.
    let (gate, up, middle) = (kept.gate.prefix(queries), kept.up.prefix(queries), kept.middle.prefix(queries))
    let dh = workspace.wide.prefix(queries)
    try linearBackward(.down, [.down], [dy], dx: dh, layer: layer, scored: scored, into: gradient)
    Kernels.swiGLUBackward(gate: gate, up: up, dh: dh, pool)
    try observe("gradient of gate_proj", layer: layer, gate)
    try observe("gradient of up_proj", layer: layer, up)
    try loraAGradient(.down, [.down], x: dh, layer: layer, scored: scored, into: gradient)
    let dnormed = scratch.normed.prefix(queries)
    try linearBackward(
      .feedForward, [.gate, .up], [gate, up], dx: dnormed, layer: layer, scored: scored, into: gradient)
    let middleNormed = workspace.normed.prefix(queries)
    Kernels.rmsNormForward(
      middleNormed, inverse: nil, middle, weight: weights.postAttentionNorm, epsilon: configuration.normEpsilon, pool
    )
    try loraAGradient(.feedForward, [.gate, .up], x: middleNormed, layer: layer, scored: scored, into: gradient)
    Kernels.rmsNormBackward(
      dy, dnormed, middle, inverse: kept.inverse2.prefix(queries), weight: weights.postAttentionNorm, pool)
    try observe("gradient of the post-attention norm", layer: layer, dy)

    // Attention.
    let attention = kept.attention.prefix(queries)
    let dattention = scratch.attention.prefix(queries)
    try linearBackward(.output, [.output], [dy], dx: dattention, layer: layer, scored: scored, into: gradient)
    try loraAGradient(.output, [.output], x: attention, layer: layer, scored: scored, into: gradient)
    let (dq, dk, dv) = (scratch.q.prefix(queries), scratch.k.prefix(n), scratch.v.prefix(n))
    Attention.backward(
      dq: dq, dk: dk, dv: dv, dout: dattention, out: attention, logsum: kept.logsum.prefix(queries),
      q: kept.q.prefix(queries), k: kept.k.prefix(n), v: kept.v.prefix(n),
      trees: scored ? batch.scoredTrees : batch.trees, headWidth: configuration.headWidth,
      partial: scratch.attentionParts, pool)
    Kernels.rope(dq, positions: queryPositions(layer), table: ropeTable, .backward, pool)
    Kernels.rope(dk, positions: batch.positions, table: ropeTable, .backward, pool)
    try observe("gradient of q_proj", layer: layer, dq)
    try observe("gradient of k_proj", layer: layer, dk)
    try observe("gradient of v_proj", layer: layer, dv)
    let normed = workspace.normed.prefix(n)
    Kernels.rmsNormForward(
      normed, inverse: nil, x, weight: weights.inputNorm, epsilon: configuration.normEpsilon, pool)
    let dinput = scratch.normed.prefix(n)
    guard scored else {
      let modules: [LinearModule] = [.query, .key, .value]
      try linearBackward(
        .attention, modules, [dq, dk, dv], dx: isFirst ? nil : dinput, layer: layer, scored: false, into: gradient)
      try loraAGradient(.attention, modules, x: normed, layer: layer, scored: false, into: gradient)
      guard !isFirst else { return nil }
      Kernels.rmsNormBackward(dy, dinput, x, inverse: kept.inverse1.prefix(n), weight: weights.inputNorm, pool)
      try observe("gradient of the input norm", layer: layer, dy)
      return dy
    }
    try linearBackward(
      .attention, [.key, .value], [dk, dv], dx: isFirst ? nil : dinput, layer: layer, scored: false, into: gradient)
    try loraAGradient(.attention, [.key, .value], x: normed, layer: layer, scored: false, into: gradient)
    let dquery = scratch.gathered.prefix(queries)
    try linearBackward(
      .attention, [.query], [dq], dx: isFirst ? nil : dquery, layer: layer, scored: true, into: gradient)
    try loraAGradient(
      .attention, [.query], x: queryRows(of: normed, layer, into: workspace.gathered), layer: layer, scored: true,
      into: gradient)
    guard !isFirst else { return nil }
    Kernels.scatterAdd(dinput, dquery, index: batch.scoredRows, pool)
    let stream = scratch.stream.prefix(n)
    Kernels.clear(stream, pool)
    Kernels.scatterAdd(stream, dy, index: batch.scoredRows, pool)
    Kernels.rmsNormBackward(stream, dinput, x, inverse: kept.inverse1.prefix(n), weight: weights.inputNorm, pool)
    try observe("gradient of the input norm", layer: layer, stream)
    return stream
  }
}
