// Plans a rank's private memory, and which layers can keep their activations within a limit.

package import Collectives
package import Model
import Tensors

/// The private memory of a rank, and what the ranks of a node share.
package struct MemoryPlan: Sendable, Equatable {
  package let retention: Retention
  /// Parameters, optimizer moments and the gradient's integer sums, as far as they are the rank's own.
  package let arenaBytes: Int
  /// The values of trained weights and the integer sums of their gradient, of which the ranks of a node share a copy.
  package let sharedArenaBytes: Int
  /// The frozen weights that every step reads, in mapped files. The system may drop them, and then reads them again.
  package let weightBytes: Int
  /// The pass's buffers.
  package let passBytes: Int
  /// The process itself: its memory before the plan, and temporary memory for all-reduce and saving.
  package let processBytes: Int
  /// The caches and buffers for answering held-out documents and tasks.
  package let sampleBytes: Int
  /// What this node or container has for the run; nil if the system does not report it.
  package let availableBytes: Int?
  private let ranksOnNode: Int

  package var privateBytes: Int { arenaBytes + passBytes + sampleBytes + processBytes }
  package var sharedBytes: Int { sharedArenaBytes + weightBytes }

  /// Chunks for MPI and files, and the threads' stacks.
  private static let reserve = 160_000_000

  /// Plans a rank of `world`.
  /// - Parameters:
  ///   - taskBytes: for the tasks of an evaluation.
  ///   - weightBytes: of the frozen weights that every step reads.
  ///   - free: what the node has left.
  /// - Throws: `MemoryLimitTooLow` when recomputing all layers still needs more than there is.
  package init(
    _ configuration: RunConfiguration, _ layout: PolicyLayout, demand: PassDemand, samples: SamplePlan,
    taskBytes: Int, threads: Int,
    weightBytes: Int, free: Int? = ProcessMemory.availableBytes, world: any Communicator
  ) throws {
    func passBytes(_ retention: Retention) -> Int {
      Pass.byteCount(
        layout.configuration, layout, capacity: demand.capacity, positions: demand.positions, retention: retention,
        dropout: configuration.loraDropout > 0, threads: threads)
    }
    let count = layout.count
    let (own, shared) = TrainerArenas.byteCount(layout, in: world)
    sharedArenaBytes = shared
    arenaBytes =
      own
      + ParameterShard(of: layout, in: world).range.count * (configuration.optimizer == .adamW ? 8 : 4)
      + (configuration.refersToStartingAdapter ? 4 * count : 0)
      + (layout.adapter?.form == .relative ? 4 * (layout.adapter?.count ?? 0) : 0)
    sampleBytes =
      taskBytes
      + (samples.count > 0
        ? Generator.byteCount(
          layout.configuration, capacity: samples.capacity, slots: samples.slots, cached: samples.cached) : 0)
    let present = ProcessMemory.anonymousBytes
    processBytes = present + Self.reserve
    (self.weightBytes, ranksOnNode) = (weightBytes, world.ranksOnNode)
    // The plan counts what the ranks hold by now.
    availableBytes = free.map { [ranksOnNode] in $0 + ranksOnNode * present }
    switch configuration.gradientCheckpointing {
    case .off: retention = .all
    case .on: retention = .layerInputs
    case .automatic:
      let fixed = arenaBytes + sampleBytes + processBytes
      let least = fixed + passBytes(.layerInputs)
      let layers = layout.configuration.layerCount
      func kept(within limit: Int) -> Int? {
        (0...layers).last { fixed + passBytes(.activations(layers: $0)) <= limit }
      }
      let most: Int
      if let limit = configuration.memoryLimit {
        guard let kept = kept(within: limit) else { throw MemoryLimitTooLow(limit: limit, needed: least) }
        most = kept
      } else if let availableBytes {
        let share = max(0, availableBytes - sharedArenaBytes) / ranksOnNode
        guard least <= share else { throw MemoryLimitTooLow(available: share, needed: least) }
        // Beside the weights, which would otherwise be read from disk in every pass.
        most = kept(within: max(0, share - weightBytes / ranksOnNode) * 9 / 10) ?? 0
      } else {
        most = layers
      }
      retention = most == layers ? .all : .activations(layers: most)
    }
    self.passBytes = passBytes(retention)
  }

  /// What to tell the user if the memory of this node or container is too small; nil if it is not.
  package var notice: String? {
    guard let availableBytes else { return nil }
    let needed = privateBytes * ranksOnNode + sharedArenaBytes
    let ranks = ranksOnNode == 1 ? "this rank needs" : "the \(ranksOnNode) ranks on this machine need"
    let has = "\(ranks) \(ByteCount.text(needed)) of memory, and \(ByteCount.text(availableBytes)) are free"
    let remedy = "set gradient_checkpointing: auto and no memory_limit, shorten sequence_len, or start fewer ranks"
    guard needed <= availableBytes else { return "\(has): \(remedy)" }
    guard needed + weightBytes > availableBytes else { return nil }
    return "\(has), too little to keep \(ByteCount.text(weightBytes)) of weights in memory beside that: every pass "
      + "will read some of them from disk again; \(remedy)"
  }
}

/// Memory that is too little even with recomputation of all layers.
package struct MemoryLimitTooLow: UserError {
  private let needed, limit: Int
  private let isConfigured: Bool

  /// - Parameter limit: `memory_limit`.
  init(limit: Int, needed: Int) { (self.limit, self.needed, isConfigured) = (limit, needed, true) }

  /// - Parameter available: what the machine has for a rank.
  init(available: Int, needed: Int) { (limit, self.needed, isConfigured) = (available, needed, false) }

  package var description: String {
    let needs = "a rank needs at least \(ByteCount.text(needed))"
    return isConfigured
      ? "memory_limit: \(needs), the limit is \(ByteCount.text(limit)): raise it, shorten sequence_len, or lower lora_r"
      : "memory: \(needs), and this machine or container has \(ByteCount.text(limit)) for it: shorten sequence_len, "
        + "lower lora_r, or start fewer ranks"
  }
}
