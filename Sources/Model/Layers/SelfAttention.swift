// The attention half of a decoder layer: middle = x + output(attention(q, k, v)) of the normed input.
//
// In the last layer only the rows that are scored continue past the keys and values, because nothing reads the others.

import Tensors

struct SelfAttention {
  let layer: Int

  /// What it keeps for the backward pass.
  struct Activations<Buffer> {
    /// 1 / root mean square of the input [N, 1].
    let inverse: Buffer
    /// After the rotation: q [N, H E], k and v [N, K E].
    let q: Buffer
    var k, v: Buffer
    let heads: HeadNorms.Activations<Buffer>?
    /// Attention's result [N, H E] and log Σ exp of its scores [N, H].
    let result, logsum: Buffer
    let adaptersOfInput, adaptersOfResult: AdapterActivations<Buffer>

    /// - Parameter holdsKeys: false when keys and values are kept elsewhere.
    init(
      rows: Int, queryRows: Int, holdsKeys: Bool = true, _ c: ModelConfiguration, _ layout: AdapterLayout?,
      _ take: (Int, Int) -> Buffer
    ) {
      q = take(queryRows, c.queryWidth)
      k = take(holdsKeys ? rows : 0, c.keyValueWidth)
      v = take(holdsKeys ? rows : 0, c.keyValueWidth)
      heads = c.family.normsHeads ? .init(rows: rows, queryRows: queryRows, c, take) : nil
      result = take(queryRows, c.queryWidth)
      logsum = take(queryRows, c.headCount)
      inverse = take(rows, 1)
      // The reductions of the input have rows for q, k and v.
      adaptersOfInput = AdapterActivations(.attention, rows: rows, layout, take)
      adaptersOfResult = AdapterActivations(.output, rows: queryRows, layout, take)
    }
  }

  private func input(_ isContinuing: Bool) -> LinearGroup {
    LinearGroup(.attention, layer: layer, isContinuing: isContinuing)
  }

  private func output(_ rows: LayerRows) -> LinearGroup {
    LinearGroup(.output, layer: layer, isContinuing: rows.continuing != nil)
  }

  // MARK: Forward

  /// Fills `kept` and `middle` [queries, D]. Without rows that continue it ends after the keys and values.
  /// - Parameter attend: computes attention's result and its logsum from q.
  func forward(
    _ x: Matrix, into middle: Matrix, _ rows: LayerRows, _ kept: Activations<Matrix>, _ scratch: LayerScratch<Matrix>,
    _ context: PassContext, attend: (_ q: Matrix, _ result: Matrix, _ logsum: Matrix) -> Void
  ) throws {
    let (n, queries, pool) = (rows.count, rows.queryCount, context.pool)
    let normed = scratch.normed.prefix(n)
    let norm = NormLayer.input(layer, context.model)
    norm.forward(normed, inverse: kept.inverse.prefix(n), x, context)
    try context.observe(norm.label, layer: layer, normed)

    let (q, k, v) = (kept.q.prefix(queries), kept.k.prefix(n), kept.v.prefix(n))
    // Where the heads have norms, the products go before them.
    let query = (LinearModule.query, kept.heads?.q.prefix(queries) ?? q)
    let keyValue = [(LinearModule.key, kept.heads?.k.prefix(n) ?? k), (.value, v)]
    if rows.continuing == nil {
      try input(false).forward([query] + keyValue, normed, kept.adaptersOfInput, context)
    } else {
      try input(false).forward(keyValue, normed, kept.adaptersOfInput, context)
      if queries > 0 {
        let queryNormed = rows.queries(of: normed, into: scratch.gathered, pool)
        try input(true).forward([query], queryNormed, kept.adaptersOfInput, context)
      }
    }
    if let heads = kept.heads { try HeadNorms(layer: layer).forward(q: q, k: k, heads, context) }
    Kernels.rope(k, positions: rows.positions, table: context.ropeTable, .forward, pool)
    guard queries > 0 else { return }
    Kernels.rope(q, positions: rows.queryPositions, table: context.ropeTable, .forward, pool)
    let result = kept.result.prefix(queries)
    attend(q, result, kept.logsum.prefix(queries))
    try context.observe("attention", layer: layer, result)
    try output(rows).forward(
      [(.output, middle)], result, residual: rows.queries(of: x, into: scratch.gatheredResidual, pool),
      kept.adaptersOfResult, context)
  }

