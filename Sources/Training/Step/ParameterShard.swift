// Which parameters a rank updates.

import Collectives
import Model

/// The ranges of the arena that ranks update and keep optimizer moments for: all of them all, or each its own (ZeRO
/// stage 1, Rajbhandari et al. 2020). Neither changes any bit of the result.
package struct ParameterShard: Sendable, Equatable {
  /// By rank.
  package let ranges: [Range<Int>]
  /// This rank's.
  package let range: Range<Int>
  /// Whether every rank has its own.
  package let isDivided: Bool

  /// Entries that are never divided: the norm's sums are over such blocks.
  static let block = 1 << 16

  /// LoRA's parameters are few: every rank has and updates them all. Trained weights are divided.
  init(of layout: PolicyLayout, in world: any Communicator) {
    self = layout.trainsWeights ? .divided(layout.count, rank: world.rank, ranks: world.size) : .whole(layout.count)
  }

  /// Every rank updates everything.
  package static func whole(_ count: Int) -> ParameterShard {
    ParameterShard(count: count, rank: 0, ranks: 1, isDivided: false)
  }

  /// Every rank updates an equal part.
  package static func divided(_ count: Int, rank: Int, ranks: Int) -> ParameterShard {
    ParameterShard(count: count, rank: rank, ranks: ranks, isDivided: true)
  }

  private init(count: Int, rank: Int, ranks: Int, isDivided: Bool) {
    let blocks = (count + Self.block - 1) / Self.block
    func start(_ rank: Int) -> Int { min(count, blocks * rank / ranks * Self.block) }
    ranges = (0..<ranks).map { start($0)..<start($0 + 1) }
    range = ranges[rank]
    self.isDivided = isDivided
  }
}
