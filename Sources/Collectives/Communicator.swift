// The interface of a world of ranks. Each of its two implementations is in its own file.

package import Tensors

/// All ranks of a job, seen from one rank.
///
/// Except for `abort`, every operation is collective: all ranks call it, in the same order, with the same sizes, from
/// one thread at a time. Waiting sleeps, so a waiting rank leaves its core to the others. After an error from any
/// operation the world is unusable: only `abort` may follow.
package protocol Communicator: AnyObject, Sendable {
  /// This rank's number, 0 ..< `size`. Rank 0 coordinates.
  var rank: Int { get }
  /// The number of ranks.
  var size: Int { get }
  /// This rank's number among the ranks on the same node, and the number of those ranks.
  var rankOnNode: Int { get }
  var ranksOnNode: Int { get }
  /// The rank whose `rankOnNode` is 0 on this node.
  var nodeLeader: Int { get }

  /// Returns when every rank has called it.
  func barrier() throws
  /// Copies `root`'s bytes, of any size, into every rank's buffer.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws
  /// Every rank's bytes on all ranks, by rank. For small data: all together must stay below 2 GiB.
  func gather(_ bytes: [UInt8]) throws -> [[UInt8]]
  /// Replaces every entry by its sum over ranks: exact, so it does not depend on the number of ranks.
  /// - Precondition: the sums fit 64 bits (they wrap around otherwise).
  func sum(_ values: UnsafeMutableBufferPointer<Int64>) throws
  /// Replaces the entries of each part's root by their exact sums over the holders. Entries of others are then
  /// undefined.
  func sum(_ parts: [SumPart], of holders: SumHolders) throws
  /// The bitwise OR of all ranks' flags.
  func agree(on flags: UInt64) throws -> UInt64
  /// A queue of work that rank 0 fills and all ranks empty.
  func workQueue() throws -> any WorkQueue

  /// Starts the watchdog, which runs until `finish`: rank 0 watches all other ranks, and they watch rank 0. A rank that
  /// is stopped or stuck for a minute, or for rank 0's SHOAL_WATCHDOG_SECONDS (0: no watchdog), ends the job with exit
  /// code 1. Call it once, collectively.
  /// - Parameter tell: called first, by the rank that detected the failure, from another thread.
  /// - Throws: `WorldError.watchdogSeconds`, the same on all ranks.
  func watch(tell: @escaping @Sendable (any Error) -> Void) throws
  /// Tells the watchdogs that this rank's work now enters its phases on `clock`, and how long its longest work item
  /// should take. A rank may be silent for five times as long.
  func follow(_ clock: PhaseClock, itemSeconds: Double)

  /// Leaves the world cleanly, before the process exits. No other call may follow.
  func finish() throws
  /// Ends all ranks of the job at once with exit code `code`. It prints nothing: the caller prints the reason before
  /// and exits after it, since a world of one rank has no job to end.
  func abort(code: Int32)
}

/// A part of numbers that ranks or nodes have, and the rank that gets its sum.
package struct SumPart {
  let values: UnsafeMutableBufferPointer<Int64>
  let root: Int

  package init(values: UnsafeMutableBufferPointer<Int64>, root: Int) { (self.values, self.root) = (values, root) }
}

/// Who has the numbers that are summed.
package enum SumHolders: Sendable {
  case ranks
  /// The ranks of a node have the same memory: it counts once, and gets the sum if the root is among them.
  case nodes
}

extension Communicator {
  /// `root`'s bytes on every rank; the argument of the other ranks is ignored.
  package func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
    var count = Int64(bytes.count)
    try withUnsafeMutableBytes(of: &count) { try broadcast($0, from: root) }
    var copy = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
    try copy.withUnsafeMutableBytes { try broadcast($0, from: root) }
    return copy
  }

  /// Replaces every entry by its exact sum over ranks.
  package func sum(_ values: inout [Int64]) throws { try values.withUnsafeMutableBufferPointer { try sum($0) } }
}
