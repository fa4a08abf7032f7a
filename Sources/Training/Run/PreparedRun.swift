// Prepares a run from a request. All mistakes of the user are found here, before any work, and all ranks agree on them.

import Checkpoints
package import Collectives
import Corpus
package import Model
package import Runtime
import Tensors

/// One rank, ready to run.
package struct PreparedRun {
  package let world: any Communicator
  package let configuration: RunConfiguration
  package let directory: ModelDirectory
  package private(set) var model: LanguageModel
  package let setup: RunSetup
  package let schedule: StepSchedule
  /// Rank 0's part.
  package let coordinator: Coordinator?
  package let threads: Int

  /// Prepares a run. Collective.
  /// - Throws: on all ranks alike: `AgreedFailure` for an error of any rank, `WorldError` when the ranks differ.
  package init(
    _ request: RunRequest, world: any Communicator, build: BuildIdentity, progress: @escaping (RunProgress) -> Void
  ) throws {
    self.world = world
    var configuration = try Self.share(request, world)
    // On every rank: another node may have another cache.
    try world.agree { try configuration.locateModels() }
    let threads = Threads.count(asked: request.threads, in: world)
    (self.configuration, self.threads) = (configuration, threads)

    let lock = try world.onCoordinator { () throws -> DirectoryLock? in
      let (files, inputs) = (RunDirectory(configuration.outputDirectory), configuration.inputs)
      try OutputTarget.requireDirectory(files.path, inputs: inputs)
      try files.requireApart(from: inputs)
      try files.requireKept(configuration: request.configurationPath)
      return request.writes ? try Self.lock(configuration.outputDirectory, progress) : nil
    }
    let opened = try world.agree {
      let directory = try configuration.openModel(threads: threads * world.ranksOnNode)
      let hash = try directory.contentHash()
      let storage = configuration.weightStorage
      // One rank per node quantises. The others sleep until it is done.
      let model = try LanguageModel(directory, as: storage, modelHash: hash, threads: threads * world.ranksOnNode) {
        progress(.quantized(storage, layers: $0, of: $1))
      }
      return (directory: directory, model: model, baseHash: hash, hash: storage.contentHash(modelHash: hash))
    }
    (directory, model) = (opened.directory, opened.model)
    try build.requireAlike(in: world, modelHash: opened.hash, allowsMixed: request.allowsMixed) {
      progress(.notice($0))
    }
    try WorldCheck.requireCorrectSums(in: world)

    coordinator = try world.onCoordinator {
      let inputs = Coordinator.Inputs(
        directory: opened.directory, baseHash: opened.baseHash, modelHash: opened.hash, build: build, lock: lock ?? nil,
        ranks: world.size, threads: threads)
      return try Coordinator(configuration, request, inputs, progress: progress)
    }
    for text in coordinator?.notices ?? [] { progress(.notice(text)) }
    setup = try world.share(coordinator?.setup)
    if configuration.layout(setup.adapter, opened.model.configuration).headRange != nil {
      model = opened.model.withHead(of: opened.directory)
    }
    schedule =
      coordinator?.schedule
      ?? StepSchedule(
        configuration, examples: setup.exampleCount, lengths: setup.lengths,
        startsAfter: setup.start.orderStartsAfter)
  }

  /// Sends the configuration that rank 0 read to all ranks.
  private static func share(_ request: RunRequest, _ world: any Communicator) throws -> RunConfiguration {
    let configuration = try world.onCoordinator {
      try RunConfiguration(path: request.configurationPath, overrides: request.overrides)
    }
    let yaml = try world.share(configuration?.resolvedYAML)
    if let configuration { return configuration }
    return try RunConfiguration(yaml: yaml, name: request.configurationPath, overrides: [])
  }

  /// Locks the output directory against other runs and checks that it is writable.
  /// - Throws: `DirectoryInUse`, `RunRefusal.notWritable`; `WriteError` when the machine lacks resources.
  private static func lock(_ path: String, _ progress: (RunProgress) -> Void) throws -> DirectoryLock {
    do {
      // A killed rank 0 can take seconds to free its memory, and it holds the lock until then.
      let lock = try DirectoryLock(path, waiting: 15) { holder in
        let holder = holder?.description ?? "another process"
        progress(.notice("\(path): \(holder) works there; waiting a little for it to end"))
      }
      if !lock.isExclusive {
        progress(.notice("\(path): its file system knows no locks; see to it that no other run writes there"))
      }
      return lock
    } catch let error as WriteError where !error.isShortage {
      throw RunRefusal.notWritable(path: path, reason: "cannot \(error.action): \(error.reason)")
    }
  }

  /// - Throws: `RunRefusal` if differences of the loss cannot be compared with its gradient.
  package func requireDifferences() throws(RunRefusal) {
    if configuration.weightStorage == .int8 { throw .differencesAreRounded }
  }

  // MARK: Plans

  package var layout: PolicyLayout { configuration.layout(setup.adapter, model.configuration) }

  /// What the policy is saved as.
  var form: PolicyForm {
    setup.adapter.map(PolicyForm.adapter) ?? .model(directory, final: configuration.savedType.elementType)
  }

  /// Plans the memory of every rank. Collective.
  /// - Parameter notice: told on rank 0 if the memory of its machine is too small.
  /// - Throws: `AgreedFailure` when a rank cannot stay within the limit.
  func memoryPlan(notice: (String) -> Void) throws -> MemoryPlan {
    // References that are known before the steps need the base no longer.
    let readsBase = configuration.objective.usesReference && !configuration.precomputesReferenceLogProbs
    let plan = try world.agree {
      try MemoryPlan(
        configuration, layout, demand: setup.demand, samples: setup.samples, taskBytes: setup.taskBytes,
        threads: threads,
        weightBytes: model.sharedByteCount { readsBase || layout.isFrozen($0) }, world: world)
    }
    if world.rank == 0, let text = plan.notice { notice(text) }
    return plan
  }

  /// Forecasts the run's time after measuring all ranks. Collective; nil on all ranks except 0.
  /// - Parameter tasks: of evaluations.
  func forecast(_ memory: MemoryPlan, _ dispatcher: Dispatcher, _ tasks: TaskEvaluation?) throws -> Forecast? {
    let costModels = try CostModel.ofAllRanks(
      model, layout: layout, sample: coordinator?.data.typicalExample, threads: threads, dispatcher: dispatcher)
    let taskSeconds = try tasks?.seconds() ?? 0
    return coordinator.map { coordinator in
      Forecast(
        costModels, layout, coordinator.data,
        references: coordinator.references.missing.lazy.map(coordinator.data.outline), schedule: schedule,
        configuration,
        recomputedLayers: memory.retention.recomputedLayers(of: model.configuration.layerCount), tasks: taskSeconds)
    }
  }
}
