// Plans a rank's private memory, and which layers can keep their activations within a limit.

package import Collectives
package import Model
import Tensors

/// The private memory of a rank. It excludes the frozen weights, which all ranks of a node share.
package struct MemoryPlan: Sendable, Equatable {
  package let retention: Retention
  /// Parameters, optimizer moments and the gradient's integer sums, as far as they are the rank's own.
  package let arenaBytes: Int
  /// The values of trained weights and the integer sums of their gradient, of which the ranks of a node share a copy.
  package let sharedArenaBytes: Int
  /// The pass's buffers.
  package let passBytes: Int
  /// The process itself: its memory before the plan, and temporary memory for all-reduce and saving.
  package let processBytes: Int

  /// The cache and buffers for answering held-out documents.
  package let sampleBytes: Int

  package var privateBytes: Int { arenaBytes + passBytes + sampleBytes + processBytes }

  /// Chunks for MPI and files, and the threads' stacks.
  private static let reserve = 160_000_000

  /// Plans a rank of `world`.
  /// - Throws: `MemoryLimitTooLow` when recomputing all layers still needs more than `memory_limit`.
  package init(
    _ configuration: RunConfiguration, _ layout: PolicyLayout, demand: PassDemand, samples: SamplePlan, threads: Int,
    world: any Communicator
  ) throws {
    func passBytes(_ retention: Retention) -> Int {
      Pass.byteCount(
        layout.configuration, layout, capacity: demand.capacity, positions: demand.positions, retention: retention,
        dropout: configuration.loraDropout > 0, threads: threads)
    }
    let count = layout.count
    let isDivided = layout.trainsWeights
    let shard = isDivided ? ParameterShard.divided(count, rank: world.rank, ranks: world.size) : .whole(count)
    let sums = StepSums.byteCount(parameters: count)
    sharedArenaBytes = isDivided ? 4 * count + sums : 0
    arenaBytes =
      (isDivided ? 0 : 4 * count + sums)
      + shard.range.count * (configuration.optimizer == .adamW ? 8 : 4)
      + (configuration.refersToStartingAdapter ? 4 * count : 0)
      + (layout.adapter?.form == .relative ? 4 * (layout.adapter?.count ?? 0) : 0)
    sampleBytes = samples.count > 0 ? Generator.byteCount(layout.configuration, capacity: samples.capacity) : 0
    processBytes = ProcessMemory.anonymousBytes + Self.reserve
    switch configuration.gradientCheckpointing {
    case .off: retention = .all
    case .on: retention = .layerInputs
    case .automatic:
      let available = ProcessMemory.availableBytes.map { [sharedArenaBytes] in
        max(0, $0 - sharedArenaBytes) / world.ranksOnNode * 9 / 10
      }
      let limit = configuration.memoryLimit ?? available ?? .max
      let left = limit - arenaBytes - sampleBytes - processBytes
      let layers = layout.configuration.layerCount
      guard
        let kept = (0...layers).last(where: { passBytes(.activations(layers: $0)) <= left })
      else {
        throw MemoryLimitTooLow(limit: limit, needed: arenaBytes + sampleBytes + processBytes + passBytes(.layerInputs))
      }
      retention = kept == layers ? .all : .activations(layers: kept)
    }
    self.passBytes = passBytes(retention)
  }
}

/// A memory limit that is too low even with recomputation of all layers.
package struct MemoryLimitTooLow: UserError {
  let limit, needed: Int

  package var description: String {
    "memory_limit: a rank needs at least \(ByteCount.text(needed)), the limit is \(ByteCount.text(limit)): raise it, "
      + "shorten sequence_len, or lower lora_r"
  }
}
