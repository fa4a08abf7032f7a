// The linear layers that read one input: y = W x + bias + s · B A drop(x), with their gradients. Relative adapters take
// their start away again: − s · B₀ A₀ x. Decomposed ones (DoRA) scale each column: with g = m / ‖W + s B A‖ by row,
// y = W x + bias + (g − 1) W drop(x) + g s · B A drop(x), which is bias + g (W + s · B A) x without dropout.
//
// The backward pass needs LoRA's reduction s · drop(x) Aᵀ, and x itself for the gradients of A and W. Those come in a
// second call, because x is recomputed between the two.

import Tensors

/// What the adapters of one input keep for the backward pass.
struct AdapterActivations<Buffer> {
  /// Scaled reductions s · x Aᵀ [N, n R].
  let reduced: Buffer
  /// Of decomposed adapters: (W + s B A) drop(x) [N, out].
  let unscaled: [LinearModule: Buffer]

  init(_ group: InputGroup, rows: Int, _ layout: AdapterLayout?, _ take: (Int, Int) -> Buffer) {
    reduced = take(rows, layout?.reducedWidth(of: group) ?? 0)
    var unscaled: [LinearModule: Buffer] = [:]
    if let layout, layout.form == .decomposed {
      for module in group.modules where layout.modules.contains(module) {
        unscaled[module] = take(rows, module.outputWidth(layout.configuration))
      }
    }
    self.unscaled = unscaled
  }
}

/// Linear layers of one input in one decoder layer.
struct LinearGroup {
  let group: InputGroup
  let layer: Int
  /// Whether the input has only the rows that continue in the last layer.
  let isContinuing: Bool

  init(_ group: InputGroup, layer: Int, isContinuing: Bool) {
    (self.group, self.layer, self.isContinuing) = (group, layer, isContinuing)
  }

  // MARK: Forward

  /// Every y = W x + bias + start, with LoRA.
  /// - Parameters:
  ///   - results: linear layers that are adjacent in their group.
  ///   - residual: added to every result; may be the result itself.
  ///   - kept: gets what belongs to these layers.
  func forward(
    _ results: [(module: LinearModule, y: Matrix)], _ x: Matrix, residual: Matrix? = nil,
    _ kept: AdapterActivations<Matrix>, _ context: PassContext
  ) throws {
    try reduce(results.map(\.module), x, kept, context)
    try multiply(results, x, residual: residual, kept, context)
  }

  /// Fills `kept` for the adapted layers of `modules`: reduced = s · drop(x) Aᵀ and what decomposed layers scale.
  func reduce(
    _ modules: [LinearModule], _ x: Matrix, _ kept: AdapterActivations<Matrix>, _ context: PassContext
  ) throws {
    let present = adapted(modules, context)
    guard !present.isEmpty, let adapter = context.policy.adapter,
      let a = adapter.layout.stackedA(present, layer: layer, in: adapter.weights)
    else { return }
    let reduced = kept.reduced
    let own = reduced.prefix(x.rows).columns(columns(present, context))
    let input = loraInput(x, context)
    context.compute(
      [(own, .zero, [.timesTransposed(input, a)])], isContinuing: isContinuing, phase: .lora)
    adapter.layout.scale(own, present, layer: layer, context.pool)
    try context.observe("lora_A of \(present.map(\.rawValue).joined(separator: ", "))", layer: layer, own)
    if adapter.layout.form == .decomposed {
      context.compute(
        present.compactMap { module in
          guard let b = adapter.layout.b(module, layer: layer, in: adapter.weights), let v = kept.unscaled[module]
          else {
            return nil
          }
          let part = reduced.prefix(x.rows).columns(columns([module], context))
          let weight = context.model.layers[layer].weight(module)
          return (v.prefix(x.rows), .zero, [.forward(input, weight), .timesTransposed(part, b)])
        }, isContinuing: isContinuing)
    }
    guard let companion = adapter.companion,
      let a = adapter.layout.stackedA(present, layer: layer, in: companion)
    else { return }
    // The base loses its start in all of x: dropout is for what is trained.
    let start = reduced.prefix(x.rows).columns(companionColumns(present, adapter))
    context.compute(
      [(start, .zero, [.timesTransposed(x, a)])], isContinuing: isContinuing, phase: .lora)
    adapter.layout.scale(start, present, layer: layer, context.pool)
  }

