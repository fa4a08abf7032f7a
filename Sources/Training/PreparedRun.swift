// From a request to a run that can start: everything the caller may have got wrong is found here, before the work,
// and all ranks agree on it.

import Checkpoints
package import Collectives
import Corpus
package import Model
import Tensors

/// Where a run starts.
package struct RunStart: Sendable, Equatable {
  /// Steps done already.
  package var step = 0
  /// Rows computed already.
  package var tokens = 0
  /// The checkpoint that the run goes on from.
  package var checkpoint: String?
  /// What was under way after those steps.
  package var partial: PartialWork?
  package var earlyStopping = EarlyStopping()
  package var skipped = SkippedSteps()
  /// Records that are in no step and no evaluation.
  package var quarantine = Quarantine()
  /// Names the run in its checkpoints.
  package var run = String(UInt64.random(in: .min ... .max), radix: 16)
}

/// What rank 0 tells the others before the work starts.
package struct RunSetup: Sendable, Equatable {
  package var exampleCount: Int
  package var heldOutCount: Int
  package var demand: PassDemand
  package var samples: SamplePlan
  package var startStep: Int
  /// What was under way when the run was saved last.
  package var partial: PartialWork.Kind?
  package var skipped: SkippedSteps
  /// Places of the examples that no step takes.
  package var quarantinedPositions: [Int]
  /// Whether weights come from a checkpoint or a starting adapter.
  package var startsFromFiles: Bool
  package var isFinished: Bool

  /// As far as ranks without files need to know it.
  var start: RunStart {
    let partial = partial.map {
      PartialWork(kind: $0, step: $0 == .step ? startStep + 1 : startStep, done: 0, seconds: 0)
    }
    return RunStart(step: startStep, partial: partial, skipped: skipped)
  }
}