  // MARK: Backward

  /// The gradient of x, from `dy` [queries, D], that of `middle`. It replaces `dy` or is in the scratch.
  /// - Parameter trees: of the rows that continue.
  /// - Returns: nil if the gradient of x is not needed.
  func backward(
    _ dy: Matrix, x: Matrix, _ rows: LayerRows, trees: [Attention.Tree], _ kept: Activations<Matrix>,
    _ scratch: LayerScratch<Matrix>, _ gradient: GradientScratch<Matrix>, _ context: PassContext,
    _ gradients: ParameterGradients
  ) throws -> Matrix? {
    let (n, queries, pool) = (rows.count, rows.queryCount, context.pool)
    let result = kept.result.prefix(queries)
    let dresult = gradient.attention.prefix(queries)
    try output(rows).backward(
      [(.output, dy)], dx: dresult, kept.adaptersOfResult, gradient, context, gradients)
    try output(rows).weightGradients([(.output, dy)], x: result, gradient, context, gradients)

    var (dq, dk) = (gradient.q.prefix(queries), gradient.k.prefix(n))
    let dv = gradient.v.prefix(n)
    Attention.backward(
      dq: dq, dk: dk, dv: dv, dout: dresult, out: result, logsum: kept.logsum.prefix(queries),
      q: kept.q.prefix(queries), k: kept.k.prefix(n), v: kept.v.prefix(n), trees: trees,
      headWidth: context.configuration.headWidth, partial: gradient.attentionParts, pool)
    Kernels.rope(dq, positions: rows.queryPositions, table: context.ropeTable, .backward, pool)
    Kernels.rope(dk, positions: rows.positions, table: context.ropeTable, .backward, pool)
    if let heads = kept.heads, let rawQ = gradient.rawQ, let rawK = gradient.rawK {
      let raw = (q: rawQ.prefix(queries), k: rawK.prefix(n))
      try HeadNorms(layer: layer).backward((dq, dk), dx: raw, heads, context, gradients)
      (dq, dk) = raw
    }
    try context.observe("gradient of q_proj", layer: layer, dq)
    try context.observe("gradient of k_proj", layer: layer, dk)
    try context.observe("gradient of v_proj", layer: layer, dv)

    let norm = NormLayer.input(layer, context.model)
    let normed = scratch.normed.prefix(n)
    norm.forward(normed, inverse: nil, x, context)
    let needsInput = gradients.layout.needsInputGradient(layer)
    let dnormed = needsInput || gradients.layout.range(of: norm.name) != nil ? gradient.normed.prefix(n) : nil
    let keyValue = [(LinearModule.key, dk), (.value, dv)]
    if let continuing = rows.continuing {
      try input(false).backward(
        keyValue, dx: dnormed, kept.adaptersOfInput, gradient, context, gradients)
      try input(false).weightGradients(keyValue, x: normed, gradient, context, gradients)
      let dquery = dnormed.map { _ in gradient.gathered.prefix(queries) }
      try input(true).backward(
        [(.query, dq)], dx: dquery, kept.adaptersOfInput, gradient, context, gradients)
      try input(true).weightGradients(
        [(.query, dq)], x: rows.queries(of: normed, into: scratch.gathered, pool), gradient, context, gradients)
      if let dnormed, let dquery { Kernels.scatterAdd(dnormed, dquery, index: continuing, pool) }
    } else {
      let all = [(LinearModule.query, dq)] + keyValue
      try input(false).backward(all, dx: dnormed, kept.adaptersOfInput, gradient, context, gradients)
      try input(false).weightGradients(all, x: normed, gradient, context, gradients)
    }
    guard let dnormed else { return nil }
    let inverse = kept.inverse.prefix(n)
    try norm.weightGradient(dnormed, x, inverse: inverse, context, gradients)
    guard needsInput else { return nil }
    let stream: Matrix
    if let continuing = rows.continuing {
      stream = gradient.stream.prefix(n)
      Kernels.clear(stream, pool)
      Kernels.scatterAdd(stream, dy, index: continuing, pool)
    } else {
      stream = dy
    }
    norm.backward(stream, dnormed, x, inverse: inverse, context)
    try context.observe("gradient of the \(norm.label)", layer: layer, stream)
    return stream
  }
}
