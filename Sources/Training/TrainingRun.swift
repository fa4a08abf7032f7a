// A whole run: preparation that all ranks agree on, the reference pass, the steps, and what is written.

import Checkpoints
package import Collectives
import Corpus
import Model
import Synchronization
import Tensors

/// What the caller asks of a run.
package struct RunRequest: Sendable {
  /// `--resume`.
  package enum Resume: Sendable, Equatable {
    case automatic
    case never
    case from(String)
  }

  package var configurationPath: String
  package var overrides: [String]
  package var threads: Int?
  package var resume: Resume
  package var overwrites: Bool
  /// `--allow-mixed`: ranks of unlike builds or machines may work together.
  package var allowsMixed: Bool
  /// False where a run is only looked at.
  package var writes: Bool

  package init(
    configurationPath: String, overrides: [String] = [], threads: Int? = nil, resume: Resume = .automatic,
    overwrites: Bool = false, allowsMixed: Bool = false, writes: Bool = true
  ) {
    self.writes = writes
    self.allowsMixed = allowsMixed
    self.configurationPath = configurationPath
    self.overrides = overrides
    self.threads = threads
    self.resume = resume
    self.overwrites = overwrites
  }
}

/// How a run ended.
package enum RunEnding: Sendable, Equatable {
  case finished
  /// A stop was asked for; everything is saved, what was under way after so many steps included.
  case stopped(step: Int, PartialWork?)
  /// An earlier run had finished already.
  case alreadyFinished
}