  /// The products alone, after `reduce`.
  func multiply(
    _ results: [(module: LinearModule, y: Matrix)], _ x: Matrix, residual: Matrix? = nil,
    _ kept: AdapterActivations<Matrix>, _ context: PassContext
  ) throws {
    let weights = context.model.layers[layer]
    let reduced = kept.reduced
    context.compute(
      results.filter { context.dropout != nil || decomposition($0.module, kept, context) == nil }.map { module, y in
        var terms: [Term] = [.forward(x, weights.weight(module))]
        if let adapter = context.policy.adapter, let b = adapter.layout.b(module, layer: layer, in: adapter.weights) {
          terms.append(.timesTransposed(reduced.prefix(x.rows).columns(columns([module], context)), b))
          if let companion = adapter.companion, let b = adapter.layout.b(module, layer: layer, in: companion) {
            terms.append(.timesTransposed(reduced.prefix(x.rows).columns(companionColumns([module], adapter)), b))
          }
        }
        let start = residual.map(Product.Start.matrix) ?? weights.biases[module].map(Product.Start.bias) ?? .zero
        return (y, start, terms)
      }, isContinuing: isContinuing)
    for (module, y) in results {
      if let d = decomposition(module, kept, context) {
        let isSum = context.dropout != nil
        Kernels.scale(
          y, start: isSum ? y : residual ?? weights.biases[module], d.unscaled.prefix(y.rows), magnitude: d.magnitude,
          norm: d.norm, shift: isSum ? 1 : 0, context.pool)
      }
      if residual != nil, let bias = weights.biases[module] { Kernels.add(row: bias, to: y, context.pool) }
      try context.observe(module.rawValue, layer: layer, y)
    }
  }

  // MARK: Backward

  /// Gradients of the input, of LoRA's B and of magnitudes, from the gradients `dy` of the results: dx = Σ dy W +
  /// drop(dreduced · A), with dreduced = s · dy B kept for `weightGradients`. Where magnitudes scale, dy is g dy.
  /// - Parameter dx: nil when the input needs no gradient.
  func backward(
    _ results: [(module: LinearModule, dy: Matrix)], dx: Matrix?, _ kept: AdapterActivations<Matrix>,
    _ scratch: GradientScratch<Matrix>, _ context: PassContext, _ gradients: ParameterGradients
  ) throws {
    guard let rows = results.first?.dy.rows else { return }
    let modules = results.map(\.module)
    let pool = context.pool
    let present = adapted(modules, context)
    let reduced = kept.reduced
    let dreduced = scratch.reduced.prefix(rows).columns(columns(present, context))
    try magnitudeGradients(results, kept, context, gradients)
    let scaled = scale(results, shift: 0, kept, scratch, context)
    for (module, dy) in scaled {
      guard let adapter = context.policy.adapter, let b = adapter.layout.b(module, layer: layer, in: adapter.weights),
        let offset = adapter.layout.offset(ofB: module, layer: layer)
      else { continue }
      let own = columns([module], context)
      try gradients.add(at: offset, rows: b.rows, columns: b.columns) { gradient in
        Products.compute(
          gradient, [.transposedTimes(dy, reduced.prefix(rows).columns(own))], phase: .lora, pool)
        try context.observe("gradient of lora_B of \(module.rawValue)", layer: layer, gradient)
      }
      Products.compute(scratch.reduced.prefix(rows).columns(own), [.times(dy, b)], phase: .lora, pool)
    }
    context.policy.adapter?.layout.scale(dreduced, present, layer: layer, pool)
    guard let dx else { return }
    func products(_ results: [(module: LinearModule, dy: Matrix)]) -> [Term] {
      results.map { .backward($0.dy, context.model.layers[layer].weight($0.module)) }
    }
    var terms = products(context.dropout == nil ? scaled : results)
    if let start = companionTerm(results, scratch, context) { terms.append(start) }
    if !present.isEmpty, let adapter = context.policy.adapter,
      let a = adapter.layout.stackedA(present, layer: layer, in: adapter.weights)
    {
      if let dropout = context.dropout, let buffer = scratch.dropped {
        Products.compute(dx, terms, int8Rows: context.int8Rows, pool)
        let dropped = buffer.prefix(rows).columns(0..<dx.columns)
        let decomposed = results.filter { decomposition($0.module, kept, context) != nil }
        let beside = products(scale(decomposed, shift: 1, kept, scratch, context))
        Products.compute(
          dropped, beside + [.times(dreduced, a)], int8Rows: context.int8Rows,
          phase: beside.isEmpty ? .lora : .linears, pool)
        Kernels.dropout(
          dx, dropped, dropout.of(group, layer: layer, isContinuing: isContinuing), adding: true, pool)
        terms = []
      } else {
        terms.append(.times(dreduced, a))
      }
    }
    if !terms.isEmpty { Products.compute(dx, terms, int8Rows: context.int8Rows, pool) }
    try context.observe(
      "gradient of the input of \(modules.map(\.rawValue).joined(separator: ", "))", layer: layer, dx)
  }

