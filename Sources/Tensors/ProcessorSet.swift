// The processors that this process may use.

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

package enum ProcessorSet {
  /// Processors online on this node.
  package static var onlineCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// Processors that this process is bound to (all it may use when it is not bound).
  package static var boundCount: Int {
    var set = cpu_set_t()
    guard sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else { return onlineCount }
    return withUnsafeBytes(of: &set) { max(1, $0.reduce(0) { $0 + $1.nonzeroBitCount }) }
  }

  /// Gives up a binding that leaves fewer processors than `threads`: mpirun binds a lone rank to one core.
  /// - Returns: the processors then bound to; a container's or a job's limit stays in force.
  package static func widen(for threads: Int) -> Int {
    guard boundCount < threads else { return boundCount }
    var all = cpu_set_t()
    withUnsafeMutableBytes(of: &all) { bytes in
      for processor in 0..<min(onlineCount, 8 * bytes.count) { bytes[processor / 8] |= 1 << UInt8(processor % 8) }
    }
    sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &all)
    return boundCount
  }
}
