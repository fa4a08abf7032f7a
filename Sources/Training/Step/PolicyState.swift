// What is saved of training: the parameters' values and the optimizer's moments.

import Collectives
package import Model
package import Tensors

/// The values of a policy in training, and its moments, which may be divided over ranks.
package struct PolicyState {
  package let policy: Policy
  package let layout: PolicyLayout
  package let values: Storage
  let moments: ShardReader
  let pool: ThreadPool

  init(policy: Policy, layout: PolicyLayout, values: Storage, moments: ShardReader, pool: ThreadPool) {
    (self.policy, self.layout, self.values, self.moments, self.pool) = (policy, layout, values, moments, pool)
  }

  /// A state of which nothing is divided.
  package init(_ base: LanguageModel, _ layout: PolicyLayout, values: Storage, moments: OptimizerMoments) {
    self.init(
      policy: Policy(base, layout, values: values), layout: layout, values: values,
      moments: ShardReader(world: SoloCommunicator(), shard: .whole(layout.count), arenas: moments.all),
      pool: ThreadPool(threads: 1))
  }
}
