// Explains a skipped step and checks that the parameters are finite.

import Collectives
import Corpus
import Model
import Runtime
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
  func explain(_ fault: NonFiniteStep, _ examples: [StepExample]?, _ draw: RandomDraw) throws -> SkippedStep {
    let records = fault.slots.map { examples?[$0].tree.index ?? $0 }.sorted()
    let list = recordList(records)
    var reason =
      fault.kind == .nonFinite
      ? "a value is not finite, with \(list)" : "a gradient exceeds the range of exact sums, with \(list)"
    guard let examples else { return SkippedStep(examples: records, reason: reason) }
    let largest = LargestGradient()
    if let place = try placeOfFault(fault, examples, draw, largest) {
      reason += ", first in \(place)"
    } else if fault.kind == .nonFinite {
      reason += "; rank \(fault.rank) computed it, and computed again on rank 0 it is finite: is that machine sound?"
    } else if let parameter = layout.parameters.parameters.first(where: { $0.range.contains(largest.offset) }) {
      reason += ", the largest entry in \(parameter.name): \(largest.size)"
    }
    return SkippedStep(examples: records, reason: reason)
  }

  /// Recomputes the first faulty micro-batch, up to the first value that is not finite.
  private func placeOfFault(
    _ fault: NonFiniteStep, _ examples: [StepExample], _ draw: RandomDraw, _ largest: LargestGradient
  ) throws -> NonFiniteValue? {
    let all = sums.examples
    let knowsGradients = objective.needsWholeStep && all.allSatisfy(\.isFinite)
    let items = knowsGradients ? trainedItems(examples) : items(examples)
    guard let item = items.first(where: { $0.slots.contains(fault.slots[0]) }) else { return nil }
    return try pass.firstNonFinite {
      if knowsGradients {
        try differentiate(item, draw, into: largest, lossGradients: lossGradients(all))
      } else if objective.needsWholeStep {
        _ = try measure(item, draw)
      } else {
        try differentiate(item, draw, into: largest) { _ in }
      }
    }
  }

  /// Whether values and moments are finite on all ranks. Their squares cannot overflow in fp64. Collective where the
  /// parameters are divided.
  func isFinite() throws -> Bool {
    let own = [values.base + shard.range.lowerBound] + moments.all.map(\.base)
    let isFinite = own.allSatisfy { Optimizer.norm($0, count: shard.range.count, pass.pool).isFinite }
    return shard.isDivided ? try dispatcher.world.agree(on: isFinite ? 0 : 1) == 0 : isFinite
  }

  /// A checksum of what all ranks must have alike: the values and, where they are not divided, the moments.
  var checksum: UInt64 {
    ([values] + (shard.isDivided ? [] : moments.all)).reduce(0) {
      $0 &* 3 &+ Checksum.of($1.base, count: layout.count, pass.pool)
    }
  }
}

/// Finds the entry with the largest gradient.
private final class LargestGradient: GradientSink {
  private(set) var (offset, size) = (0, Float(0))

  func add(_ gradient: Matrix, at offset: Int, _ pool: ThreadPool) {
    for i in 0..<gradient.rows * gradient.columns where abs(gradient.base[i]) > size {
      (self.offset, size) = (offset + i, abs(gradient.base[i]))
    }
  }
}
