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

/// The optimizer steps of a run and the examples of each.
package struct StepPlan: Sendable, Equatable {
  package let order: DataOrder
  /// Examples of one step, over all ranks.
  package let batchSize: Int
  package let totalSteps: Int

  /// - Parameters:
  ///   - epochs: may be a fraction; the number of steps is rounded up.
  ///   - maximumSteps: overrides `epochs`; the data repeats when all examples are used.
  /// - Precondition: at least one example and one example per step, `epochs` positive, `maximumSteps` at least 1.
  package init(order: DataOrder, batchSize: Int, epochs: Double, maximumSteps: Int?) {
    precondition(order.count > 0 && batchSize > 0, "a step needs examples")
    precondition(epochs > 0 && epochs.isFinite && (maximumSteps ?? 1) > 0, "a run needs steps")
    (self.order, self.batchSize) = (order, batchSize)
    let perEpoch = (order.count + batchSize - 1) / batchSize
    // A number of steps beyond 2^53 is a typing error, which must not trap here.
    let steps = min((epochs * Double(perEpoch)).rounded(.up), 0x1p53)
    totalSteps = maximumSteps ?? max(1, Int(steps))
  }

  /// The last step of an epoch may have fewer examples than the others.
  package var stepsPerEpoch: Int { (order.count + batchSize - 1) / batchSize }

  /// The positions of a step's examples; steps count from 0.
  package func positions(step: Int) -> [Int] {
    let (epoch, place) = step.quotientAndRemainder(dividingBy: stepsPerEpoch)
    let first = place * batchSize
    return Array(order.positions(epoch: epoch)[first..<min(first + batchSize, order.count)])
  }

  /// Visits all steps in order, shuffling each epoch once.
  package func forEachStep(_ body: (_ step: Int, _ positions: ArraySlice<Int>) -> Void) {
    var epoch: [Int] = []
    for step in 0..<totalSteps {
      let (number, place) = step.quotientAndRemainder(dividingBy: stepsPerEpoch)
      if place == 0 { epoch = order.positions(epoch: number) }
      body(step, epoch[place * batchSize..<min((place + 1) * batchSize, epoch.count)])
    }
  }

  /// The epochs that `steps` steps complete.
  package func epoch(afterSteps steps: Int) -> Double { Double(steps) / Double(stepsPerEpoch) }
}
