// The memory that control groups leave a process: those of containers, batch systems and services, of both versions.

/// The control groups of a process that limit memory: its own and those around it.
package struct ControlGroups {
  /// The directories that may describe one. A container may not see its own group but under the root.
  private let directories: [String]
  private let names: (limit: String, usage: String, files: [String])

  /// - Parameters:
  ///   - membership: the text of /proc/self/cgroup.
  ///   - root: where control groups are mounted.
  package init(membership: String, root: String = "/sys/fs/cgroup") {
    // NUMBER:CONTROLLERS:PATH
    let lines = membership.split(separator: "\n").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    }.filter { $0.count == 3 }
    let old = lines.first { $0[1].split(separator: ",").contains("memory") }
    let path = (old ?? lines.first { $0[0] == "0" && $0[1].isEmpty })?[2] ?? ""
    var directory = old == nil ? root : root + "/memory"
    directories =
      [directory]
      + path.split(separator: "/").map {
        directory += "/\($0)"
        return directory
      }
    names =
      old == nil
      ? ("memory.max", "memory.current", ["inactive_file", "active_file"])
      : ("memory.limit_in_bytes", "memory.usage_in_bytes", ["total_inactive_file", "total_active_file"])
  }

  /// The bytes below the tightest limit; nil without a limit. Pages of files count as free, since the system can drop
  /// them.
  package var availableBytes: Int? {
    directories.compactMap { directory in
      guard let limit = number("\(directory)/\(names.limit)"), let usage = number("\(directory)/\(names.usage)")
      else { return nil }
      let files = (ProcFile.text("\(directory)/memory.stat") ?? "").split(separator: "\n").reduce(0) { sum, line in
        let parts = line.split(separator: " ")
        return parts.count == 2 && names.files.contains(String(parts[0])) ? sum + (Int(parts[1]) ?? 0) : sum
      }
      return max(0, limit - usage + files)
    }.min()
  }

  private func number(_ path: String) -> Int? {
    ProcFile.text(path)?.split(separator: "\n").first.flatMap { Int($0) }
  }
}
