// A step whose gradient is unusable: the fault and the examples that caused it.

import Tensors

/// The fault of a step; the same on every rank.
struct NonFiniteStep {
  var kind: FixedPoint.Fault
  /// Indices of the examples in the step.
  var slots: [Int]
  /// The rank that computed the first of them.
  var rank: Int

  /// Nil for a step without a fault.
  init?(_ sums: StepSums) {
    let found = (0..<sums.exampleCount).compactMap { slot in sums.fault(of: slot).map { (slot: slot, fault: $0) } }
    guard let first = found.first else { return nil }
    kind = found.contains { $0.fault.kind.contains(.nonFinite) } ? .nonFinite : .outOfRange
    // A gradient belongs to a whole micro-batch; the sums belong to single examples.
    let examples = sums.examples
    let culprits = found.filter { !examples[$0.slot].isFinite }
    slots = (culprits.isEmpty ? found : culprits).map(\.slot)
    rank = culprits.first?.fault.rank ?? first.fault.rank
  }
}
