// Counts the floating-point operations of a tree with every exact saving in place (a multiply-add counts 2).

package import Corpus

/// Operations of a pass, by part.
package struct FlopCount: Sendable, Equatable {
  /// The linear layers.
  package var linears = 0.0
  package var attention = 0.0
  package var lora = 0.0
  package var head = 0.0

  package var total: Double { linears + attention + lora + head }

  package static func + (a: FlopCount, b: FlopCount) -> FlopCount {
    FlopCount(
      linears: a.linears + b.linears, attention: a.attention + b.attention, lora: a.lora + b.lora, head: a.head + b.head
    )
  }

  package static let zero = FlopCount()

  init(linears: Double = 0, attention: Double = 0, lora: Double = 0, head: Double = 0) {
    (self.linears, self.attention, self.lora, self.head) = (linears, attention, lora, head)
  }

  /// Forward pass without an adapter, as for the reference model and other scoring.
  package static func scoring(_ tree: ExampleTree, _ c: ModelConfiguration) -> FlopCount {
    let size = Size(tree, c)
    return FlopCount(
      linears: size.rows * size.keyValue + size.allRows * size.rest, attention: 4 * size.attended, head: size.head)
  }

  /// The pass of inference. In the last layer only scored rows go past keys and values.
  /// - Parameters:
  ///   - attended: query–key pairs of one layer and head.
  ///   - scored: rows through the head.
  package static func inference(
    rows: Int, attended: Int, scored: Int, _ c: ModelConfiguration, _ adapter: AdapterLayout?
  ) -> FlopCount {
    let linears = LinearModule.allCases.reduce(0) { $0 + 2 * $1.inputWidth(c) * $1.outputWidth(c) }
    let keyValue = 4 * c.hiddenSize * c.keyValueWidth
    // Whole layers for each row.
    let layers = Double(c.layerCount - 1) + Double(scored) / Double(max(1, rows))
    return FlopCount(
      linears: Double(rows) * (layers * Double(linears - keyValue) + Double(c.layerCount * keyValue)),
      attention: 4 * Double(attended) * layers * Double(c.queryWidth),
      lora: 2 * Double(rows) * Double(adapter?.count ?? 0) * layers / Double(c.layerCount),
      head: 2 * Double(scored) * Double(c.hiddenSize * c.vocabularySize))
  }

  /// Forward and backward pass of a policy.
  /// - Parameter recomputedLayers: the number of layers that the backward pass recomputes (gradient checkpointing).
  package static func training(_ tree: ExampleTree, _ layout: PolicyLayout, recomputedLayers: Int = 0) -> FlopCount {
    let c = layout.configuration
    let size = Size(tree, c)
    let adapter = Double(layout.adapter?.count ?? 0) / Double(c.layerCount)
    // A frozen companion has no gradients of its own.
    let hasCompanion = layout.adapter?.form == .relative
    let (lora, reduced) = ((hasCompanion ? 10 : 6) * adapter, hasCompanion ? 4.0 : 2)
    let recomputed = Double(recomputedLayers)
    // Recomputation skips the down projection, but for magnitudes, whose gradient needs its result.
    let down = layout.adapter?.form == .decomposed ? 0 : 2 * Double(c.feedForwardSize * c.hiddenSize)
    let forward = size.rows * size.keyValue + size.allRows * size.rest
    let head = size.head * (layout.headRange == nil ? 2 : 3)
    let first = layout.firstTrainedLayer
    guard first < c.layerCount else {
      return FlopCount(linears: forward, attention: 4 * size.attended, head: head)
    }
    // The layers below the first parameter need no gradient, nor does that layer's input.
    let skipped =
      layout.needsInputGradient(first)
      ? 0
      : Double(first) * size.tokens * (size.keyValue + size.rest)
        + size.tokens * (size.layerKeyValue + size.layerQuery)
    return FlopCount(
      linears: 2 * forward - skipped + weightGradients(layout, size)
        + recomputed * size.tokens * (size.keyValue + size.rest - down),
      attention: 14 * size.attended + 4 * recomputed * size.attendedPerLayer,
      lora: lora * size.allRows + reduced * recomputed * adapter * size.tokens, head: head)
  }

  /// The products dyᵀ x of trained linear layers.
  private static func weightGradients(_ layout: PolicyLayout, _ size: Size) -> Double {
    let c = layout.configuration
    return layout.trainedWeights.reduce(0) { sum, name in
      guard case .linear(let module, let layer) = name else { return sum }
      let hasAllRows = layer < c.layerCount - 1 || [.key, .value].contains(module)
      return sum + 2 * Double(module.inputWidth(c) * module.outputWidth(c)) * (hasAllRows ? size.tokens : size.scored)
    }
  }

  /// The products of a tree's row counts and a model's widths.
  private struct Size {
    let tokens, scored: Double
    /// Rows times layers. `rows`: all rows in every layer. `allRows`: in the last layer only the scored rows, because
    /// no other row continues past its keys and values.
    let rows, allRows: Double
    /// Operations per row: of k and v, of q, of everything but k and v.
    let layerKeyValue, layerQuery, rest: Double
    var keyValue: Double { layerKeyValue }
    /// Query–key pairs times head widths and heads, over all layers.
    let attended: Double
    /// The same for one layer that is not the last.
    let attendedPerLayer: Double
    /// One product of the scored rows with the vocabulary.
    let head: Double

    init(_ tree: ExampleTree, _ c: ModelConfiguration) {
      let prompt = Double(tree.prompt.count)
      let lengths = tree.completions.map { Double($0.count) }
      scored = (tree.scoresPrompt ? prompt : 1) + lengths.reduce(0) { $0 + $1 - 1 }
      let layers = Double(c.layerCount)
      let d = Double(c.hiddenSize)
      tokens = prompt + lengths.reduce(0, +)
      rows = tokens * layers
      allRows = tokens * (layers - 1) + scored
      layerKeyValue = 2 * d * 2 * Double(c.keyValueWidth)
      layerQuery = 2 * d * Double(c.queryWidth)
      rest = 2 * layerQuery + 2 * 3 * d * Double(c.feedForwardSize)
      let whole = prompt * (prompt + 1) / 2 + lengths.reduce(0) { $0 + $1 * prompt + $1 * ($1 + 1) / 2 }
      let last =
        (tree.scoresPrompt ? prompt * (prompt + 1) / 2 : prompt)
        + lengths.reduce(0) { $0 + ($1 - 1) * prompt + ($1 - 1) * $1 / 2 }
      attended = (whole * (layers - 1) + last) * Double(c.queryWidth)
      attendedPerLayer = whole * Double(c.queryWidth)
      head = 2 * scored * d * Double(c.vocabularySize)
    }
  }
}
