// The one table of tolerances, with the reason for each.

import Testing

/// Relative and absolute tolerance.
package struct Tolerance: Sendable {
  package var relative: Double
  package var absolute: Double

  package init(relative: Double, absolute: Double) { (self.relative, self.absolute) = (relative, absolute) }

  /// fp32 forward passes of a few layers against fp64: rounding of each sum, about 1e-6 relative per layer.
  package static let forward = Tolerance(relative: 1e-5, absolute: 2e-5)
  /// Log-probs per token: the promised tolerance is 1e-4.
  package static let logProbability = Tolerance(relative: 0, absolute: 2e-5)
  /// One kernel on numbers of size 1 against fp64: a few roundings, and sums over at most a few hundred terms.
  package static let kernel = Tolerance(relative: 2e-6, absolute: 2e-6)
  /// Attention's gradients: products of nested sums, over up to 900 keys and queries.
  package static let attentionGradient = Tolerance(relative: 1e-5, absolute: 1e-5)
  /// Loss and gradient norm of AdamW steps: plain fp32 in torch is 1e-6 from fp64 (cases.json, float32_distance).
  package static let trainingStep = Tolerance(relative: 1e-5, absolute: 0)
  /// A loss in fp64 against the same formula in another form.
  package static let closedForm = Tolerance(relative: 1e-14, absolute: 1e-300)
}

/// The largest relative distances ‖a − b‖ / ‖b‖ that count as equal.
package enum Distance {
  /// A module's gradient: torch's fp32 is 3e-6 from fp64 (cases.json, float32_distance).
  package static let gradient = 1e-5
  /// The change after five AdamW steps: Adam divides by small second moments, which magnifies rounding.
  package static let update = 1e-3
  /// A directional derivative from differences of fp32 passes whose sums are in fp64: the passes' rounding (1e-7 of a
  /// loss of size 1) over a step of 1e-2 to 1e-3, plus the third derivative's share.
  package static let difference = 2e-3
}

/// The error bound of a fused sum of `terms` products, relative to Σ |a b|: each addition rounds by at most 2^-24.
package func summationBound(terms: Int) -> Double { Double(terms + 2) * 0x1p-24 }

/// The largest |a − b| / (absolute + relative |b|); above 1 the numbers are not close.
package func excess(_ a: [Float], _ b: [Float], _ tolerance: Tolerance) -> Double {
  excess(a.map(Double.init), b.map(Double.init), tolerance)
}

package func excess(_ a: [Double], _ b: [Double], _ tolerance: Tolerance) -> Double {
  guard a.count == b.count else { return .infinity }
  var largest = 0.0
  for (a, b) in zip(a, b) where a != b {
    let share = abs(a - b) / (tolerance.absolute + tolerance.relative * abs(b))
    // A NaN must not pass: comparisons with it are false.
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