  /// Gradients of W = dyᵀ x, of the bias = Σ dy, and of LoRA's stacked A = dreducedᵀ drop(x), where they are trained.
  /// Call it after `backward` of the same layers.
  func weightGradients(
    _ results: [(module: LinearModule, dy: Matrix)], x: Matrix, _ scratch: GradientScratch<Matrix>,
    _ context: PassContext, _ gradients: ParameterGradients
  ) throws {
    let pool = context.pool
    let present = adapted(results.map(\.module), context)
    if let first = present.first, let layout = context.policy.adapter?.layout,
      let offset = layout.offset(ofA: first, layer: layer)
    {
      let dreduced = scratch.reduced.prefix(x.rows).columns(columns(present, context))
      let input = loraInput(x, context)
      try gradients.add(at: offset, rows: dreduced.columns, columns: x.columns) { gradient in
        Products.compute(gradient, [.transposedTimes(dreduced, input)], phase: .lora, pool)
        try context.observe(
          "gradient of lora_A of \(present.map(\.rawValue).joined(separator: ", "))", layer: layer, gradient)
      }
    }
    for (module, dy) in results {
      try gradients.add(.linear(module, layer: layer)) { gradient in
        Products.compute(gradient, [.transposedTimes(dy, x)], pool)
        try context.observe("gradient of the weight of \(module.rawValue)", layer: layer, gradient)
      }
      gradients.add(.bias(module, layer: layer)) { Kernels.columnSums($0, dy, pool) }
    }
  }

  // MARK: Magnitudes

  private func decomposition(
    _ module: LinearModule, _ kept: AdapterActivations<Matrix>, _ context: PassContext
  ) -> (unscaled: Matrix, magnitude: Matrix, norm: Matrix)? {
    guard let unscaled = kept.unscaled[module], let adapter = context.policy.adapter,
      let magnitude = adapter.layout.magnitude(module, layer: layer, in: adapter.weights),
      let norm = adapter.rowNorms?.of(module, layer: layer)
    else { return nil }
    return (unscaled, magnitude, norm)
  }

  /// Σ dy ∘ (W + s B A) drop(x) / norm of decomposed layers.
  private func magnitudeGradients(
    _ results: [(module: LinearModule, dy: Matrix)], _ kept: AdapterActivations<Matrix>, _ context: PassContext,
    _ gradients: ParameterGradients
  ) throws {
    for (module, dy) in results {
      guard let d = decomposition(module, kept, context),
        let offset = context.policy.adapter?.layout.offset(ofMagnitude: module, layer: layer)
      else { continue }
      try gradients.add(at: offset, rows: 1, columns: dy.columns) { gradient in
        Kernels.magnitudeGradient(gradient, dy, d.unscaled.prefix(dy.rows), norm: d.norm, context.pool)
        try context.observe("gradient of lora_magnitude_vector of \(module.rawValue)", layer: layer, gradient)
      }
    }
  }

  /// (g − shift) ∘ dy of decomposed layers, in the scratch; the others' dy.
  private func scale(
    _ results: [(module: LinearModule, dy: Matrix)], shift: Float, _ kept: AdapterActivations<Matrix>,
    _ scratch: GradientScratch<Matrix>, _ context: PassContext
  ) -> [(module: LinearModule, dy: Matrix)] {
    var start = 0
    return results.map { module, dy in
      guard let d = decomposition(module, kept, context) else { return (module, dy) }
      let scaled = scratch.scaled.prefix(dy.rows).columns(start..<start + dy.columns)
      start += dy.columns
      Kernels.scale(scaled, dy, magnitude: d.magnitude, norm: d.norm, shift: shift, context.pool)
      return (module, scaled)
    }
  }

  // MARK: LoRA

  /// The companions' part of the gradient of x: − s · dy B₀ A₀.
  private func companionTerm(
    _ results: [(module: LinearModule, dy: Matrix)], _ scratch: GradientScratch<Matrix>, _ context: PassContext
  ) -> Term? {
    let present = adapted(results.map(\.module), context)
    guard let adapter = context.policy.adapter, let companion = adapter.companion, let rows = results.first?.dy.rows,
      let a = adapter.layout.stackedA(present, layer: layer, in: companion)
    else { return nil }
    for (module, dy) in results {
      guard let b = adapter.layout.b(module, layer: layer, in: companion) else { continue }
      let own = scratch.reduced.prefix(rows).columns(companionColumns([module], adapter))
      Products.compute(own, [.times(dy, b)], phase: .lora, context.pool)
    }
    let start = scratch.reduced.prefix(rows).columns(companionColumns(present, adapter))
    adapter.layout.scale(start, present, layer: layer, context.pool)
    return .times(start, a)
  }

  private func companionColumns(_ modules: [LinearModule], _ adapter: Adapter) -> Range<Int> {
    adapter.layout.companionColumns(of: modules, in: group, layer: layer)
  }

  private func adapted(_ modules: [LinearModule], _ context: PassContext) -> [LinearModule] {
    guard let layout = context.policy.adapter?.layout else { return [] }
    return modules.filter { layout.shape($0, layer: layer) != nil }
  }

  private func columns(_ modules: [LinearModule], _ context: PassContext) -> Range<Int> {
    context.policy.adapter?.layout.columns(of: modules, in: group, layer: layer) ?? 0..<0
  }

  /// The input of LoRA: x itself, or x after dropout.
  private func loraInput(_ x: Matrix, _ context: PassContext) -> Matrix {
    guard let dropout = context.dropout, let buffer = context.droppedInput else { return x }
    let dropped = buffer.prefix(x.rows).columns(0..<x.columns)
    Kernels.dropout(
      dropped, x, dropout.of(group, layer: layer, isContinuing: isContinuing), adding: false, context.pool)
    return dropped
  }
}
