// The memory of a step's exact sums, and how it is added up over ranks.

import Collectives
import Runtime
import Tensors

/// The integers of a step: the gradient, and words that each rank has for itself.
///
/// Each rank has a gradient of its own. Or the ranks of a node share one and all add to it: integers have the same sum
/// in any order, so nothing is left to sum on a node, and memory does not grow with its ranks.
final class SumArena {
  let gradient: UnsafeMutableBufferPointer<Int64>
  let words: UnsafeMutableBufferPointer<Int64>
  /// Of a gradient that ranks add to at the same time.
  private let locks: BlockLocks?
  /// The ranks whose gradients are to be summed.
  private let holders: SumHolders
  /// This rank's part of the gradient when it is cleared.
  private let ownPart: Range<Int>
  /// Whether rank 0 has this gradient.
  private let isOfRankZero: Bool
  /// Whether the ranks together set all of this gradient to 0 when each takes its part of the sum.
  let isTakenWhole: Bool
  /// Owns the memory.
  private let memory: [Storage]

  /// - Parameters:
  ///   - gradient: the number of its entries.
  ///   - words: the number of the words.
  ///   - shard: the part that this rank takes of the sum.
  ///   - shared: memory of `sharedCount` for the gradient; nil: this rank's own.
  init(
    gradient count: Int, words wordCount: Int, _ shard: ParameterShard, shared: NodeStorage?,
    in world: any Communicator
  ) {
    isTakenWhole = !shard.isDivided || shared?.isOnlyOne == true
    if let shared, shared.isOnePerNode {
      let own = Storage(count: 2 * wordCount)
      memory = [shared.storage, own]
      gradient = UnsafeMutableBufferPointer(rebasing: shared.storage.integers[..<count])
      words = own.integers
      locks = BlockLocks(shared.storage.base + 2 * count, block: ParameterShard.block)
      holders = .nodes
      ownPart = ParameterShard.divided(count, rank: world.rankOnNode, ranks: world.ranksOnNode).range
      isOfRankZero = world.nodeLeader == 0
    } else {
      // One piece, so that one operation sums it.
      let own = Storage(count: 2 * (count + wordCount))
      memory = [own]
      gradient = UnsafeMutableBufferPointer(rebasing: own.integers[..<count])
      words = UnsafeMutableBufferPointer(rebasing: own.integers[count...])
      (locks, holders, ownPart, isOfRankZero) = (nil, .ranks, 0..<count, world.rank == 0)
    }
  }

  /// The fp32 numbers that a shared gradient takes with its locks.
  static func sharedCount(_ gradient: Int) -> Int { 2 * gradient + BlockLocks.count(gradient, ParameterShard.block) }

  /// Sets the gradient to 0. Collective.
  func clear(in world: any Communicator, _ pool: ThreadPool) throws {
    clear(pool)
    // Others add to this rank's part next.
    if holders == .nodes { try world.barrier() }
  }

  /// Sets to 0 what rank 0 does not have, so that a sum counts once when more is added to it. Collective.
  /// - Parameter gradient: whether the gradient was summed too.
  func leaveToRankZero(gradient isSummed: Bool, in world: any Communicator, _ pool: ThreadPool) throws {
    if world.rank != 0 { words.update(repeating: 0) }
    guard isSummed else { return }
    if !isOfRankZero { clear(pool) }
    if holders == .nodes { try world.barrier() }
  }

  private func clear(_ pool: ThreadPool) {
    nonisolated(unsafe) let part = UnsafeMutableBufferPointer(rebasing: gradient[ownPart])
    pool.blocks(of: part.count, by: 1 << 17) { part[$0].update(repeating: 0) }
  }

  /// Adds to the gradient at `offset`.
  /// - Returns: what is wrong with the numbers.
  func add(_ numbers: Matrix, at offset: Int, terms: Int, _ pool: ThreadPool) -> FixedPoint.Fault {
    precondition(numbers.stride == numbers.columns, "a gradient with gaps")
    guard let base = gradient.baseAddress else { return [] }
    return FixedPoint.add(
      numbers.base, to: base, at: offset, count: numbers.rows * numbers.columns, terms: terms, locks: locks,
      pool)
  }

  /// Sums gradient and the first `count` words over ranks, for all ranks, each of which has its own. Collective.
  func sumForAll(words count: Int, by dispatcher: Dispatcher, _ clock: PhaseClock) throws {
    precondition(holders == .ranks, "a gradient that ranks share has no sum for all")
    try dispatcher.sum(
      UnsafeMutableBufferPointer(start: gradient.baseAddress, count: gradient.count + count), clock)
  }

  /// Sums ranges of the gradient, each for one rank or the ranks that share its gradient. Collective.
  func sum(_ ranges: [(owner: Int, range: Range<Int>)], by dispatcher: Dispatcher, _ clock: PhaseClock) throws {
    let parts = ranges.filter { !$0.range.isEmpty }.map {
      SumPart(values: UnsafeMutableBufferPointer(rebasing: gradient[$0.range]), root: $0.owner)
    }
    try dispatcher.sum(parts, of: holders, clock)
  }
}
