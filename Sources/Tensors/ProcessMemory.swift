// The memory that this process holds and that the node has left, as the system reports it.

import Glibc

package enum ProcessMemory {
  /// Resident anonymous bytes, which no other process shares; 0 if the system does not report them.
  package static var anonymousBytes: Int { bytes("RssAnon", in: "/proc/self/status") ?? 0 }

  /// Bytes that new work may take on this node or in this container; nil if the system does not report them. Pages of
  /// files count as free.
  package static var availableBytes: Int? {
    let groups = ControlGroups(membership: ProcFile.text("/proc/self/cgroup") ?? "")
    return [bytes("MemAvailable", in: "/proc/meminfo"), groups.availableBytes].compactMap(\.self).min()
  }

  /// Page faults so far without disk access: fresh pages, and first accesses to pages of mapped files.
  package static var minorFaults: Int {
    var usage = rusage()
    // RUSAGE_SELF, which is an enumeration in one C library and a number in another.
    getrusage(0, &usage)
    return usage.ru_minflt
  }

  private static func bytes(_ name: String, in path: String) -> Int? {
    ProcFile.value(name, in: path)?.split(separator: " ").first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
