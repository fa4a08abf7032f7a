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
}

/// The largest |a − b| / (absolute + relative |b|); above 1 is not close.
package func excess(_ a: [Float], _ b: [Float], _ tolerance: Tolerance) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).map { abs(Double($0) - Double($1)) / (tolerance.absolute + tolerance.relative * abs(Double($1))) }.max() ?? 0
}

/// ‖a − b‖ / ‖b‖.
package func relativeDistance(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count else { return .infinity }
  let distance = zip(a, b).reduce(0.0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
  let size = b.reduce(0.0) { $0 + Double($1) * Double($1) }
  return distance == 0 ? 0 : (distance / size).squareRoot()
}
