// Phases: rank 0 deals micro-batches, every rank computes those it gets, and the world adds up the results.

package import Collectives
package import Corpus
package import Model
import Tensors

/// One rank's part in dealing, computing and adding up.
package final class Dealer {
  let world: any Communicator
  private let queue: any WorkQueue
  private let stop: StopRequest

  package init(world: any Communicator, stop: StopRequest) throws {
    self.world = world
    self.stop = stop
    queue = try world.workQueue()
  }

  package func close() throws { try queue.close() }

  /// Runs one phase. Collective.
  ///
  /// - Parameters:
  ///   - items: rank 0's work; others pass nil.
  ///   - clock: the rank's.
  ///   - body: called for each item that this rank is dealt.
  func phase(_ items: [WorkItem]?, _ clock: PhaseClock, _ body: (WorkItem) throws -> Void) throws {
    clock.enter(.input)
    if let items { try queue.openPhase(items.map { WorkPiece(bytes: $0.bytes, cost: $0.cost) }) }
    while true {
      clock.enter(.idle)
      let bytes = try queue.next()
      clock.enter(.input)
      guard let bytes else { return }
      try body(WorkItem(bytes: bytes))
    }
  }

  /// Sums over the world, once all ranks are there.
  func sum(_ values: UnsafeMutableBufferPointer<Int64>, _ clock: PhaseClock) throws {
    clock.enter(.idle)
    try world.barrier()
    clock.enter(.reduction)
    try world.sum(values)
    clock.enter(.input)
  }

  /// Log-probability sums of `trees`, on every rank. Collective.
  ///
  /// - Parameters:
  ///   - trees: rank 0's examples; others pass nil.
  ///   - count: how many they are, on every rank.
  ///   - mostSums: the most sums that any tree has.
  ///   - adapter: nil for the frozen model alone.
  /// - Returns: each tree's sums, and whether any rank was asked to stop.
  package func score(
    _ trees: [ExampleTree]?, count: Int, mostSums: Int = 2, adapter: Adapter?, on pass: Pass
  ) throws -> (sums: [[Double]], isStopping: Bool) {
    let items = trees.map { trees in
      MicroBatchPlan.runs(tokenCounts: trees.map(\.tokenCount)).map {
        WorkItem(trees: Array(trees[$0]), slots: Array($0))
      }
    }
    // Each entry is filled by one rank, as the bits of a Double; a sum of integers brings them together.
    var bits = [Int64](repeating: 0, count: (mostSums + 1) * count + 1)
    let clock = pass.workers.clock
    try phase(items, clock) { item in
      let batch = TreeBatch(item.trees)
      let sums = try pass.logProbabilities(batch, adapter: adapter)
      for (i, slot) in item.slots.enumerated() {
        let own = batch.sumOffsets[i]..<batch.sumOffsets[i + 1]
        guard slot < count, own.count <= mostSums else { throw DamagedMessage() }
        bits[(mostSums + 1) * slot] = Int64(own.count)
        for (i, place) in own.enumerated() {
          bits[(mostSums + 1) * slot + 1 + i] = Int64(bitPattern: sums[place].bitPattern)
        }
      }
    }
    bits[bits.count - 1] = stop.isAsked ? 1 : 0
    try bits.withUnsafeMutableBufferPointer { try sum($0, clock) }
    let sums = (0..<count).map { slot in
      let start = (mostSums + 1) * slot
      return (0..<Int(bits[start])).map { Double(bitPattern: UInt64(bitPattern: bits[start + 1 + $0])) }
    }
    return (sums, bits[bits.count - 1] > 0)
  }

  var isAskedToStop: Bool { stop.isAsked }
}
