// Dispatching: rank 0 has work items, whoever is free takes the next one. The sums are exact, so who computes
// what cannot change the result.

import Synchronization

/// What ranks say to each other. Requests carry the phase they belong to and whether it is to be cut; an answer needs
/// neither, since a worker has one request under way at a time.
enum WorkQueueTag: Int32 {
  // From a worker to rank 0.
  case request = 1
  case goodbye
  // From rank 0 to a worker.
  case item
  case endOfPhase
  case closed
}

/// Work items that rank 0 hands out, phase by phase.
///
/// In every phase rank 0 calls `openPhase` once, and every rank (rank 0 too) calls `next` until it returns
/// nil. A worker that runs ahead waits until rank 0 opens its phase. One thread at a time per rank.
///
///     if world.rank == 0 { try queue.openPhase(pieces) }
///     while let item = try queue.next(cutting: false) { compute(item) }
///     try world.sum(gradients)
package protocol WorkQueue: AnyObject, Sendable {
  /// Offers `pieces`, in order, once all of the phase before are taken. Rank 0 only.
  func openPhase(_ pieces: [WorkPiece]) throws
  /// The next item of the phase, or nil when none is left that this rank should take: they are all taken, or
  /// faster ranks will be done with the rest sooner, or a rank cut the phase. The call after that belongs to the next
  /// phase. On rank 0 it does not wait.
  /// - Parameter cutting: whether the phase is to end here: what has not been taken yet is dropped, and this call
  ///   returns nil.
  /// - Throws: `MPIFailure`, also one that rank 0's service thread met.
  func next(cutting: Bool) throws -> [UInt8]?
  /// Ends dispatching. Collective; a worker that waits for a phase is told and throws.
  func close() throws
}

/// The queue of a world of one.
final class SoloWorkQueue: WorkQueue {
  private let scheduler = Mutex(WorkScheduler())

  func openPhase(_ pieces: [WorkPiece]) { scheduler.withLock { $0.open(pieces) } }
  func next(cutting: Bool) -> [UInt8]? {
    scheduler.withLock {
      if cutting { $0.cut() }
      return $0.take(for: 0, at: 0)
    }
  }
  func close() {}
}
