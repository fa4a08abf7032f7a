// What memory this process holds and what the node has left, as the system tells.

import Glibc

package enum ProcessMemory {
  /// Anonymous bytes that are resident: what no other process shares. 0 where the system does not tell.
  package static var anonymousBytes: Int { bytes("RssAnon", in: "/proc/self/status") ?? 0 }

  /// Bytes that new work on this node, or in this container, may take. Nil where the system does not tell.
  package static var availableBytes: Int? {
    [bytes("MemAvailable", in: "/proc/meminfo"), availableToContainer].compactMap(\.self).min()
  }

  /// What the container's limit leaves; pages of files count as free, since the system takes them back.
  private static var availableToContainer: Int? {
    let group = "/sys/fs/cgroup/memory"
    guard let limit = number(in: "\(group).max"), let current = number(in: "\(group).current") else { return nil }
    let files = (ProcFile.text("\(group).stat") ?? "").split(separator: "\n").first { $0.hasPrefix("file ") }
    return max(0, limit - current + (files.flatMap { Int($0.dropFirst("file ".count)) } ?? 0))
  }

  /// Page faults so far that needed no disk: fresh pages, and pages of mapped files seen for the first time.
  package static var minorFaults: Int {
    var usage = rusage()
    // RUSAGE_SELF, which one C library has as an enumeration and another as a number.
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
