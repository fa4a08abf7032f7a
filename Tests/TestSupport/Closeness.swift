// How close is close enough, and why: the one table of tolerances.

import Testing

/// Relative and absolute tolerance.
package struct Tolerance: Sendable {
  package var relative: Double
  package var absolute: Double

  package init(relative: Double, absolute: Double) { (self.relative, self.absolute) = (relative, absolute) }

  /// fp32 forward passes of a few layers against fp64: rounding of each sum, some 1e-6 relative per layer.
  package static let forward = Tolerance(relative: 1e-5, absolute: 2e-5)
  /// Log-probabilities per token: the contract's promise is 1e-4.
  package static let logProbability = Tolerance(relative: 0, absolute: 2e-5)
  /// One kernel on numbers of size 1 against fp64: a handful of roundings, and sums over at most some hundred terms.
  package static let kernel = Tolerance(relative: 2e-6, absolute: 2e-6)
  /// Attention's gradients: products of sums of sums, over as many as 900 keys and queries.
  package static let attentionGradient = Tolerance(relative: 1e-5, absolute: 1e-5)
  /// Loss and gradient norm of AdamW steps: plain fp32 in torch is 1e-6 from fp64 (cases.json, float32_distance).
  package static let trainingStep = Tolerance(relative: 1e-5, absolute: 0)
  /// A loss in fp64 against the same formula in other words.
  package static let closedForm = Tolerance(relative: 1e-14, absolute: 1e-300)
}

/// Relative distances ‖a − b‖ / ‖b‖ that count as equal.
package enum Distance {
  /// A module's gradient: torch's fp32 is 3e-6 from fp64 (cases.json, float32_distance).
  package static let gradient = 1e-5
  /// What five AdamW steps changed: Adam divides by small second moments, which magnifies rounding.
  package static let update = 1e-3
  /// A directional derivative by differences of fp32 passes whose sums are kept in fp64: the passes' rounding (1e-7
  /// of a loss of size 1) over a step of 1e-2 to 1e-3, and the third derivative's share.
  package static let difference = 2e-3
}

/// What a fused sum of `terms` products may be off by, as a share of Σ |a b|: each addition rounds by 2^-24 at most.
package func summationBound(terms: Int) -> Double { Double(terms + 2) * 0x1p-24 }

/// The largest |a − b| / (absolute + relative |b|); above 1 is not close.
package func excess(_ a: [Float], _ b: [Float], _ tolerance: Tolerance) -> Double {
  excess(a.map(Double.init), b.map(Double.init), tolerance)
}

package func excess(_ a: [Double], _ b: [Double], _ tolerance: Tolerance) -> Double {
  guard a.count == b.count else { return .infinity }
  var largest = 0.0
  for (a, b) in zip(a, b) where a != b {
    let share = abs(a - b) / (tolerance.absolute + tolerance.relative * abs(b))
    // A NaN compares with nothing: it must not pass.
    largest = share.isNaN ? .infinity : max(largest, share)
  }
  return largest
}

/// ‖a − b‖ / ‖b‖.
package func relativeDistance(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count else { return .infinity }
  let distance = zip(a, b).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
  let size = b.reduce(0.0) { $0 + Double($1) * Double($1) }
  return distance == 0 ? 0 : (distance / size).squareRoot()
}
