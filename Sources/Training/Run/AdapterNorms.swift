// Telemetry of an adapter's movement: norms of A, B, their product and their gradients.

import Model
import Tensors

/// Frobenius norms over all adapted matrices.
package struct AdapterNorms: Sendable, Equatable {
  package var a, b: Double
  /// Norm of the adapter's update s B A, relative to the norm of the frozen weights that it is added to.
  package var relativeUpdate: Double
  /// Norms of the gradients by A and by B, before clipping.
  package var aGradient, bGradient: Double
  /// The same two of DoRA's magnitudes.
  package var magnitude, magnitudeGradient: Double?

  /// Names and values for metrics.jsonl.
  package var entries: [(name: String, value: Double)] {
    [
      ("norm/A", a), ("norm/B", b), ("norm/BA_relative", relativeUpdate), ("grad_norm/A", aGradient),
      ("grad_norm/B", bGradient),
    ] + (magnitude.map { [("norm/magnitude", $0)] } ?? [])
      + (magnitudeGradient.map { [("grad_norm/magnitude", $0)] } ?? [])
  }
}

/// Computes norms on one rank. Caches the norm of the frozen weights.
final class AdapterTelemetry {
  private let model: LanguageModel
  private let layout: AdapterLayout
  private var frozenSquare: Double?

  init(_ model: LanguageModel, _ layout: AdapterLayout) { (self.model, self.layout) = (model, layout) }

  /// The roles whose gradients' norms it needs.
  var roles: [Parameter.Role] { [.loraA, .loraB] + (layout.form == .decomposed ? [.magnitude] : []) }

  /// - Parameter gradients: the norms of the step's gradients.
  func norms(_ trainer: Trainer, gradients: [Parameter.Role: Double]) -> AdapterNorms {
    let pool = trainer.pass.pool
    let weights = trainer.values
    func weightNorm(_ role: Parameter.Role) -> Double {
      layout.parameters.ranges(of: role).reduce(0.0) { sum, range in
        let part = Optimizer.norm(weights.base + range.lowerBound, count: range.count, pool)
        return sum + part * part
      }.squareRoot()
    }
    func gradientNorm(_ role: Parameter.Role) -> Double { gradients[role] ?? .nan }
    let frozen = frozenSquare ?? squareOfFrozenWeights()
    frozenSquare = frozen
    return AdapterNorms(
      a: weightNorm(.loraA), b: weightNorm(.loraB),
      relativeUpdate: (squareOfUpdate(weights, trainer.policy.adapter, pool) / frozen).squareRoot(),
      aGradient: gradientNorm(.loraA), bGradient: gradientNorm(.loraB),
      magnitude: layout.form == .decomposed ? weightNorm(.magnitude) : nil,
      magnitudeGradient: layout.form == .decomposed ? gradientNorm(.magnitude) : nil)
  }

  /// ‖s B A‖² = s² Σ (Bᵀ B) ∘ (A Aᵀ): products of size R x R. B A itself is never formed.
  private func squareOfUpdate(_ weights: Storage, _ adapter: Adapter?, _ pool: ThreadPool) -> Double {
    // By scale.
    var sums: [Float: Double] = [:]
    for layer in 0..<layout.configuration.layerCount {
      for module in layout.modules {
        guard var a = layout.a(module, layer: layer, in: weights), var b = layout.b(module, layer: layer, in: weights),
          let shape = layout.shape(module, layer: layer)
        else { continue }
        if let companion = adapter?.companion, let a0 = layout.a(module, layer: layer, in: companion),
          let b0 = layout.b(module, layer: layer, in: companion)
        {
          (a, b) = Self.update(a, b, from: a0, negative: b0, pool)
        }
        let (left, right) = (Matrix(rows: a.rows, columns: a.rows), Matrix(rows: a.rows, columns: a.rows))
        Products.compute(left, [.transposedTimes(b, b)], phase: .lora, pool)
        Products.compute(right, [.timesTransposed(a, a)], phase: .lora, pool)
        sums[shape.scale, default: 0] += zip(left.elements, right.elements).reduce(0) {
          $0 + Double($1.0) * Double($1.1)
        }
      }
    }
    // Rounding can leave the sum of a tiny product slightly below zero.
    return sums.sorted { $0.key < $1.key }.reduce(0) { $0 + Double($1.key) * Double($1.key) * max(0, $1.value) }
  }

  /// B A − B₀ A₀ = [B − B₀, B₀] [A; A − A₀], where nothing large cancels.
  private static func update(
    _ a: Matrix, _ b: Matrix, from a0: Matrix, negative b0: Matrix, _ pool: ThreadPool
  ) -> (a: Matrix, b: Matrix) {
    let rank = a.rows
    let (wholeA, wholeB) = (Matrix(rows: 2 * rank, columns: a.columns), Matrix(rows: b.rows, columns: 2 * rank))
    for part in [wholeA.rows(0..<rank), wholeA.rows(rank..<2 * rank)] { Kernels.combine(part, 0, a, 1, pool) }
    Kernels.combine(wholeA.rows(rank..<2 * rank), 1, a0, -1, pool)
    Kernels.combine(wholeB.columns(0..<rank), 0, b, 1, pool)
    Kernels.combine(wholeB.columns(0..<rank), 1, b0, 1, pool)
    Kernels.combine(wholeB.columns(rank..<2 * rank), 0, b0, -1, pool)
    return (wholeA, wholeB)
  }

  private func squareOfFrozenWeights() -> Double {
    let weights = model.layers.enumerated().flatMap { number, layer in
      layout.modules.filter { layout.shape($0, layer: number) != nil }.map(layer.weight)
    }
    return parallelMap(count: weights.count) { place in
      let weight = weights[place]
      // In blocks of rows that fit a cache.
      return stride(from: 0, to: weight.rows, by: 64).reduce(0.0) { sum, start in
        sum + Kernels.sumOfSquares(weight.rows(start..<min(start + 64, weight.rows)).widened())
      }
    }.reduce(0, +)
  }
}
