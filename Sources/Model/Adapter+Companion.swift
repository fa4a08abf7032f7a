// Starts from the base's own weights, PiSSA and OLoRA, and the frozen companion that takes them away from the base.

import Tensors

/// A start from the base's weights, where PEFT takes s B₀ A₀ away from W. Here W stays as it is, and the companion of a
/// relative adapter does the same.
package enum RelativeStart: Sendable, Equatable {
  /// PiSSA (Meng et al. 2024): s B₀ A₀ is the best approximation of W of rank R.
  /// - Parameter iterations: of a randomised search; nil computes exact singular vectors.
  case singularVectors(iterations: Int?)
  /// OLoRA (Büyükakyüz 2024): B₀ A₀ is the first columns of Q by the first rows of R of W = Q R.
  case orthogonalFactors
}

extension Adapter {
  /// Fills the companion's A₀ and −B₀ of one linear layer. They depend on the weight, the seed and the place alone.
  package func fillCompanion(
    _ module: LinearModule, layer: Int, of model: LanguageModel, _ start: RelativeStart, seed: UInt64
  ) {
    guard let companion, let shape = layout.shape(module, layer: layer),
      let a = layout.a(module, layer: layer, in: companion), let b = layout.b(module, layer: layer, in: companion)
    else { return }
    let weight = model.layers[layer].weight(module).widened()
    let factors: SpectralFactors
    // s B₀ A₀ is the approximation, so each of the two has its share of 1 / s.
    var factor = 1.0
    switch start {
    case .singularVectors(let iterations):
      let place = LinearModule.allCases.firstIndex(of: module) ?? 0
      let search = iterations.map {
        SpectralFactors.Search(
          iterations: $0, random: CounterRandom(key: seed),
          stream: UInt64(layer * LinearModule.allCases.count + place))
      }
      factors = SpectralFactors(singularVectorsOf: weight, rank: shape.rank, search: search)
      factor = 1 / Double(shape.scale).squareRoot()
    case .orthogonalFactors: factors = SpectralFactors(orthogonalFactorsOf: weight, rank: shape.rank)
    }
    for (place, number) in factors.right.enumerated() { a.base[place] = Float(factor * number) }
    for r in 0..<b.columns { for o in 0..<b.rows { b[o, r] = Float(-factor * factors.left[r * b.rows + o]) } }
  }

  /// A = A₀ and B = B₀: the policy is the base.
  package func startAtCompanion() {
    guard let companion else { return }
    for name in layout.matrices {
      let (start, own) = (layout.matrix(name, in: companion), layout.matrix(name, in: weights))
      let sign: Float = name.side == .b ? -1 : 1
      for place in 0..<own.rows * own.columns { own.base[place] = sign * start.base[place] }
    }
  }

  /// The adapter as it is saved: of a relative one, [A; A₀] and [B, −B₀], which PEFT loads on the original base.
  package var saved: Adapter {
    guard let companion else { return self }
    let saved = Adapter(layout: layout.saved)
    for name in layout.matrices {
      let whole = saved.layout.matrix(name, in: saved.weights)
      for (place, arena) in [weights, companion].enumerated() {
        let own = layout.matrix(name, in: arena)
        Self.part(place, of: whole, name.side, like: own).copy(own)
      }
    }
    return saved
  }

  /// Takes an adapter's matrices and companion from what `saved` made.
  /// - Precondition: `saved` has the saved layout.
  package func take(saved: Adapter) {
    precondition(saved.layout == layout.saved, "\(saved.layout) is not how \(layout) is saved")
    for name in layout.matrices {
      let whole = saved.layout.matrix(name, in: saved.weights)
      for (place, arena) in [weights, companion].compactMap(\.self).enumerated() {
        let own = layout.matrix(name, in: arena)
        own.copy(Self.part(place, of: whole, name.side, like: own))
      }
    }
  }

  /// The trained or the companion's part of a saved matrix.
  private static func part(_ place: Int, of whole: Matrix, _ side: AdapterMatrix.Side, like own: Matrix) -> Matrix {
    switch side {
    case .a: whole.rows(place * own.rows..<(place + 1) * own.rows)
    case .b: whole.columns(place * own.columns..<(place + 1) * own.columns)
    case .magnitude: whole
    }
  }
}

extension Matrix {
  fileprivate func copy(_ other: Matrix) {
    for row in 0..<rows { pointer(row: row).update(from: other.pointer(row: row), count: columns) }
  }
}
