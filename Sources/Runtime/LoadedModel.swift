// A model with its weights on every rank of a world.

package import Collectives
package import Model

/// A model that all ranks ask.
package struct LoadedModel {
  package let policy: Policy
  package let opened: OpenedModel
  /// Identifies what is computed with.
  package let hash: String
  /// Threads per rank.
  package let threads: Int

  /// Loads the weights on every rank. Collective.
  /// - Parameter threads: per rank; nil: this node's cores / this node's ranks.
  /// - Throws: on all ranks alike, `AgreedFailure`, `WorldError`.
  package init(_ opened: OpenedModel, threads: Int?, world: any Communicator, build: BuildIdentity) throws {
    let threads = Threads.count(asked: threads, in: world)
    (self.opened, self.threads) = (opened, threads)
    (policy, hash) = try world.agree {
      let base = try opened.base(threads: threads * world.ranksOnNode)
      return (try opened.policy(base), try opened.contentHash())
    }
    try build.requireAlike(in: world, modelHash: hash)
  }
}
