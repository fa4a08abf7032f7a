// Makes the trainer of a prepared run, in the state from which the run starts.

import Collectives
import Corpus
import Model
import Tensors

extension PreparedRun {
  func trainer(_ memory: MemoryPlan, _ dispatcher: Dispatcher) -> Trainer {
    let layout = layout
    let pass = Pass(
      model.configuration, layout: layout, capacity: setup.demand.capacity, positions: setup.demand.positions,
      retention: memory.retention, dropout: configuration.loraDropout > 0, threads: threads)
    return Trainer(
      configuration: configuration, dispatcher: dispatcher, pass: pass, model: model, layout: layout,
      values: Storage(count: layout.count),
      reference: configuration.refersToStartingAdapter
        ? layout.adapter.map { Policy(model, adapter: Adapter(layout: $0)) } : nil,
      totalSteps: schedule.totalSteps, mostExamples: setup.demand.mostExamples,
      mostMicroBatches: setup.demand.mostMicroBatches, skipped: setup.start.skipped)
  }

  /// Answers held-out documents; nil if the configuration requests no samples. Collective.
  func sampling(_ trainer: Trainer) throws -> Sampling? {
    guard setup.samples.count > 0 else { return nil }
    var sampling: Sampling?
    try world.agree { sampling = try Sampling(setup.samples, trainer, directory: directory, endIDs: setup.endIDs) }
    return sampling
  }

  /// Loads weights, moments and partial sums: rank 0 reads them for all, or they are drawn. Collective.
  func loadState(into trainer: Trainer) throws {
    guard setup.startsFromFiles else { return initialize(trainer.adapter) }
    try world.agree {
      try coordinator?.readState(into: trainer.adapter, moments: trainer.moments)
      if let reference = trainer.reference.adapter { try coordinator?.readStartingAdapter(into: reference) }
    }
    var arenas = [trainer.values] + (trainer.reference.adapter.map { [$0.weights] } ?? [])
    let start = setup.start
    if start.step > 0 { arenas += trainer.moments.all }
    for arena in arenas {
      try world.broadcast(UnsafeMutableRawBufferPointer(start: arena.base, count: 4 * arena.count), from: 0)
    }
    guard start.partial?.kind == .step else { return }
    let quarantined = Set(setup.quarantinedPositions)
    let positions = schedule.plan.positions(step: start.step).filter { !quarantined.contains($0) }
    try world.agree {
      try trainer.sums.resume(
        start.step + 1, examples: positions.count,
        read: coordinator.map { coordinator in { try coordinator.readPartialWork(into: $0) } })
    }
  }

  private func initialize(_ adapter: Adapter) {
    let seed = UInt64(bitPattern: Int64(configuration.seed))
    switch configuration.initialisation {
    case .uniform: adapter.initializeUniform(seed: seed)
    case .gaussian: adapter.initializeGaussian(seed: seed)
    case .initB: adapter.initializeB(seed: seed)
    }
  }
}
