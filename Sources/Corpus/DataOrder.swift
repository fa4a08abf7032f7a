// The data order: the examples of a step are a pure function of the seed and the step's number. A resumed run needs no
// saved state, and every world size sees the same steps.

import Tensors

/// The order of the examples in each epoch.
package struct DataOrder: Sendable, Equatable {
  package let count: Int
  package let seed: UInt64
  package let shuffles: Bool

  package init(count: Int, seed: UInt64, shuffles: Bool) {
    (self.count, self.seed, self.shuffles) = (count, seed, shuffles)
  }

  /// The examples' positions in the order of `epoch`, counted from 0; each exactly once.
  package func positions(epoch: Int) -> [Int] {
    guard shuffles else { return Array(0..<count) }
    return CounterRandom(key: seed).permutation(count: count, stream: RandomStream.order | UInt64(epoch))
  }
}

/// The data's streams of the run's seed; the low half numbers the draws of a stream.
enum RandomStream {
  static let order: UInt64 = 0x4F52_4445 << 32
  static let validation: UInt64 = 0x5641_4C49 << 32
  static let shards: UInt64 = 0x5348_4152 << 32
}
