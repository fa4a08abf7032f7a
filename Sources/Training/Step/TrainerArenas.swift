// The memory of parameters: who has it and who updates it.

import Collectives
import Model
import Tensors

/// Values of parameters and of their gradient's sums.
struct TrainerArenas {
  let values: Storage
  /// Whether every rank of the world has this very copy of the values.
  let sharesValues: Bool
  let shard: ParameterShard
  /// Where the ranks of a node share the gradient's sums; nil: every rank has its own.
  let sums: NodeStorage?

  /// The ranks of a node share what is divided. Collective.
  /// - Parameter fill: fills the values, on one rank of each copy, if weights are trained.
  init(_ layout: PolicyLayout, in world: any Communicator, fill: (Storage) -> Void) throws {
    shard = ParameterShard(of: layout, in: world)
    guard shard.isDivided else {
      (values, sharesValues, sums) = (Storage(count: layout.count), false, nil)
      return
    }
    let shared = try NodeStorage(count: layout.count, in: world)
    if shared.isFirst { fill(shared.storage) }
    try world.barrier()
    (values, sharesValues) = (shared.storage, shared.isOnlyOne)
    sums = try NodeStorage(count: SumArena.sharedCount(layout.count), in: world)
  }

  /// Bytes of values and sums: a rank's own, and those that the ranks of a node share.
  static func byteCount(_ layout: PolicyLayout, in world: any Communicator) -> (own: Int, shared: Int) {
    let bytes = 4 * layout.count + StepSums.byteCount(parameters: layout.count)
    return ParameterShard(of: layout, in: world).isDivided ? (0, bytes) : (bytes, 0)
  }
}
