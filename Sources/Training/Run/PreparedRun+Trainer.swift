// Makes the trainer of a prepared run, in the state from which the run starts.

import Collectives
import Corpus
import Model
import Runtime
import Tensors

extension PreparedRun {
  /// Collective.
  func trainer(_ memory: MemoryPlan, _ dispatcher: Dispatcher) throws -> Trainer {
    let layout = layout
    let pass = Pass(
      model.configuration, layout: layout, capacity: setup.demand.capacity, positions: setup.demand.positions,
      retention: memory.retention, dropout: configuration.loraDropout > 0, threads: threads)
    return Trainer(
      configuration: configuration, dispatcher: dispatcher, pass: pass, model: model, layout: layout,
      arenas: try TrainerArenas(layout, in: world) { layout.fill($0, from: model, pass.pool) },
      referenceValues: configuration.refersToStartingAdapter ? Storage(count: layout.count) : nil,
      totalSteps: schedule.totalSteps, mostExamples: setup.demand.mostExamples,
      mostMicroBatches: setup.demand.mostMicroBatches, skipped: setup.start.skipped)
  }

  /// Answers held-out documents; nil if the configuration requests no samples. Collective.
  func sampling(_ trainer: Trainer) throws -> Sampling? {
    guard setup.samples.count > 0 else { return nil }
    return try world.agree {
      try Sampling(setup.samples, trainer, directory: directory, endIDs: setup.endIDs)
    }
  }

  /// The tasks of evaluations; nil if the configuration has none. Collective.
  /// - Parameter trainer: whose policy answers; nil: the base, for a plan.
  func tasks(_ dispatcher: Dispatcher, _ trainer: Trainer? = nil) throws -> TaskEvaluation? {
    guard !configuration.evaluationTasks.isEmpty else { return nil }
    let policy = trainer?.policy ?? Policy(model)
    let pool =
      trainer?.pass.pool
      ?? ThreadPool(
        threads: threads, scratchCount: Attention.scratchCount(headWidth: model.configuration.headWidth))
    let tokenizer = try world.agree {
      try Tokenizer(
        directory: configuration.baseDirectory, endOfSequence: configuration.specialTokens.endOfSequence)
    }
    return TaskEvaluation(coordinator?.tasks, policy, tokenizer, dispatcher, pool)
  }

  /// Loads values, moments and partial sums: rank 0 reads them for all, or they are drawn. Collective.
  func loadState(into trainer: Trainer) throws {
    if setup.startsFromFiles {
      try readState(into: trainer)
    } else {
      try initialize(trainer.policy.adapter, trainer.pass.pool)
      trainer.policy.startMagnitudes(trainer.pass.pool)
    }
    trainer.policy.parametersChanged()
    let start = setup.start
    guard start.partial?.kind == .step else { return }
    let quarantined = Set(setup.quarantinedPositions)
    let positions = schedule.plan.positions(step: start.step).filter { !quarantined.contains($0) }
    try world.agree {
      try trainer.sums.resume(
        start.step + 1, examples: positions.count,
        read: coordinator.map { coordinator in { try coordinator.readPartialWork(into: $0) } })
    }
  }

  private func readState(into trainer: Trainer) throws {
    var moments: Checkpoint.Moments?
    try world.agree {
      moments = try coordinator?.readState(into: trainer, form)
      if let reference = trainer.referenceValues {
        try coordinator?.readStartingAdapter(into: reference, trainer.layout)
      }
    }
    // Where ranks share the values, each gets the same bytes again.
    for arena in [trainer.values, trainer.referenceValues, trainer.policy.adapter?.companion].compactMap(\.self) {
      try world.broadcast(UnsafeMutableRawBufferPointer(start: arena.base, count: 4 * arena.count), from: 0)
    }
    guard setup.start.step > 0 else { return }
    let reader = trainer.momentReader
    for arena in reader.arenas.indices {
      try reader.fill(
        arena, count: trainer.layout.count,
        moments.map { moments in
          { moments.copy($0, of: arena, to: $1) }
        })
    }
  }

  /// Collective.
  private func initialize(_ adapter: Adapter?, _ pool: ThreadPool) throws {
    guard let adapter else { return }
    let seed = UInt64(bitPattern: Int64(configuration.seed))
    switch configuration.initialisation {
    case .uniform: adapter.initializeUniform(seed: seed)
    case .gaussian: adapter.initializeGaussian(seed: seed)
    case .initB: adapter.initializeB(seed: seed)
    case .pissa, .olora: try fillCompanion(of: adapter, seed: seed, pool)
    }
    adapter.startAtCompanion()
  }

  /// Computes the companion of a relative adapter, every rank some of its matrices. Collective.
  private func fillCompanion(of adapter: Adapter, seed: UInt64, _ pool: ThreadPool) throws {
    guard let start = configuration.initialisation.relativeStart, let companion = adapter.companion else { return }
    let c = model.configuration
    func cost(_ name: AdapterMatrix) -> Int {
      let (rows, columns) = (name.module.outputWidth(c), name.module.inputWidth(c))
      return min(rows, columns) * rows * columns
    }
    // In turn, the costliest first. Which rank computes a matrix does not change its bits.
    let names = adapter.layout.matrices.filter { $0.side == .a }
    let order = names.indices.sorted { (-cost(names[$0]), $0) < (-cost(names[$1]), $1) }.map { names[$0] }
    let own = stride(from: world.rank, to: order.count, by: world.size).map { order[$0] }
    pool.run(own.count) { [model] place, _ in
      adapter.fillCompanion(own[place].module, layer: own[place].layer, of: model, start, seed: seed)
    }
    for (place, name) in order.enumerated() {
      for side in [AdapterMatrix.Side.a, .b] {
        let part = adapter.layout.matrix(AdapterMatrix(name.module, layer: name.layer, side: side), in: companion)
        try world.broadcast(
          UnsafeMutableRawBufferPointer(start: part.base, count: 4 * part.rows * part.columns), from: place % world.size
        )
      }
    }
  }
}
