// The exact sums of the current step. Integer sums do not depend on the order of their terms, so neither ranks nor
// interruptions change the result.

import Collectives
import Model
import Runtime
import Tensors

/// The gradient of a step in fixed point, and one record per example.
///
/// The rank that computes a micro-batch fills in its examples. They are 0 on all other ranks, and `reduce` adds them
/// up. For each example: its log-prob sums under policy and reference, their tokens, its label, the number of passes it
/// has completed, and the fault of its gradient. At the end: whether it is time to save, and how many ranks were asked
/// to stop.
final class StepSums: GradientSink {
  private let objective: Objective
  private let shard: ParameterShard
  /// The maximum number of gradients that a step adds to an entry. It bounds each one so that their sum does not
  /// overflow.
  private let mostTerms: Int
  private let arena: SumArena
  /// Whether the gradient is 0 since the last update took it. The same on all ranks.
  private var isZero = false
  /// The fault of the micro-batch that is being added.
  private var fault: FixedPoint.Fault = []
  /// The current step, between `begin` and `end`.
  private var step: Int?
  private(set) var exampleCount = 0

  /// - Parameters:
  ///   - shared: the gradient's memory where the ranks of a node share it.
  ///   - uses: how often a backward pass comes to a parameter at most.
  init(
    _ objective: Objective, parameterCount: Int, shard: ParameterShard, shared: NodeStorage?, mostExamples: Int,
    mostMicroBatches: Int, uses: Int, in world: any Communicator
  ) {
    (self.objective, self.shard) = (objective, shard)
    mostTerms = mostMicroBatches * uses
    arena = SumArena(
      gradient: parameterCount, words: (3 * objective.spans.count + 3) * mostExamples + 2, shard, shared: shared,
      in: world)
  }

  /// Bytes of a gradient's integers.
  static func byteCount(parameters: Int) -> Int { 8 * parameters }

  /// Begins a step, or continues one that was interrupted. Collective.
  func begin(_ step: Int, examples: Int, in world: any Communicator, _ pool: ThreadPool) throws {
    if self.step != step {
      words.update(repeating: 0)
      if !isZero { try arena.clear(in: world, pool) }
    }
    (self.step, exampleCount, isZero) = (step, examples, false)
  }

  /// Ends the step.
  func end() { step = nil }

  // MARK: A step that is cut

  /// Rank 0's sums of an interrupted step, to be saved.
  var saved: [UnsafeMutableBufferPointer<Int64>] { [arena.gradient, .init(rebasing: words[..<wordCount])] }

  /// Continues a step that was interrupted in another process.
  /// - Parameter read: fills rank 0's sums; nil on other ranks.
  func resume(_ step: Int, examples: Int, read: (([UnsafeMutableBufferPointer<Int64>]) throws -> Void)?) rethrows {
    (self.step, exampleCount) = (step, examples)
    try read?(saved)
  }

  /// Clears the reduced sums that rank 0 does not have, so that they count once when more is added. Collective.
  /// - Parameter gradient: whether the gradient was reduced too.
  func leaveToRankZero(gradient: Bool, in world: any Communicator, _ pool: ThreadPool) throws {
    try arena.leaveToRankZero(gradient: gradient, in: world, pool)
  }

  // MARK: Micro-batches

  /// Stores the log-prob sums of a micro-batch and counts one more pass of it.
  func take(_ examples: [ExampleSums], of item: WorkItem, rank: Int) {
    for (slot, example) in zip(item.slots, examples) {
      self[slot] = example
      if !example.isFinite { note(.nonFinite, rank: rank, for: slot) }
    }
    advance(item)
  }

  /// Counts one more pass of a micro-batch.
  func advance(_ item: WorkItem) { for slot in item.slots { words[width * (slot + 1) - 2] += 1 } }

  /// Rounds a gradient of a micro-batch once and adds it.
  func add(_ gradient: Matrix, at offset: Int, _ pool: ThreadPool) {
    fault.formUnion(arena.add(gradient, at: offset, terms: mostTerms, pool))
  }

  /// Notes what was wrong with the gradients of a micro-batch, after all were added.
  func noteFault(of item: WorkItem, rank: Int) {
    guard !fault.isEmpty else { return }
    for slot in item.slots { note(fault, rank: rank, for: slot) }
    fault = []
  }

  private func note(_ fault: FixedPoint.Fault, rank: Int, for slot: Int) {
    words[width * (slot + 1) - 1] |= Int64(bitPattern: fault.rawValue) | Int64(rank) << 8
  }

  /// Sums over all ranks. All ranks then know how many were asked to stop and whether it is time to save. Collective.
  ///
  /// Where the parameters are divided, each rank gets the gradient's sum for its own alone. If the step was cut, rank 0
  /// gets all of it.
  /// - Parameter passes: that a whole step has, if the gradient is to be summed; nil: the examples alone.
  func reduce(gradient passes: Int?, by dispatcher: Dispatcher, _ clock: PhaseClock) throws {
    words[width * exampleCount] = dispatcher.isSaveDue() ? 1 : 0
    words[width * exampleCount + 1] = dispatcher.isAskedToStop ? 1 : 0
    if passes != nil, !shard.isDivided { return try arena.sumForAll(words: wordCount, by: dispatcher, clock) }
    try dispatcher.sum(UnsafeMutableBufferPointer(rebasing: words[..<wordCount]), clock)
    guard let passes else { return }
    let owners = shard.ranges.enumerated().map { (owner: $0, range: $1) }
    try arena.sum(
      areThrough(passes: passes) ? owners : [(0, 0..<arena.gradient.count)], by: dispatcher, clock)
  }

