// A process that no launcher started is a world of one rank and does not use MPI.

package import Tensors

/// The world of one rank.
package final class SoloCommunicator: Communicator {
  package init() {}

  package var rank: Int { 0 }
  package var size: Int { 1 }
  package var rankOnNode: Int { 0 }
  package var ranksOnNode: Int { 1 }
  package var nodeLeader: Int { 0 }

  package func barrier() {}
  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
    precondition(root == 0, "broadcast from rank \(root) in a world of 1")
  }
  package func gather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
  package func sum(_ values: UnsafeMutableBufferPointer<Int64>) {}
  package func sum(_ parts: [SumPart], of holders: SumHolders) {}
  package func agree(on flags: UInt64) -> UInt64 { flags }
  package func workQueue() -> any WorkQueue { SoloWorkQueue() }
  package func watch(tell: @escaping @Sendable (any Error) -> Void) {}
  package func follow(_ clock: PhaseClock, itemSeconds: Double) {}
  package func finish() {}
  package func abort(code: Int32) {}
}
