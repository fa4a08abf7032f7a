// The processors that this process may use.

internal import CShoal
import Glibc

package enum ProcessorSet {
  /// Processors online on this node.
  package static var onlineCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// Processors that this process is bound to; all online processors if it is not bound.
  package static var boundCount: Int {
    let bound = Int(shoal_processors_bound())
    return bound > 0 ? bound : onlineCount
  }

  /// Removes a binding to fewer processors than `threads`: mpirun binds a single rank to one core.
  /// - Returns: the processors that it is bound to afterwards; a container's or a job's limit stays in force.
  package static func widen(for threads: Int) -> Int {
    if boundCount < threads { shoal_processors_widen(Int32(onlineCount)) }
    return boundCount
  }
}
