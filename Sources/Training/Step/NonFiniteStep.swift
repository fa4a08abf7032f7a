// A step whose gradient is worthless: what is wrong, and with whose examples.

import Tensors

/// What was wrong with a step; the same on every rank.
struct NonFiniteStep {
  var kind: FixedPoint.Fault
  /// Places of the examples in the step.
  var slots: [Int]
  /// The rank that computed the first of them.
  var rank: Int

  /// Nil for a sound step.
  init?(_ sums: StepSums) {
    let found = (0..<sums.exampleCount).compactMap { slot in sums.fault(of: slot).map { (slot: slot, fault: $0) } }
    guard let first = found.first else { return nil }
    kind = found.contains { $0.fault.kind.contains(.nonFinite) } ? .nonFinite : .outOfRange
    // A gradient is of a whole micro-batch; sums tell its examples apart.
    let examples = sums.examples
    let culprits = found.filter { !examples[$0.slot].isFinite }
    slots = (culprits.isEmpty ? found : culprits).map(\.slot)
    rank = culprits.first?.fault.rank ?? first.fault.rank
  }
}