  // MARK: The result, the same on every rank

  /// Calls `body` with blocks of the gradient of `range` as floats, on any thread and in any order.
  /// - Parameter taking: whether to set the sums to 0.
  func forEachBlock(
    of range: Range<Int>, taking: Bool = false, _ pool: ThreadPool,
    _ body: @Sendable (Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) {
    guard let base = arena.gradient.baseAddress else { return }
    nonisolated(unsafe) let sums = base
    let block = ParameterShard.block
    precondition(block <= ThreadPool.scratchCount, "a block of \(block) does not fit a thread's scratch")
    pool.clock.enter(.optimizer)
    defer { pool.clock.enter(.input) }
    pool.run((range.count + block - 1) / block) { piece, floats in
      let start = range.lowerBound + piece * block
      let own = start..<min(start + block, range.upperBound)
      FixedPoint.toFloat(sums + start, floats, count: own.count)
      if taking { (sums + start).update(repeating: 0, count: own.count) }
      body(own, floats)
    }
  }

  /// Notes that all ranks have taken all of their parts.
  func noteTaken() { isZero = arena.isTakenWhole }

  /// √Σ gradient² over ranges in fp64, each summed in fixed blocks. Collective where the parameters are divided.
  func norm(of ranges: [Range<Int>], in world: any Communicator, _ pool: ThreadPool) throws -> Double {
    let own = ranges.map { squares(of: $0.clamped(to: shard.range), pool).reduce(0, +) }
    let all = shard.isDivided ? try world.gather(message: own) : [own]
    return ranges.indices.reduce(0.0) { sum, range in
      let part = all.reduce(0.0) { $0 + $1[range] }.squareRoot()
      return sum + part * part
    }.squareRoot()
  }

  /// The norm of the whole gradient. Collective where the parameters are divided.
  func norm(in world: any Communicator, _ pool: ThreadPool) throws -> Double {
    let own = squares(of: shard.range, pool)
    guard shard.isDivided else { return own.reduce(0, +).squareRoot() }
    let all = try world.gather(own.withUnsafeBytes { Array($0) }).flatMap { bytes in
      bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
    }
    return all.reduce(0, +).squareRoot()
  }

  private func squares(of range: Range<Int>, _ pool: ThreadPool) -> [Double] {
    let sums = UnsafeMutableBufferPointer<Double>.allocate(
      capacity: (range.count + ParameterShard.block - 1) / ParameterShard.block)
    defer { sums.deallocate() }
    nonisolated(unsafe) let squares = sums
    forEachBlock(of: range, pool) { block, floats in
      squares[(block.lowerBound - range.lowerBound) / ParameterShard.block] =
        Optimizer.squares(floats, count: block.count)
    }
    return Array(sums)
  }

  /// The whole gradient as floats.
  func gradient(_ pool: ThreadPool) -> Storage {
    let gradient = Storage(count: arena.gradient.count)
    forEachBlock(of: arena.gradient.indices, pool) { block, floats in
      (gradient.base + block.lowerBound).update(from: floats, count: block.count)
    }
    return gradient
  }

  var examples: [ExampleSums] { (0..<exampleCount).map { self[$0] } }

  /// The number of passes that an example has completed.
  func passes(of slot: Int) -> Int { Int(words[width * (slot + 1) - 2]) }

  /// The number of passes of all examples together.
  var passes: Int { (0..<exampleCount).reduce(0) { $0 + passes(of: $1) } }

  func areThrough(passes: Int) -> Bool { (0..<exampleCount).allSatisfy { self.passes(of: $0) >= passes } }

  /// The fault of the example's sums or of its micro-batch's gradient, and the rank that computed it.
  func fault(of slot: Int) -> (kind: FixedPoint.Fault, rank: Int)? {
    let word = UInt64(bitPattern: words[width * (slot + 1) - 1])
    return word == 0 ? nil : (FixedPoint.Fault(rawValue: word & 0xFF), Int(word >> 8))
  }

  var isSaveDue: Bool { words[width * exampleCount] != 0 }
  var isStopping: Bool { words[width * exampleCount + 1] != 0 }

  // MARK: Layout

  private var spans: Int { objective.spans.count }
  private var width: Int { 3 * spans + 3 }
  private var wordCount: Int { width * exampleCount + 2 }
  private var words: UnsafeMutableBufferPointer<Int64> { arena.words }

  private subscript(slot: Int) -> ExampleSums {
    get {
      let start = width * slot
      func numbers(_ part: Int) -> [Double] {
        (0..<spans).map { Double(bitPattern: UInt64(bitPattern: words[start + part * spans + $0])) }
      }
      return ExampleSums(
        policy: numbers(0), reference: objective.usesReference ? numbers(1) : [],
        tokens: (0..<spans).map { Int(words[start + 2 * spans + $0]) }, isDesirable: words[start + 3 * spans] != 0)
    }
    set {
      let start = width * slot
      for span in 0..<spans {
        words[start + span] = Int64(bitPattern: newValue.policy[span].bitPattern)
        if !newValue.reference.isEmpty {
          words[start + spans + span] = Int64(bitPattern: newValue.reference[span].bitPattern)
        }
        words[start + 2 * spans + span] = Int64(newValue.tokens[span])
      }
      words[start + 3 * spans] = newValue.isDesirable ? 1 : 0
    }
  }
}
