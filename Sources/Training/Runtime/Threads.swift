// How many threads a rank computes with.

package import Collectives
import Tensors

/// Threads of a rank.
package enum Threads {
  /// As many as asked for; else this node's cores shared by its ranks, at least 1, and fewer where a container or a
  /// job allows fewer. mpirun's binding of a rank to fewer cores is given up.
  package static func count(asked: Int?, in world: any Communicator) -> Int {
    let wanted = asked ?? max(1, ProcessorSet.onlineCount / world.ranksOnNode)
    let bound = ProcessorSet.widen(for: wanted)
    return asked ?? min(wanted, bound)
  }
}
