// Steps whose gradient is worthless: what is wrong, with whose examples, and where it began.

import Corpus
import Model
import Tensors

/// What was wrong with a step; the same on every rank.
struct NonFiniteStep {
  var kind: FixedPoint.Fault
  /// Places of the examples in the step.
  var slots: [Int]
  /// The rank that computed the first of them.
  var rank: Int

  /// Nil for a sound step.
  init?(_ words: StepWords, _ sums: [ExampleSums]) {
    let found = (0..<words.examples).compactMap { slot in words.fault(of: slot).map { (slot: slot, fault: $0) } }
    guard let first = found.first else { return nil }
    kind = found.contains { $0.fault.kind.contains(.nonFinite) } ? .nonFinite : .outOfRange
    // A gradient is of a whole micro-batch; sums tell its examples apart.
    let culprits = found.filter { !sums[$0.slot].isFinite }
    slots = (culprits.isEmpty ? found : culprits).map(\.slot)
    rank = culprits.first?.fault.rank ?? first.fault.rank
  }
}

/// `record 7`, `records 3, 7`: places in the data, counted from 0.
func recordList(_ indices: [Int]) -> String {
  "record\(indices.count == 1 ? "" : "s") " + indices.map(String.init).joined(separator: ", ")
}

extension ExampleSums {
  var isFinite: Bool { (policy + reference).allSatisfy(\.isFinite) }
}

extension Trainer {
  /// A step that changed nothing.
  package struct Skip: Sendable, Equatable {
    /// Records, counted from 0. On other ranks than 0 their places in the step.
    package var examples: [Int]
    /// What was wrong and, on rank 0, where it began.
    package var reason: String
  }

  /// Says what was wrong. Rank 0 computes the first faulty micro-batch once more, with every kernel's result
  /// checked, while the others wait for the next step.
  func skip(
    _ fault: NonFiniteStep, _ examples: [StepExample]?, _ sums: [ExampleSums], _ dropout: DropoutDraw
  ) throws -> Skip {
    let records = fault.slots.map { examples?[$0].tree.index ?? $0 }.sorted()
    let list = recordList(records)
    var reason =
      fault.kind == .nonFinite
      ? "a value is not finite, with \(list)" : "a gradient exceeds the range of exact sums, with \(list)"
    guard let examples else { return Skip(examples: records, reason: reason) }
    let needsWholeStep = objective.needsWholeStep && sums.allSatisfy(\.isFinite)
    let items = needsWholeStep ? trainedItems(examples) : items(examples)
    if let item = items.first(where: { $0.slots.contains(fault.slots[0]) }) {
      let place = try pass.firstNonFinite {
        if needsWholeStep {
          try differentiate(item, examples: examples.count, dropout, lossGradients: lossGradients(sums))
        } else if objective.needsWholeStep {
          _ = try measure(item, examples: examples.count, dropout)
        } else {
          try differentiate(item, examples: examples.count, dropout) { _ in }
        }
      }
      if let place {
        reason += ", first in \(place)"
      } else if fault.kind == .nonFinite {
        reason +=
          "; rank \(fault.rank) computed it, and computed again on rank 0 it is finite: is that machine sound?"
      } else if let largest = largestEntry {
        reason += ", the largest entry in \(largest)"
      }
    }
    return Skip(examples: records, reason: reason)
  }

  /// The matrix whose gradient has the largest entry, and that entry.
  private var largestEntry: String? {
    let layout = adapter.layout
    let largest = AdapterMatrix.all(layout.configuration, modules: layout.modules).map { name in
      (name: name.name, size: layout.matrix(name, in: gradient).elements.reduce(0) { max($0, abs($1)) })
    }.max { $0.size < $1.size }
    return largest.map { "\($0.name): \($0.size)" }
  }

  /// Whether weights and moments are numbers. Their squares cannot overflow in fp64.
  var isFinite: Bool {
    arenas.allSatisfy { Optimizer.norm($0.base, count: $0.count, pass.pool).isFinite }
  }

  /// A checksum of weights and moments.
  var checksum: UInt64 {
    arenas.reduce(0) { $0 &* 3 &+ Checksum.of($1.base, count: $1.count, pass.pool) }
  }

  private var arenas: [Storage] { [adapter.weights] + moments.all }
}