/// One rank, ready to run.
package struct PreparedRun {
  package let world: any Communicator
  package let configuration: RunConfiguration
  package let directory: ModelDirectory
  package let model: Qwen2
  package let adapterConfiguration: AdapterConfiguration
  package let setup: RunSetup
  package let start: RunStart
  package let coordinator: Coordinator?
  package let threads: Int

  /// Prepares a run. Collective.
  /// - Throws: on all ranks alike, `AgreedFailure` for what any of them found, `WorldError` for unlike ranks.
  package init(
    _ request: RunRequest, world: any Communicator, build: BuildIdentity, progress: @escaping (RunProgress) -> Void
  )
    throws
  {
    self.world = world
    configuration = try Self.share(request, world)
    let (configuration, threads) = (configuration, Threads.count(asked: request.threads, in: world))
    self.threads = threads

    var lock: DirectoryLock?
    try world.agree {
      guard world.rank == 0, request.writes else { return }
      lock = try Self.lock(configuration.outputDirectory, progress)
    }
    var opened: (directory: ModelDirectory, model: Qwen2, hash: String)?
    try world.agree { () throws in
      let directory = try ModelDirectory(configuration.baseModel)
      let hash = try directory.contentHash()
      let storage = configuration.weightStorage
      // One rank of a node quantises, while the others wait for it asleep.
      let model = try Qwen2(directory, as: storage, modelHash: hash, threads: threads * world.ranksOnNode) {
        progress(.quantized(layers: $0, of: $1))
      }
      opened = (directory, model, storage.contentHash(modelHash: hash))
    }
    guard let opened else { throw DamagedMessage() }
    directory = opened.directory
    model = opened.model
    try build.requireAlike(in: world, modelHash: opened.hash, allowsMixed: request.allowsMixed) {
      progress(.notice($0))
    }
    try WorldCheck.requireCorrectSums(in: world)

    var coordinator: Coordinator?
    try world.agree {
      guard world.rank == 0 else { return }
      coordinator = try Coordinator(
        configuration, request: request, directory: opened.directory, modelHash: opened.hash, build: build,
        lock: lock, ranks: world.size, threads: threads, progress: progress)
    }
    self.coordinator = coordinator
    for text in coordinator?.notices ?? [] { progress(.notice(text)) }
    (setup, adapterConfiguration) = try Self.share(coordinator, world)
    start = coordinator?.start ?? setup.start
  }

  /// Keeps other runs out of the output directory, and finds out whether it can be written.
  /// - Throws: `DirectoryInUse`, `RunRefusal.notWritable`; `WriteError` when the machine falls short.
  private static func lock(_ path: String, _ progress: (RunProgress) -> Void) throws -> DirectoryLock {
    do {
      // A rank 0 that was killed may take seconds to give its memory back, and holds the lock meanwhile.
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

  /// The memory of every rank. Collective.
  /// - Throws: `AgreedFailure` when a rank cannot keep to the limit.
  func memoryPlan(_ layout: AdapterLayout) throws -> MemoryPlan {
    var plan: MemoryPlan?
    try world.agree {
      plan = try MemoryPlan(
        configuration, layout, demand: setup.demand, samples: setup.samples, threads: threads, world: world)
    }
    guard let plan else { throw DamagedMessage() }
    return plan
  }

  /// The configuration that rank 0 read, on all ranks.
  private static func share(_ request: RunRequest, _ world: any Communicator) throws -> RunConfiguration {
    var configuration: RunConfiguration?
    try world.agree {
      guard world.rank == 0 else { return }
      configuration = try RunConfiguration(path: request.configurationPath, overrides: request.overrides)
    }
    let yaml = try world.broadcast(Array((configuration?.resolvedYAML ?? "").utf8), from: 0)
    if let configuration { return configuration }
    return try RunConfiguration(
      yaml: String(decoding: yaml, as: UTF8.self), name: request.configurationPath, overrides: [])
  }

  /// What rank 0 found out, on all ranks.
  private static func share(
    _ coordinator: Coordinator?, _ world: any Communicator
  ) throws -> (RunSetup, AdapterConfiguration) {
    var writer = WordWriter()
    if let coordinator {
      let (setup, adapter) = (coordinator.setup, coordinator.adapterConfiguration)
      let modules = LinearModule.allCases.map { adapter.modules.contains($0) ? 1 : 0 }
      let demand = setup.demand
      let words =
        [
          setup.exampleCount, setup.heldOutCount, setup.startStep, setup.startsFromFiles ? 1 : 0,
          setup.isFinished ? 1 : 0, setup.samples.count, setup.samples.newTokens, setup.samples.capacity,
          demand.capacity.rows, demand.capacity.scoredRows, demand.capacity.targets,
          demand.positions, demand.mostMicroBatches, setup.skipped.count, adapter.rank,
          Int(bitPattern: UInt(adapter.alpha.bitPattern)),
          Int(bitPattern: UInt(adapter.dropout.bitPattern)), adapter.usesRankStabilizedScaling ? 1 : 0,
          setup.partial.flatMap(PartialWork.Kind.allCases.firstIndex(of:)) ?? PartialWork.Kind.allCases.count,
          setup.skipped.recent.count,
        ] + modules + setup.skipped.recent + setup.quarantinedPositions
      for word in words { writer.append(word) }
    }
    var reader = WordReader(bytes: try world.broadcast(writer.bytes, from: 0))
    var words: [Int] = []
    while !reader.isAtEnd { words.append(try reader.next()) }
    let fixed = 20 + LinearModule.allCases.count
    guard words.count >= fixed, 0...words.count - fixed ~= words[19] else { throw DamagedMessage() }
    var demand = PassDemand()
    var samples = SamplePlan()
    (samples.count, samples.newTokens, samples.capacity) = (words[5], words[6], words[7])
    demand.capacity = Capacity(rows: words[8], scoredRows: words[9], targets: words[10])
    demand.positions = words[11]
    demand.mostMicroBatches = words[12]
    let setup = RunSetup(
      exampleCount: words[0], heldOutCount: words[1], demand: demand, samples: samples, startStep: words[2],
      partial: PartialWork.Kind.allCases.indices.contains(words[18]) ? PartialWork.Kind.allCases[words[18]] : nil,
      skipped: SkippedSteps(count: words[13], recent: Array(words[fixed...].prefix(words[19]))),
      quarantinedPositions: Array(words[fixed...].dropFirst(words[19])), startsFromFiles: words[3] == 1,
      isFinished: words[4] == 1)
    let adapter = AdapterConfiguration(
      rank: words[14], alpha: Double(bitPattern: UInt64(UInt(bitPattern: words[15]))),
      dropout: Double(bitPattern: UInt64(UInt(bitPattern: words[16]))), usesRankStabilizedScaling: words[17] == 1,
      modules: zip(LinearModule.allCases, words[20...]).filter { $0.1 == 1 }.map(\.0), baseModel: nil)
    return (setup, coordinator?.adapterConfiguration ?? adapter)
  }
}

/// What the running program is; ranks must agree on it.
package struct BuildIdentity: Sendable {
  package var version: String
  /// SHA-256 of the executable.
  package var binary: String

  package init(version: String, binary: String) {
    self.version = version
    self.binary = binary
  }

  /// Refuses a world of unlike ranks. Collective.
  /// - Parameters:
  ///   - allowsMixed: whether unlike builds and machines get a notice only; another model is always refused.
  /// - Throws: `WorldError.ranksDiffer`, on all ranks alike.
  func requireAlike(
    in world: any Communicator, modelHash: String, allowsMixed: Bool = false, notice: (String) -> Void = { _ in }
  ) throws {
    try WorldCheck.requireAlike(["base_model content": modelHash], in: world)
    let machine = [
      "version": version, "binary": binary, "vector level": Machine.vectorLevel, "BLAS core": Machine.blasCore,
    ]
    let differences = try WorldCheck.differences(of: machine, in: world)
    guard !differences.isEmpty else { return }
    guard allowsMixed else { throw WorldError.ranksDiffer(differences) }
    if world.rank == 0 {
      notice("the ranks are not alike (--allow-mixed): the result depends on who computes what")
      for difference in differences { notice(difference.description) }
    }
  }
}

/// Threads of a rank.
package enum Threads {
  /// As many as asked for; else this node's cores shared by its ranks, at least 1, and fewer where a container or a
  /// job allows fewer. mpirun's binding of a rank to fewer cores is given up.
  package static func count(asked: Int?, in world: any Communicator) -> Int {
    let wanted = asked ?? max(1, ProcessorSet.onlineCount / world.ranksOnNode)
    let bound = ProcessorSet.widen(for: wanted)
    return asked ?? min(wanted, bound)
  }
}

extension Communicator {
  /// Runs `body` on every rank; a failure of any ends all, told by the lowest that failed.
  /// - Throws: `AgreedFailure`.
  func agree(_ body: () throws -> Void) throws {
    var failure: (any Error)?
    do { try body() } catch { failure = error }
    try agreeOnFailure(local: failure)
  }
}
