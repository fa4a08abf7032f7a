// Numbers of which the ranks of a node share one copy.

import CShoal
import Glibc
package import Tensors

/// A copy of an arena. The ranks of a node share it where the system lets them; otherwise every rank has its own.
package struct NodeStorage: Sendable {
  package let storage: Storage
  /// Whether other ranks have the same copy.
  package let isShared: Bool
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
      (isShared, isOnePerNode, isFirst, isOnlyOne) = (false, true, true, world.size == 1)
      return
    }
    let isLeader = world.rankOnNode == 0
    var descriptor = isLeader ? shoal_memory_create("shoal") : -1
    defer { if descriptor >= 0 { close(descriptor) } }
    if isLeader, descriptor >= 0, ftruncate(descriptor, 4 * max(count, 1)) != 0 {
      close(descriptor)
      descriptor = -1
    }
    let places = try world.gather(message: [Int(getpid()), Int(descriptor)])
    let place = places[world.nodeLeader]
    if !isLeader, place[1] >= 0 { descriptor = open("/proc/\(place[0])/fd/\(place[1])", O_RDWR | O_CLOEXEC) }
    let shared = descriptor >= 0 ? Storage(sharing: descriptor, count: count) : nil
    // Also the barrier before the leader closes its descriptor.
    let isMissing = try world.agree(on: shared == nil ? 1 : 0) != 0
    isShared = !isMissing && world.ranksOnNode > 1
    isOnePerNode = !isMissing
    isFirst = isMissing || isLeader
    isOnlyOne = !isMissing && world.ranksOnNode == world.size
    storage = isMissing ? Storage(count: count) : shared ?? Storage(count: count)
  }
}
