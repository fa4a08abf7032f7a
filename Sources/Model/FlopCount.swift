// Counts the floating-point operations of a tree with every exact saving in place (a multiply-add counts 2).

package import Corpus

/// Operations of a pass, by part.
package struct FlopCount: Sendable, Equatable {
  /// The frozen linear layers.
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

  /// Forward and backward pass with an adapter.
  /// - Parameter recomputedLayers: the number of layers that the backward pass recomputes (gradient checkpointing).
  package static func training(_ tree: ExampleTree, _ layout: AdapterLayout, recomputedLayers: Int = 0) -> FlopCount {
    let c = layout.configuration
    let size = Size(tree, c)
    let parameters = Double(layout.count) / Double(c.layerCount)
    let recomputed = Double(recomputedLayers)
    // Recomputation skips the down projection.
    let down = 2 * Double(c.feedForwardSize * c.hiddenSize)
    return FlopCount(
      // The first layer's input needs no gradient.
      linears: 2 * (size.rows * size.keyValue + size.allRows * size.rest)
        - size.tokens * (size.layerKeyValue + size.layerQuery)
        + recomputed * size.tokens * (size.keyValue + size.rest - down),
      attention: 14 * size.attended + 4 * recomputed * size.attendedPerLayer,
      lora: 6 * parameters * size.allRows + 2 * recomputed * parameters * size.tokens, head: 2 * size.head)
  }

  /// The products of a tree's row counts and a model's widths.
  private struct Size {
    let tokens: Double
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
      let scored = (tree.scoresPrompt ? prompt : 1) + lengths.reduce(0) { $0 + $1 - 1 }
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
