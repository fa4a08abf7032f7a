// Which of the kernel's means hold a program, and in which order they are tried.

internal import CShoal

/// Means beside those that every program has: limits of resources, no privileges, and the filter of system calls.
/// A set of them.
package struct ContainmentLayers: OptionSet, Sendable {
  package let rawValue: Int32

  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// A user namespace, by which an ordinary user may have the next.
  package static let user = Self(rawValue: Int32(SHOAL_LAYER_USER))
  /// Processes, network, IPC and mounts of its own.
  package static let namespaces = Self(rawValue: Int32(SHOAL_LAYER_NAMESPACES))
  /// Landlock: changes nothing outside of its directory.
  package static let landlock = Self(rawValue: Int32(SHOAL_LAYER_LANDLOCK))
  /// Landlock: reads Python and the system's own files only.
  package static let reads = Self(rawValue: Int32(SHOAL_LAYER_READS))

  package static let all: Self = [.user, .namespaces, .landlock, .reads]

  /// Every set of layers that this kernel could have, the strongest first.
  static func candidates(within allowed: Self) -> [Self] {
    let files: [Self] = shoal_sandbox_landlock() > 0 ? [[.landlock, .reads], .landlock] : [[]]
    var seen: [Self] = []
    for space: Self in [[.user, .namespaces], .namespaces, []] {
      for file in files {
        let layers = space.union(file).intersection(allowed)
        // Without namespaces a user namespace is of no use, and the other way round it is another candidate.
        guard layers != .user, !seen.contains(layers) else { continue }
        seen.append(layers)
      }
    }
    return seen
  }

  /// `namespaces, Landlock, system call filter`.
  var names: String {
    var names: [String] = []
    if contains(.namespaces) { names.append(contains(.user) ? "user namespaces" : "namespaces") }
    if contains(.landlock) { names.append(contains(.reads) ? "Landlock" : "Landlock without limits on reading") }
    return (names + ["system call filter"]).joined(separator: ", ")
  }
}
