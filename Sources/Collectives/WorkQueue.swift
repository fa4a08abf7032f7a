// The work queue: rank 0 has work items, and a free rank takes the next one. The sums are exact, so the assignment of
// items to ranks cannot change the result.

import Synchronization

/// Messages between workers and rank 0. Requests carry their phase and whether to cut it. An answer needs neither,
/// since a worker has only one request at a time.
enum WorkQueueTag: Int32 {
  // From a worker to rank 0.
  case request = 1
  case result
  case goodbye
  // From rank 0 to a worker.
  case item
  case endOfPhase
  case closed
}

/// Work items that rank 0 hands out, phase by phase.
///
/// In every phase rank 0 calls `openPhase` once, and every rank (also rank 0) calls `next` until it returns nil. A
/// worker that is ahead waits until rank 0 opens its phase. One thread at a time per rank.
///
///     if world.rank == 0 { try queue.openPhase(pieces) }
///     while let item = try queue.next(cutting: false) { compute(item) }
///     try world.sum(gradients)
///
/// What was computed is summed over ranks, or goes to rank 0 as results, at any time of a phase.
package protocol WorkQueue: AnyObject, Sendable {
  /// Offers `pieces`, in order, once all pieces of the previous phase are taken. Rank 0 only.
  /// - Parameter inTurn: whether ranks take several pieces before they finish the first, so that nothing can be learnt
  ///   of their speeds.
  func openPhase(_ pieces: [WorkPiece], inTurn: Bool) throws
  /// The next item of the phase, or nil if this rank should take no more: all items are taken, faster ranks will finish
  /// the rest sooner, or a rank cut the phase. The call after nil belongs to the next phase. On rank 0 it does not
  /// wait.
  /// - Parameter cutting: whether to end the phase here: the remaining items are dropped, and this call returns nil.
  /// - Throws: `MPIFailure`, including an error of rank 0's service thread.
  func next(cutting: Bool) throws -> [UInt8]?
  /// Gives rank 0 the result of an item.
  func submit(_ result: [UInt8]) throws
  /// The results that came since the last call, and whether every item that was taken in this phase has its result and
  /// none is left. On other ranks there is nothing to wait for.
  func results() throws -> (new: [[UInt8]], isComplete: Bool)
  /// Closes the queue. Collective; a worker that waits for a phase gets an error.
  func close() throws
}

/// The work queue of a world of one rank.
final class SoloWorkQueue: WorkQueue {
  private let state = Mutex(WorkQueueState())

  func openPhase(_ pieces: [WorkPiece], inTurn: Bool) { state.withLock { $0.open(pieces, inTurn: inTurn) } }
  func next(cutting: Bool) -> [UInt8]? {
    state.withLock {
      if cutting { $0.scheduler.cut() }
      return $0.take(for: 0)
    }
  }
  func submit(_ result: [UInt8]) { state.withLock { $0.results.add(result) } }
  func results() -> (new: [[UInt8]], isComplete: Bool) { state.withLock { $0.takeResults() } }
  func close() {}
}

extension WorkQueue {
  /// Offers pieces that ranks take one at a time.
  package func openPhase(_ pieces: [WorkPiece]) throws { try openPhase(pieces, inTurn: false) }
}
