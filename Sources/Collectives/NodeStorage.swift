// Numbers of which the ranks of a node share one copy.

import CShoal
import Glibc
package import Tensors

/// A copy of an arena. The ranks of a node share it where the system lets them; otherwise every rank has its own.
package struct NodeStorage: Sendable {
  package let storage: Storage
  /// Whether each node has one copy. Otherwise each rank has one.
  package let isOnePerNode: Bool
  /// Whether this rank fills the copy first.
  package let isFirst: Bool
  /// Whether the whole world has this one copy.
  package let isOnlyOne: Bool

  /// A copy for this node. Collective.
  ///
  /// The memory has no name in any file system, so nothing is left behind however the processes end, and it needs no
  /// room in /dev/shm.
  package init(count: Int, in world: any Communicator) throws {
    let nodes = try world.gather(message: world.ranksOnNode)
    guard nodes.contains(where: { $0 > 1 }) else {
      storage = Storage(count: count)
      (isOnePerNode, isFirst, isOnlyOne) = (true, true, world.size == 1)
      return
    }
    let isLeader = world.rankOnNode == 0
    var descriptor = isLeader ? shoal_memory_create("shoal") : -1
    defer { if descriptor >= 0 { close(descriptor) } }
    if isLeader, descriptor >= 0, ftruncate(descriptor, 4 * max(count, 1)) != 0 {
      close(descriptor)
      descriptor = -1
    }
    let own = Place(process: Int(getpid()), descriptor: Int(descriptor), file: FileIdentity(descriptor))
    let place = try world.gather(message: own)[world.nodeLeader]
    if !isLeader, place.descriptor >= 0 {
      descriptor = open("/proc/\(place.process)/fd/\(place.descriptor)", O_RDWR | O_CLOEXEC)
    }
    // Where ranks see other processes, as in containers of their own, that number may be another file's.
    let isSame = descriptor >= 0 && FileIdentity(descriptor) == place.file
    let shared = isSame ? Storage(sharing: descriptor, count: count) : nil
    // Also the barrier before the leader closes its descriptor.
    let isMissing = try world.agree(on: shared == nil ? 1 : 0) != 0
    isOnePerNode = !isMissing
    isFirst = isMissing || isLeader
    isOnlyOne = !isMissing && world.ranksOnNode == world.size
    storage = isMissing ? Storage(count: count) : shared ?? Storage(count: count)
  }

  /// Where a leader has the memory.
  private struct Place: Codable, Sendable {
    let process, descriptor: Int
    let file: FileIdentity?
  }

  /// What tells open files apart.
  private struct FileIdentity: Codable, Sendable, Equatable {
    let device, number: UInt64
    let bytes: Int

    /// Nil when the system does not say.
    init?(_ descriptor: Int32) {
      var status = stat()
      guard descriptor >= 0, fstat(descriptor, &status) == 0 else { return nil }
      (device, number, bytes) = (UInt64(status.st_dev), UInt64(status.st_ino), Int(status.st_size))
    }
  }
}
