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
  /// Completions per example in result vectors.
  static let completions = 2

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

  /// Log-probability sums of every completion of `trees`, on every rank. Collective.
  ///
  /// - Parameters:
  ///   - trees: rank 0's examples; others pass nil.
  ///   - count: how many they are, on every rank.
  /// - Returns: each tree's sums, and whether any rank was asked to stop.
  package func score(
    _ trees: [ExampleTree]?, count: Int, adapted: Bool, on pass: Pass
  ) throws -> (sums: [[Double]], isStopping: Bool) {
    let items = trees.map { trees in
      MicroBatchPlan.runs(tokenCounts: trees.map(\.tokenCount)).map {
        WorkItem(trees: Array(trees[$0]), slots: Array($0))
      }
    }
    // Each entry is filled by one rank, as the bits of a Double; a sum of integers brings them together.
    var bits = [Int64](repeating: 0, count: (Self.completions + 1) * count + 1)
    let clock = pass.workers.clock
    try phase(items, clock) { item in
      let batch = TreeBatch(item.trees)
      let sums = try pass.logProbabilities(batch, adapted: adapted)
      for (i, slot) in item.slots.enumerated() {
        let own = batch.completionOffsets[i]..<batch.completionOffsets[i + 1]
        guard slot < count, own.count <= Self.completions else { throw DamagedMessage() }
        bits[(Self.completions + 1) * slot] = Int64(own.count)
        for (c, completion) in own.enumerated() {
          bits[(Self.completions + 1) * slot + 1 + c] = Int64(bitPattern: sums[completion].bitPattern)
        }
      }
    }
    bits[bits.count - 1] = stop.isAsked ? 1 : 0
    try bits.withUnsafeMutableBufferPointer { try sum($0, clock) }
    let sums = (0..<count).map { slot in
      let start = (Self.completions + 1) * slot
      return (0..<Int(bits[start])).map { Double(bitPattern: UInt64(bitPattern: bits[start + 1 + $0])) }
    }
    return (sums, bits[bits.count - 1] > 0)
  }

  var isAskedToStop: Bool { stop.isAsked }
}
