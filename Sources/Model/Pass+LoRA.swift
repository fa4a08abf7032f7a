// LoRA beside a frozen linear layer: y += s · drop(x) Aᵀ Bᵀ. The backward pass needs the reduction s · drop(x) Aᵀ.

import Tensors

extension Pass {
  /// The dropout rows for one input of one layer. `scored`: the input has only the scored rows.
  private func dropoutRows(_ group: InputGroup, layer: Int, scored: Bool) -> Kernels.DropoutRows? {
    guard var rows = dropoutRows else { return nil }
    // One key per input. In Philox, neighbouring keys give independent numbers.
    rows.key &+= UInt64(layer * InputGroup.allCases.count + group.rawValue + 1) << 32
    if scored {
      rows.counters = batch.scoredRows.flatMap { [rows.counters[2 * Int($0)], rows.counters[2 * Int($0) + 1]] }
    }
    return rows
  }

  /// The input of LoRA: x itself, or x after dropout.
  private func loraInput(_ x: Matrix, _ group: InputGroup, layer: Int, scored: Bool) -> Matrix {
    guard let rows = dropoutRows(group, layer: layer, scored: scored), let buffer = workspace.dropped else { return x }
    let dropped = buffer.prefix(x.rows).columns(0..<x.columns)
    Kernels.dropout(dropped, x, rows, adding: false, pool)
    return dropped
  }

  private func columns(_ modules: [LinearModule], _ group: InputGroup, layer: Int) -> Range<Int> {
    adapter?.layout.columns(of: modules, in: group, layer: layer) ?? 0..<0
  }

  private func adaptedModules(_ modules: [LinearModule], layer: Int) -> [LinearModule] {
    modules.filter { adapter?.layout.shape($0, layer: layer) != nil }
  }

  /// reduced = s · drop(x) Aᵀ for the adapted layers of `modules`. They are adjacent in their group.
  func loraReduce(_ group: InputGroup, _ modules: [LinearModule], _ x: Matrix, layer: Int, scored: Bool) throws {
    let modules = adaptedModules(modules, layer: layer)
    guard !modules.isEmpty, let adapter, let a = adapter.layout.stackedA(modules, layer: layer, in: adapter.weights)
    else { return }
    let reduced = workspace.activations(layer: layer).reduced[group.rawValue].prefix(x.rows).columns(
      columns(modules, group, layer: layer))
    Products.compute(
      reduced, [.timesTransposed(loraInput(x, group, layer: layer, scored: scored), a)], phase: .lora, pool)
    adapter.layout.scale(reduced, modules, layer: layer, pool)
    try observe("lora_A of \(modules.map(\.rawValue).joined(separator: ", "))", layer: layer, reduced)
  }

  /// The terms of y = W x + B · reduced.
  func linearTerms(_ module: LinearModule, _ group: InputGroup, _ x: Matrix, layer: Int) -> [Term] {
    var terms: [Term] = [.forward(x, model.layers[layer].weight(module))]
    if let adapter, let b = adapter.layout.b(module, layer: layer, in: adapter.weights) {
      let reduced = workspace.activations(layer: layer).reduced[group.rawValue].prefix(x.rows)
      terms.append(.timesTransposed(reduced.columns(columns([module], group, layer: layer)), b))
    }
    return terms
  }

  /// Gradients of the layers' input and of their B, from the gradients `dys` of their results: dx = Σ dy W +
  /// drop(dreduced · A), with dreduced = s · dy B kept for `loraAGradient`.
  ///
  /// - Parameter dx: nil when the input needs no gradient.
  func linearBackward(
    _ group: InputGroup, _ modules: [LinearModule], _ dys: [Matrix], dx: Matrix?, layer: Int, scored: Bool,
    into gradient: Storage
  ) throws {
    guard let scratch = workspace.gradient, let rows = dys.first?.rows else { return }
    var terms = zip(dys, modules).map { Term.backward($0, model.layers[layer].weight($1)) }
    let present = adaptedModules(modules, layer: layer)
    let dreduced = scratch.reduced.prefix(rows).columns(columns(present, group, layer: layer))
    for (dy, module) in zip(dys, modules) where present.contains(module) {
      guard let adapter, let b = adapter.layout.b(module, layer: layer, in: adapter.weights),
        let bGradient = adapter.layout.b(module, layer: layer, in: gradient)
      else { continue }
      let own = columns([module], group, layer: layer)
      let reduced = workspace.activations(layer: layer).reduced[group.rawValue].prefix(dy.rows).columns(own)
      Products.compute(bGradient, [.transposedTimes(dy, reduced)], phase: .lora, pool)
      try observe("gradient of lora_B of \(module.rawValue)", layer: layer, bGradient)
      Products.compute(scratch.reduced.prefix(dy.rows).columns(own), [.times(dy, b)], phase: .lora, pool)
    }
    adapter?.layout.scale(dreduced, present, layer: layer, pool)
    guard let dx else { return }
    if !present.isEmpty, let adapter, let a = adapter.layout.stackedA(present, layer: layer, in: adapter.weights) {
      if let mask = dropoutRows(group, layer: layer, scored: scored), let buffer = scratch.dropped {
        Products.compute(dx, terms, pool)
        let dropped = buffer.prefix(dx.rows).columns(0..<dx.columns)
        Products.compute(dropped, [.times(dreduced, a)], phase: .lora, pool)
        Kernels.dropout(dx, dropped, mask, adding: true, pool)
        terms = []
      } else {
        terms.append(.times(dreduced, a))
      }
    }
    if !terms.isEmpty { Products.compute(dx, terms, pool) }
    try observe("gradient of the input of \(modules.map(\.rawValue).joined(separator: ", "))", layer: layer, dx)
  }

  /// Gradient of the stacked A of `modules`: dreducedᵀ · drop(x). Call after `linearBackward` of the same modules.
  func loraAGradient(
    _ group: InputGroup, _ modules: [LinearModule], x: Matrix, layer: Int, scored: Bool, into gradient: Storage
  ) throws {
    let present = adaptedModules(modules, layer: layer)
    guard !present.isEmpty, let scratch = workspace.gradient,
      let aGradient = adapter?.layout.stackedA(present, layer: layer, in: gradient)
    else { return }
    let dreduced = scratch.reduced.prefix(x.rows).columns(columns(present, group, layer: layer))
    let input = loraInput(x, group, layer: layer, scored: scored)
    Products.compute(aGradient, [.transposedTimes(dreduced, input)], phase: .lora, pool)
    try observe("gradient of lora_A of \(present.map(\.rawValue).joined(separator: ", "))", layer: layer, aGradient)
  }
}
