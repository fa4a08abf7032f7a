// Dealing: rank 0 has work items, whoever is free takes the next one. The sums are exact, so who computes
// what cannot change the result.

import Synchronization

/// Work items that rank 0 hands out, phase by phase.
///
/// In every phase rank 0 calls `openPhase` once, and every rank (rank 0 too) calls `next` until it returns
/// nil. A worker that runs ahead waits until rank 0 opens its phase. One thread at a time per rank.
///
///     if world.rank == 0 { try queue.openPhase(items) }
///     while let item = try queue.next() { compute(item) }
///     try world.sum(gradients)
package protocol WorkQueue: AnyObject, Sendable {
  /// Offers `items`, in order. Rank 0 only.
  /// - Precondition: no item of the phase before is left.
  func openPhase(_ items: [[UInt8]]) throws
  /// The next item of the phase, or nil when all of them are taken; the call after that belongs to the
  /// next phase. On rank 0 it does not wait.
  /// - Throws: `MPIFailure`, also one that rank 0's service thread met.
  func next() throws -> [UInt8]?
  /// Ends dealing. Collective; a worker that waits for a phase is told and throws.
  func close() throws
}

/// The items that are left, and which phase they belong to.
struct Deck {
  /// The phase that is open, counted from 1; 0 before the first.
  private(set) var phase: Int64 = 0
  private var items: ArraySlice<[UInt8]> = []

  mutating func open(_ items: [[UInt8]]) {
    precondition(self.items.isEmpty, "phase \(phase) has \(self.items.count) items left")
    phase += 1
    self.items = items[...]
  }

  var isEmpty: Bool { items.isEmpty }

  mutating func take() -> [UInt8]? { items.popFirst() }
}

/// The queue of a world of one.
final class SoloWorkQueue: WorkQueue {
  private let deck = Mutex(Deck())

  func openPhase(_ items: [[UInt8]]) { deck.withLock { $0.open(items) } }
  func next() -> [UInt8]? { deck.withLock { $0.take() } }
  func close() {}
}
