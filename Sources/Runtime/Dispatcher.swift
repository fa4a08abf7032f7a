// Phases: rank 0 dispatches micro-batches, every rank computes its share, and the results are summed over ranks.

package import Collectives
package import Corpus
package import Model
package import Tensors

/// One rank's part in dispatching, computing and summing.
package final class Dispatcher {
  package let world: any Communicator
  private let queue: any WorkQueue
  private let stop: StopRequest
  /// Whether it is time to save. Called on rank 0 between micro-batches.
  package var isSaveDue: () -> Bool = { false }
  /// Reports the current micro-batch in a crash; nil when the run writes nothing.
  package var crashReporter: CrashReporter?

  package init(world: any Communicator, stop: StopRequest) throws {
    (self.world, self.stop) = (world, stop)
    queue = try world.workQueue()
  }

  package func close() throws { try queue.close() }

  /// Runs one phase. Collective.
  ///
  /// A stop request or a due save ends the phase between micro-batches: every rank completes its current micro-batch,
  /// and the rest stays undone.
  ///
  /// - Parameters:
  ///   - items: rank 0's work; others pass nil.
  ///   - source: the data set of their examples.
  ///   - clock: the rank's.
  ///   - pausesToSave: whether a due save ends the phase.
  ///   - body: called for each item that this rank receives.
  package func phase(
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
      if let crashReporter { try crashReporter.during(item, of: source) { try body(item) } } else { try body(item) }
    }
  }

  /// Runs one phase whose items have results, which go to rank 0. Collective.
  /// - Parameters:
  ///   - items: rank 0's work; others pass nil.
  ///   - inTurn: whether ranks work on several items at once.
  ///   - onResult: called on rank 0 for each result, in any order.
  ///   - work: takes items from the phase until there are no more, and submits a result for each.
  package func collect(
    _ items: [WorkPiece]?, inTurn: Bool, _ clock: PhaseClock, onResult: @escaping ([UInt8]) throws -> Void,
    _ work: (ResultPhase) throws -> Void
  ) throws {
    clock.enter(.input)
    if let items { try queue.openPhase(items, inTurn: inTurn) }
    let phase = ResultPhase(queue: queue, stop: stop, clock: clock, onResult: onResult)
    try work(phase)
    try phase.finish()
  }

  /// Sums over ranks, after a barrier.
  package func sum(_ values: UnsafeMutableBufferPointer<Int64>, _ clock: PhaseClock) throws {
    clock.enter(.idle)
    try world.barrier()
    clock.enter(.reduction)
    try world.sum(values)
    clock.enter(.input)
  }

  /// Sums parts for one rank each. Ranks come here together, from another sum.
  package func sum(_ parts: [SumPart], of holders: SumHolders, _ clock: PhaseClock) throws {
    clock.enter(.reduction)
    try world.sum(parts, of: holders)
    clock.enter(.input)
  }

  /// Log-prob sums of `trees`. Collective.
  ///
  /// - Parameters:
  ///   - trees: rank 0's examples; others pass nil.
  ///   - source: their data set.
  ///   - scores: in: rank 0's known scores; out: all scores, on every rank. Complete unless the phase was interrupted.
  /// - Returns: whether any rank was asked to stop.
  package func score(
    _ trees: [ExampleTree]?, of source: RecordSource, into scores: inout Scores, policy: Policy, on pass: Pass
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
      let sums = try pass.logProbabilities(batch, policy)
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

  /// All sums of `trees`, in a world without stop requests. Collective.
  package func scoreAll(_ trees: [ExampleTree]?, count: Int, policy: Policy, on pass: Pass) throws -> [[Double]] {
    var scores = Scores(count: count)
    _ = try score(trees, of: .either, into: &scores, policy: policy, on: pass)
    guard let all = scores.all else { throw DamagedMessage() }
    return all
  }

  /// Whether this rank was asked to stop.
  package var isAskedToStop: Bool { stop.isAsked }
}
