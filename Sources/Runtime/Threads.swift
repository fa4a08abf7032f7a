// The number of threads of a rank.

package import Collectives
import Tensors

/// Threads of a rank.
package enum Threads {
  /// The requested number. Otherwise this node's cores divided by its ranks, at least 1, and fewer if a container or a
  /// job allows fewer. Removes mpirun's binding of a rank to fewer cores.
  package static func count(asked: Int?, in world: any Communicator) -> Int {
    let wanted = asked ?? max(1, ProcessorSet.onlineCount / world.ranksOnNode)
    let bound = ProcessorSet.widen(for: wanted)
    return asked ?? min(wanted, bound)
  }
}
