// Phases: rank 0 dispatches micro-batches, every rank computes those it gets, and the world adds up the results.

package import Collectives
package import Corpus
package import Model
import Tensors

/// One rank's part in dispatching, computing and adding up.
package final class Dispatcher {
  let world: any Communicator
  private let queue: any WorkQueue
  private let stop: StopRequest
  /// Whether it is time to save; asked on rank 0 between micro-batches.
  var isSaveDue: () -> Bool = { false }
  /// Where a crash leaves word of what was computed; nil where nothing is written.
  var note: ItemNote?

  package init(world: any Communicator, stop: StopRequest) throws {
    self.world = world
    self.stop = stop
    queue = try world.workQueue()
  }

  package func close() throws { try queue.close() }

  /// Runs one phase. Collective.
  ///
  /// A request to stop, or a save that is due, ends it between micro-batches: every rank completes the one it works at,
  /// and the rest is left undone.
  ///
  /// - Parameters:
  ///   - items: rank 0's work; others pass nil.
  ///   - source: where their examples come from.
  ///   - clock: the rank's.
  ///   - pausesToSave: whether a save that is due ends it.
  ///   - body: called for each item that this rank is given.
  func phase(
    _ items: [WorkItem]?, of source: RecordSource, _ clock: PhaseClock, pausesToSave: Bool = true,
    _ body: (WorkItem) throws -> Void
  ) throws {
    clock.enter(.input)
    if let items { try queue.openPhase(items.map { WorkPiece(bytes: $0.bytes, cost: $0.cost) }) }
    while true {
      clock.enter(.idle)
      let bytes = try queue.next(cutting: stop.isAsked || (pausesToSave && isSaveDue()))
      clock.enter(.input)
      guard let bytes else { return }
      let item = try WorkItem(bytes: bytes)
      if let note { try note.during(item, of: source) { try body(item) } } else { try body(item) }
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

  /// Log-probability sums of `trees`. Collective.
  ///
  /// - Parameters:
  ///   - trees: rank 0's examples; others pass nil.
  ///   - source: where they come from.
  ///   - scores: what rank 0 has goes in, what there is then comes out on every rank. Complete, unless the phase was cut.
  ///   - adapter: nil for the frozen model alone.
  /// - Returns: whether any rank was asked to stop.
  package func score(
    _ trees: [ExampleTree]?, of source: RecordSource, into scores: inout Scores, adapter: Adapter?, on pass: Pass
  ) throws -> Bool {
    let missing = scores.missing
    let items = trees.map { trees in
      MicroBatchPlan.runs(tokenCounts: missing.map { trees[$0].tokenCount }).map { run in
        WorkItem(trees: run.map { trees[missing[$0]] }, slots: run.map { missing[$0] })
      }
    }
    if world.rank != 0 { scores.clear() }
    let clock = pass.pool.clock
    try phase(items, of: source, clock) { item in
      let batch = TreeBatch(item.trees)
      let sums = try pass.logProbabilities(batch, adapter: adapter)
      for (i, slot) in item.slots.enumerated() {
        let own = batch.sumOffsets[i]..<batch.sumOffsets[i + 1]
        guard slot < scores.count, own.count <= scores.mostSums else { throw DamagedMessage() }
        scores[slot] = Array(sums[own])
      }
    }
    var stops = [Int64(stop.isAsked ? 1 : 0)]
    try scores.words.withUnsafeMutableBufferPointer { try sum($0, clock) }
    try world.sum(&stops)
    return stops[0] > 0
  }

  /// All sums of `trees`, in a world that nobody asks to stop. Collective.
  package func scoreAll(
    _ trees: [ExampleTree]?, count: Int, adapter: Adapter?, on pass: Pass
  ) throws -> [[Double]] {
    var scores = Scores(count: count)
    _ = try score(trees, of: .either, into: &scores, adapter: adapter, on: pass)
    guard let all = scores.all else { throw DamagedMessage() }
    return all
  }

  var isAskedToStop: Bool { stop.isAsked }
}

/// Sums of examples as integers: each entry is filled by one rank, as the bits of a Double, and a sum of integers brings
/// them together.
package struct Scores: Sendable {
  package let count: Int
  let mostSums: Int
  var words: [Int64]

  /// - Parameter mostSums: the most sums that any example has.
  package init(count: Int, mostSums: Int = 2) {
    (self.count, self.mostSums) = (count, mostSums)
    words = [Int64](repeating: 0, count: (mostSums + 1) * count)
  }

  /// An example's sums; nil where there are none yet.
  package internal(set) subscript(slot: Int) -> [Double]? {
    get {
      let start = (mostSums + 1) * slot
      guard words[start] > 0 else { return nil }
      return (0..<Int(words[start])).map { Double(bitPattern: UInt64(bitPattern: words[start + 1 + $0])) }
    }
    set {
      let start = (mostSums + 1) * slot
      words[start] = Int64(newValue?.count ?? 0)
      for (i, sum) in (newValue ?? []).enumerated() { words[start + 1 + i] = Int64(bitPattern: sum.bitPattern) }
    }
  }

  /// Places of the examples that have none yet.
  var missing: [Int] { (0..<count).filter { words[(mostSums + 1) * $0] == 0 } }

  mutating func clear() { words = [Int64](repeating: 0, count: words.count) }

  /// All sums, if all are there.
  package var all: [[Double]]? {
    let all = (0..<count).compactMap { self[$0] }
    return all.count == count ? all : nil
  }
}