/// One rank's view of a run. Every method is collective.
package final class TrainingRun {
  package let world: any Communicator
  package let configuration: RunConfiguration
  package let schedule: StepSchedule
  /// Rank 0's part.
  package let coordinator: Coordinator?
  package let trainer: Trainer
  let dispatcher: Dispatcher
  private let adapterConfiguration: AdapterConfiguration
  let heldOutCount: Int
  private let quarantinedPositions: Set<Int>
  private let isFinished: Bool
  let progress: (RunProgress) -> Void
  let start: RunStart
  private let debug: DebugRecorder?
  private let memory: MemoryPlan
  private var forecast: Forecast?
  private let telemetry: AdapterTelemetry
  let sampling: Sampling?
  /// On rank 0, when the state was saved last.
  let lastSave = Mutex(ContinuousClock.now)
  /// What a stop left under way.
  private var underWay: PartialWork?
  /// What steps took, and what they were predicted to.
  private var (spent, predicted) = (0.0, 0.0)

  package init(
    prepared: PreparedRun, stop: StopRequest, debug: DebugRecorder? = nil, progress: @escaping (RunProgress) -> Void
  ) throws {
    precondition(debug == nil || prepared.world.size == 1, "the debug mode is of a world of one")
    self.debug = debug
    world = prepared.world
    configuration = prepared.configuration
    adapterConfiguration = prepared.adapterConfiguration
    coordinator = prepared.coordinator
    start = prepared.start
    heldOutCount = prepared.setup.heldOutCount
    quarantinedPositions = Set(prepared.setup.quarantinedPositions)
    isFinished = prepared.setup.isFinished
    self.progress = progress
    schedule = StepSchedule(configuration, examples: prepared.setup.exampleCount)
    dispatcher = try Dispatcher(world: prepared.world, stop: stop)
    let adapter = Adapter(layout: AdapterLayout(adapterConfiguration, model: prepared.model.configuration))
    memory = try prepared.memoryPlan(adapter.layout)
    let pass = Pass(
      model: prepared.model, layout: adapter.layout, capacity: prepared.setup.demand.capacity,
      positions: prepared.setup.demand.positions, retention: memory.retention, dropout: configuration.loraDropout > 0,
      threads: prepared.threads)
    trainer = Trainer(
      configuration: configuration, dispatcher: dispatcher, pass: pass, adapter: adapter,
      referenceAdapter: configuration.refersToStartingAdapter ? Adapter(layout: adapter.layout) : nil,
      totalSteps: schedule.totalSteps, mostMicroBatches: prepared.setup.demand.mostMicroBatches,
      skipped: prepared.setup.skipped)
    telemetry = AdapterTelemetry(prepared.model, adapter.layout)
    let samples = prepared.setup.samples
    var sampling: Sampling?
    if samples.count > 0 {
      let trainer = trainer
      try world.agree { sampling = try Sampling(samples, trainer, directory: prepared.directory) }
    }
    self.sampling = sampling
    try loadState(prepared)
    pass.observer = debug
    guard !isFinished else { return }
    forecast = try Forecast.measured(prepared, layout: adapter.layout, memory: memory, dispatcher: dispatcher)
    let longestItem = try world.shareCount(forecast.map { Int(1000 * $0.longestItem) })
    world.follow(pass.pool.clock, itemSeconds: Double(longestItem) / 1000)
    if let forecast {
      progress(
        .planned(
          secondsPerStep: forecast.steps.reduce(0, +) / Double(schedule.totalSteps),
          seconds: forecast.total(startingAfter: start.step), privateBytesPerRank: memory.privateBytes))
      warnOfMemory()
    }
  }

  /// Says so where the ranks of this node are about to take more memory than there is.
  private func warnOfMemory() {
    let needed = memory.privateBytes * world.ranksOnNode
    guard let available = ProcessMemory.availableBytes, needed > available else { return }
    progress(
      .notice(
        "\(world.ranksOnNode) ranks on this machine need \(ByteCount.text(needed)) of memory and "
          + "\(ByteCount.text(available)) are free: set gradient_checkpointing: auto, or start fewer ranks"))
  }

  /// Weights and moments: from the checkpoint or the starting adapter on rank 0, for all; or drawn.
  private func loadState(_ prepared: PreparedRun) throws {
    let adapter = trainer.adapter
    if prepared.setup.startsFromFiles {
      try world.agree {
        try coordinator?.readState(into: adapter, moments: trainer.moments)
        if let reference = trainer.referenceAdapter { try coordinator?.readStartingAdapter(into: reference) }
      }
      var arenas = [adapter.weights] + (trainer.referenceAdapter.map { [$0.weights] } ?? [])
      if start.step > 0 { arenas += trainer.moments.all }
      for arena in arenas {
        try world.broadcast(UnsafeMutableRawBufferPointer(start: arena.base, count: 4 * arena.count), from: 0)
      }
      if prepared.setup.partial == .step {
        try world.agree {
          try trainer.resume(
            step: start.step + 1, examples: positions(step: start.step + 1).count,
            read: coordinator.map { coordinator in { try coordinator.readPartialWork(into: $0) } })
        }
      }
    } else {
      let seed = UInt64(bitPattern: Int64(configuration.seed))
      switch configuration.initialisation {
      case .uniform: adapter.initializeUniform(seed: seed)
      case .gaussian: adapter.initializeGaussian(seed: seed)
      case .initB: adapter.initializeB(seed: seed)
      }
    }
  }

  /// Trains to the end, or until a stop is asked for.
  /// - Throws: `TrainingError` and `SaveFailure` as an `AgreedFailure`; `MPIFailure`.
  package func run() throws -> RunEnding {
    guard !isFinished else {
      try dispatcher.close()
      return .alreadyFinished
    }
    try agree { try coordinator?.begin(resumingAt: start.step, memory: memory, forecast: forecast) }
    let data = try world.broadcast(Array((coordinator?.data.hash ?? "").utf8), from: 0)
    dispatcher.note = ItemNote(
      RunDirectory(configuration.outputDirectory), rank: world.rank, data: String(decoding: data, as: UTF8.self))
    if coordinator != nil, configuration.saveMinutes > 0 {
      let interval = Duration.seconds(60 * configuration.saveMinutes)
      dispatcher.isSaveDue = { [unowned self] in lastSave.withLock { ContinuousClock.now - $0 } >= interval }
    }
    let ending = try runToEnd()
    try dispatcher.close()
    return ending
  }

  private func runToEnd() throws -> RunEnding {
    var step = start.step
    guard try computeReferences() else { return .stopped(step: step, nil) }
    let phases = trainer.pass.pool.clock
    let phasesBefore = phases.seconds
    // The evaluation after a checkpoint is not in it.
    if start.partial?.kind != .step, try !evaluate(after: step) { return .stopped(step: step, underWay) }
    if step < schedule.totalSteps { try agree { try trainer.pass.populate() } }
    while try step < schedule.totalSteps && !endsEarly(after: step) {
      step += 1
      guard let outcome = try train(step) else { return .stopped(step: step - 1, underWay) }
      if let skip = outcome.skip { try endIfHopeless(step, skip) }
      if step % Self.stepsBetweenChecks == 0 { try requireSameAdapter(after: step) }
      let isStopping = outcome.isStopping && (step < schedule.totalSteps || heldOutCount > 0)
      if isStopping || outcome.isSaveDue || schedule.saves(after: step) { try save(step, isLastChance: isStopping) }
      if isStopping { return .stopped(step: step, nil) }
      guard try evaluate(after: step) else { return .stopped(step: step, underWay) }
    }
    let seconds = try world.gather((phases.seconds - phasesBefore).bytes).map(PhaseSeconds.init(bytes:))
    if coordinator != nil { progress(.timed(seconds)) }
    try requireSound(after: step)
    try agree { try coordinator?.finish(trainer, adapterConfiguration, step: step, seconds: seconds) }
    return .finished
  }

  /// One step and its report, with what is saved between its micro-batches; nil when it was stopped.
  private func train(_ step: Int) throws -> Trainer.StepOutcome? {
    let isResumed = start.partial?.kind == .step && step == start.step + 1
    let began = ContinuousClock.now - .seconds(isResumed ? start.partial?.seconds ?? 0 : 0)
    let positions = positions(step: step)
    guard !positions.isEmpty else { return skip(step) }
    let examples = coordinator?.stepExamples(positions)
    debug?.begin(step: step)
    while true {
      let end = try trainer.step(number: step, examples: examples, count: positions.count) {
        [debug, trainer, start] gradient in
        if step == start.step + 1 { try debug?.write(gradient: gradient, trainer.adapter.layout) }
      }
      let seconds = (ContinuousClock.now - began).seconds
      switch end {
      case .cut(let done, let isStopping):
        let partial = PartialWork(kind: .step, step: step, done: done, seconds: seconds)
        try save(partial, trainer.unfinishedSums(examples: positions.count), isLastChance: isStopping)
        if isStopping { return nil }
      case .done(let outcome):
        try debug?.end()
        if let examples { report(step, outcome, examples.map(\.tree), seconds: seconds) }
        return outcome
      }
    }
  }

  /// A step whose examples are all quarantined.
  private func skip(_ step: Int) -> Trainer.StepOutcome {
    let outcome = trainer.skip(number: step, Trainer.Skip(examples: [], reason: "all of its records are quarantined"))
    report(step, outcome, [], seconds: 0)
    return outcome
  }

  /// Places of the examples that a step takes, from 1.
  private func positions(step: Int) -> [Int] {
    schedule.plan.positions(step: step - 1).filter { !quarantinedPositions.contains($0) }
  }

  /// On rank 0.
  private func report(_ step: Int, _ outcome: Trainer.StepOutcome, _ trees: [ExampleTree], seconds: Double) {
    guard let coordinator, let forecast else { return }
    spent += seconds
    predicted += forecast.steps[step - 1]
    let isLogged = step % configuration.loggingSteps == 0 || step == schedule.totalSteps
    let report = coordinator.report(
      step: step, outcome, examples: trees,
      norms: isLogged && outcome.skip == nil ? telemetry.norms(trainer) : nil, schedule: schedule, seconds: seconds,
      remainingSeconds: forecast.remaining(after: step) * spent / predicted)
    coordinator.append(report)
    if let skip = outcome.skip {
      progress(.notice("warning: step \(step) is skipped: \(skip.reason); the adapter stays as it was"))
    } else if isLogged {
      progress(.stepped(report))
    }
  }

  /// Whether the run ends early after `step`. Collective where the configuration allows for it.
  private func endsEarly(after step: Int) throws -> Bool {
    guard configuration.earlyStoppingPatience != nil, schedule.evaluates(after: step) else { return false }
    let ends = try world.shareCount(coordinator?.endsEarly == true ? 1 : 0) > 0
    if ends, coordinator != nil {
      progress(
        .notice(
          "step \(step): the held-out loss has not fallen for \(configuration.earlyStoppingPatience ?? 0) evaluations; the run ends here"
        ))
    }
    return ends
  }

  /// Saves the state; a failure that is not the last straw costs a warning. Collective.
  func save(_ step: Int, isLastChance: Bool = false) throws {
    try requireSound(after: step)
    trainer.pass.pool.clock.enter(.saving)
    defer { trainer.pass.pool.clock.enter(.input) }
    try agree {
      let path = try coordinator?.save(
        step: step, epoch: schedule.plan.epoch(afterSteps: step), trainer: trainer, adapterConfiguration,
        isLastChance: isLastChance)
      if let path { progress(.saved(path: path)) }
    }
    lastSave.withLock { $0 = .now }
  }

  /// Saves the state together with what is under way after it, if that is anything. Collective.
  func save(_ partial: PartialWork, _ sums: UnsafeBufferPointer<Int64>, isLastChance: Bool) throws {
    // A step that has not begun still says that the evaluation before it is done.
    let isSomething = partial.done > 0 || (partial.kind == .step && evaluates(after: partial.base))
    if isSomething || partial.base > start.step { try save(partial.base, isLastChance: isLastChance) }
    if isSomething {
      trainer.pass.pool.clock.enter(.saving)
      defer { trainer.pass.pool.clock.enter(.input) }
      try agree {
        let path = try coordinator?.save(
          partial, sums, epoch: schedule.plan.epoch(afterSteps: partial.base), trainer: trainer,
          isLastChance: isLastChance)
        if let path { progress(.saved(path: path)) }
      }
      if isLastChance { underWay = partial }
    }
    lastSave.withLock { $0 = .now }
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension Communicator {
  /// Rank 0's number on all ranks.
  func shareCount(_ count: Int?) throws -> Int {
    var values = [Int64(count ?? 0)]
    try sum(&values)
    return Int(values[0])
  }
}
