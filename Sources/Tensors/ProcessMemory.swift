// The memory that this process holds and that the node has left, as the system reports it.

import Glibc

package enum ProcessMemory {
  /// Resident anonymous bytes, which no other process shares; 0 if the system does not report them.
  package static var anonymousBytes: Int { bytes("RssAnon", in: "/proc/self/status") ?? 0 }

  /// Bytes that new work may take on this node or in this container; nil if the system does not report them.
  package static var availableBytes: Int? {
    [bytes("MemAvailable", in: "/proc/meminfo"), availableToContainer].compactMap(\.self).min()
  }

  /// The bytes left below the container's limit. File pages count as free, since the system can reclaim them.
  private static var availableToContainer: Int? {
    let group = "/sys/fs/cgroup/memory"
    guard let limit = number(in: "\(group).max"), let current = number(in: "\(group).current") else { return nil }
    let files = (ProcFile.text("\(group).stat") ?? "").split(separator: "\n").first { $0.hasPrefix("file ") }
    return max(0, limit - current + (files.flatMap { Int($0.dropFirst("file ".count)) } ?? 0))
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

  private static func number(in path: String) -> Int? {
    ProcFile.text(path)?.split(separator: "\n").first.flatMap { Int($0) }
  }
}
