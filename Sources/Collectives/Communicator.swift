// What a rank may ask of the world it belongs to; the two worlds there are stand in files of their own.

package import Tensors

/// All ranks of a job, seen from one of them.
///
/// Except for `abort`, every operation is collective: all ranks call it, in the same order, with the same
/// sizes, from one thread at a time. Waiting sleeps, so a rank that waits leaves its core to the others.
/// An error from any of them leaves the world unusable: only `abort` may follow.
package protocol Communicator: AnyObject, Sendable {
  /// This rank's number, 0 ..< `size`. Rank 0 coordinates.
  var rank: Int { get }
  /// The number of ranks.
  var size: Int { get }
  /// This rank's number among the ranks on the same node, and how many they are.
  var rankOnNode: Int { get }
  var ranksOnNode: Int { get }

  /// Returns when every rank has called it.
  func barrier() throws
  /// Copies `root`'s bytes into every rank's buffer. Any size.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws
  /// Every rank's bytes on all ranks, by rank. For small things: all together stay below 2 GiB.
  func gather(_ bytes: [UInt8]) throws -> [[UInt8]]
  /// Replaces every entry by its sum over the ranks: exact, hence the same whatever the number of ranks.
  /// - Precondition: the sums stay within 64 bits (they wrap around otherwise).
  func sum(_ values: UnsafeMutableBufferPointer<Int64>) throws
  /// The bitwise OR of all ranks' flags.
  func agree(on flags: UInt64) throws -> UInt64
  /// A queue of work that rank 0 fills and all ranks empty.
  func workQueue() throws -> any WorkQueue

  /// Lets the ranks watch each other until `finish`: rank 0 all others, the others rank 0. One that has been stopped or
  /// stuck for a minute, or as long as SHOAL_WATCHDOG_SECONDS says on rank 0 (0: nobody watches), ends the job with
  /// exit code 1. Once, collective.
  /// - Parameter tell: called first, by the rank that noticed, from another thread.
  /// - Throws: `WorldError.watchdogSeconds`, on all ranks alike.
  func watch(tell: @escaping @Sendable (any Error) -> Void) throws
  /// Tells those who watch that this rank's work enters its phases on `clock` from now on, and what its longest item
  /// of work is expected to take: a rank may be silent five times as long.
  func follow(_ clock: PhaseClock, itemSeconds: Double)

  /// Leaves the world in good order, before the process exits. Nothing else may be called afterwards.
  func finish() throws
  /// Ends the ranks of a job at once with exit code `code`. Prints nothing: say why before, and exit after it, for a
  /// world of one has no job to end.
  func abort(code: Int32)
}

extension Communicator {
  /// `root`'s bytes on every rank; what the other ranks pass does not matter.
  package func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
    var count = Int64(bytes.count)
    try withUnsafeMutableBytes(of: &count) { try broadcast($0, from: root) }
    var copy = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
    try copy.withUnsafeMutableBytes { try broadcast($0, from: root) }
    return copy
  }

  /// Replaces every entry by its exact sum over the ranks.
  package func sum(_ values: inout [Int64]) throws {
    try values.withUnsafeMutableBufferPointer { try sum($0) }
  }
}
