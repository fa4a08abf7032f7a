// Explains a skipped step and checks that the parameters are finite.

import Corpus
import Model
import Tensors

/// A step that changed nothing.
package struct SkippedStep: Sendable, Equatable {
  /// Record numbers from 0. On ranks other than 0, the examples' indices in the step.
  package var examples: [Int]
  /// The fault and, on rank 0, where it began.
  package var reason: String
}

extension Trainer {
  /// Explains the fault. Rank 0 recomputes the first faulty micro-batch and checks every kernel's result, while the
  /// others wait for the next step.
  func explain(_ fault: NonFiniteStep, _ examples: [StepExample]?, _ draw: DropoutDraw) throws -> SkippedStep {
    let records = fault.slots.map { examples?[$0].tree.index ?? $0 }.sorted()
    let list = recordList(records)
    var reason =
      fault.kind == .nonFinite
      ? "a value is not finite, with \(list)" : "a gradient exceeds the range of exact sums, with \(list)"
    guard let examples else { return SkippedStep(examples: records, reason: reason) }
    if let place = try placeOfFault(fault, examples, draw) {
      reason += ", first in \(place)"
    } else if fault.kind == .nonFinite {
      reason += "; rank \(fault.rank) computed it, and computed again on rank 0 it is finite: is that machine sound?"
    } else if let largest = largestEntry {
      reason += ", the largest entry in \(largest)"
    }
    return SkippedStep(examples: records, reason: reason)
  }

  /// Recomputes the first faulty micro-batch, up to the first value that is not finite.
  private func placeOfFault(
    _ fault: NonFiniteStep, _ examples: [StepExample], _ draw: DropoutDraw
  ) throws -> NonFiniteValue? {
    let all = sums.examples
    let knowsGradients = objective.needsWholeStep && all.allSatisfy(\.isFinite)
    let items = knowsGradients ? trainedItems(examples) : items(examples)
    guard let item = items.first(where: { $0.slots.contains(fault.slots[0]) }) else { return nil }
    return try pass.firstNonFinite {
      if knowsGradients {
        try differentiate(item, draw, lossGradients: lossGradients(all))
      } else if objective.needsWholeStep {
        _ = try measure(item, draw)
      } else {
        try differentiate(item, draw) { _ in }
      }
    }
  }

  /// The parameter whose gradient has the largest entry, and that entry.
  private var largestEntry: String? {
    let largest = parameters.layout.parameters.map { parameter in
      (name: parameter.name, size: parameter.matrix(in: gradient).elements.reduce(0) { max($0, abs($1)) })
    }.max { $0.size < $1.size }
    return largest.map { "\($0.name): \($0.size)" }
  }

  /// Whether weights and moments are finite. Their squares cannot overflow in fp64.
  var isFinite: Bool { arenas.allSatisfy { Optimizer.norm($0.base, count: $0.count, pass.pool).isFinite } }

  /// A checksum of weights and moments.
  var checksum: UInt64 { arenas.reduce(0) { $0 &* 3 &+ Checksum.of($1.base, count: $1.count, pass.pool) } }

  private var arenas: [Storage] { [parameters.values] + moments.all }
}
