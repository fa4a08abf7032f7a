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

  /// LoRA's parameters are few: every rank has and updates them all. The ranks of a node share trained weights, and each
  /// rank of the world updates its part. Collective.
  /// - Parameter fill: fills the values, on one rank of each copy, if weights are trained.
  init(_ layout: PolicyLayout, in world: any Communicator, fill: (Storage) -> Void) throws {
    guard layout.trainsWeights else {
      (values, sharesValues, shard, sums) = (Storage(count: layout.count), false, .whole(layout.count), nil)
      return
    }
    let shared = try NodeStorage(count: layout.count, in: world)
    if shared.isFirst { fill(shared.storage) }
    try world.barrier()
    (values, sharesValues) = (shared.storage, shared.isOnlyOne)
    shard = .divided(layout.count, rank: world.rank, ranks: world.size)
    sums = try NodeStorage(count: SumArena.sharedCount(layout.count), in: world)
  }
}
