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
  private let dealer: Dealer
  private let adapterConfiguration: AdapterConfiguration
  private let heldOutCount: Int
  private let isFinished: Bool
  private let progress: (RunProgress) -> Void
  private let start: RunStart
  private let debug: DebugRecorder?
  private let memory: MemoryPlan
  private var forecast: Forecast?
  private let telemetry: AdapterTelemetry
  private let sampling: Sampling?
  /// On rank 0, when the state was saved last.
  private let lastSave = Mutex(ContinuousClock.now)
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
    isFinished = prepared.setup.isFinished
    self.progress = progress
    schedule = StepSchedule(configuration, examples: prepared.setup.exampleCount)
    dealer = try Dealer(world: prepared.world, stop: stop)
    let adapter = Adapter(layout: AdapterLayout(adapterConfiguration, model: prepared.model.configuration))
    memory = try prepared.memoryPlan(adapter.layout)
    let pass = Pass(
      model: prepared.model, layout: adapter.layout, capacity: prepared.setup.demand.capacity,
      positions: prepared.setup.demand.positions, retention: memory.retention, dropout: configuration.loraDropout > 0,
      threads: prepared.threads)
    trainer = Trainer(
      configuration: configuration, dealer: dealer, pass: pass, adapter: adapter,
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
    forecast = try Forecast.measured(prepared, layout: adapter.layout, memory: memory, dealer: dealer)
    let longestItem = try world.shareCount(forecast.map { Int(1000 * $0.longestItem) })
    world.follow(pass.workers.clock, itemSeconds: Double(longestItem) / 1000)
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
            step: start.step + 1, examples: schedule.plan.positions(step: start.step).count,
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
      try dealer.close()
      return .alreadyFinished
    }
    try agree { try coordinator?.begin(resumingAt: start.step, memory: memory, forecast: forecast) }
    if coordinator != nil, configuration.saveMinutes > 0 {
      let interval = Duration.seconds(60 * configuration.saveMinutes)
      dealer.isSaveDue = { [unowned self] in lastSave.withLock { ContinuousClock.now - $0 } >= interval }
    }
    let ending = try runToEnd()
    try dealer.close()
    return ending
  }

  private func runToEnd() throws -> RunEnding {
    var step = start.step
    guard try computeReferences() else { return .stopped(step: step, nil) }
    let phases = trainer.pass.workers.clock
    let phasesBefore = phases.seconds
    // The evaluation after a checkpoint is not in it.
    if start.partial?.kind != .step, try !evaluate(after: step) { return .stopped(step: step, underWay) }
    if step < schedule.totalSteps { try agree { try trainer.pass.populate() } }
    while try step < schedule.totalSteps && !isOutOfPatience(after: step) {
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
    let positions = schedule.plan.positions(step: step - 1)
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

  // MARK: Guards

  /// Steps between two comparisons of the ranks' adapters.
  private static let stepsBetweenChecks = 50

  /// Runs `body`; what any rank throws ends all of them in good order.
  private func agree(_ body: () throws -> Void) throws {
    do {
      try world.agree(body)
    } catch let failure as AgreedFailure {
      try dealer.close()
      throw failure
    }
  }

  /// Ends the run at a skipped step from which it cannot recover, or that was one too many. Collective.
  private func endIfHopeless(_ step: Int, _ skip: Trainer.Skip) throws {
    guard trainer.isFinite else {
      return try agree { throw TrainingError.adapterNotFinite(step: step, last: coordinator?.lastCheckpoint) }
    }
    guard trainer.skipped.areTooMany else { return }
    try save(step)
    try agree {
      throw TrainingError.tooManySkips(
        step: step, skipped: trainer.skipped, reason: skip.reason, last: coordinator?.lastCheckpoint)
    }
  }

  /// Nothing is written that ranks do not agree on, or that is no number. Collective.
  private func requireSound(after step: Int) throws {
    try requireSameAdapter(after: step)
    guard trainer.isFinite else {
      return try agree { throw TrainingError.adapterNotFinite(step: step, last: coordinator?.lastCheckpoint) }
    }
  }

  /// Compares the ranks' weights and moments. Collective.
  private func requireSameAdapter(after step: Int) throws {
    guard world.size > 1 else { return }
    let facts = ["checksum of the adapter": String(trainer.checksum, radix: 16)]
    guard let difference = try WorldCheck.differences(of: facts, in: world).first else { return }
    try agree {
      throw TrainingError.ranksDisagree(
        step: step, difference: "\(difference)", last: coordinator?.lastCheckpoint)
    }
  }

  /// Compares derivatives with central differences on the shortest of the first step's examples. Of a world of one.
  /// - Throws: `GradientMismatch` when any disagrees.
  package func checkGradients(report: (GradientComparison) -> Void) throws {
    guard let coordinator else { return }
    let examples = coordinator.data.stepTrees(schedule.plan.positions(step: start.step % schedule.totalSteps))
    guard let shortest = examples.min(by: { $0.tokenCount < $1.tokenCount }) else { return }
    let check = try GradientCheck(
      pass: trainer.pass, adapter: trainer.adapter, referenceAdapter: trainer.referenceAdapter,
      objective: trainer.objective, example: shortest)
    var mismatches = 0
    try check.run(seed: UInt64(bitPattern: Int64(configuration.seed))) {
      if !$0.agrees { mismatches += 1 }
      report($0)
    }
    guard mismatches == 0 else { throw GradientMismatch(count: mismatches) }
  }

  /// Whether the run ends early after `step`. Collective where the configuration allows for it.
  private func isOutOfPatience(after step: Int) throws -> Bool {
    guard configuration.earlyStoppingPatience != nil, schedule.evaluates(after: step) else { return false }
    let ends = try world.shareCount(coordinator?.isOutOfPatience == true ? 1 : 0) > 0
    if ends, coordinator != nil {
      progress(
        .notice(
          "step \(step): the held-out loss has not fallen for \(configuration.earlyStoppingPatience ?? 0) evaluations; the run ends here"
        ))
    }
    return ends
  }

  /// Saves the state; a failure that is not the last straw costs a warning. Collective.
  private func save(_ step: Int, isLastChance: Bool = false) throws {
    try requireSound(after: step)
    try agree {
      let path = try coordinator?.save(
        step: step, epoch: schedule.plan.epoch(afterSteps: step), trainer: trainer, adapterConfiguration,
        isLastChance: isLastChance)
      if let path { progress(.saved(path: path)) }
    }
    lastSave.withLock { $0 = .now }
  }

  /// Saves the state together with what is under way after it, if that is anything. Collective.
  private func save(_ partial: PartialWork, _ sums: UnsafeBufferPointer<Int64>, isLastChance: Bool) throws {
    // A step that has not begun still says that the evaluation before it is done.
    let isSomething = partial.done > 0 || (partial.kind == .step && evaluates(after: partial.base))
    if isSomething || partial.base > start.step { try save(partial.base, isLastChance: isLastChance) }
    if isSomething {
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

  // MARK: Scores

  /// Fills the reference cache; returns false when it was stopped.
  private func computeReferences() throws -> Bool {
    let missing = coordinator?.treesWithoutReference()
    let count = try world.shareCount(missing?.count)
    // In portions, so that a crash does not cost the whole pass.
    let portion = 256
    for first in stride(from: 0, to: count, by: portion) {
      let range = first..<min(first + portion, count)
      let trees = missing.map { Array($0[range]) }
      var scores = Scores(count: range.count)
      while !scores.missing.isEmpty {
        let isStopping = try dealer.score(
          trees, into: &scores, adapter: trainer.referenceAdapter, on: trainer.pass)
        let found = (0..<range.count).filter { scores[$0] != nil }
        let sums = found.map { scores[$0] ?? [] }
        try requireFiniteReferences(sums, of: trees.map { trees in found.map { trees[$0] } })
        coordinator?.insertReferences(
          sums, for: (trees ?? []).enumerated().filter { scores[$0.offset] != nil }.map(\.element))
        lastSave.withLock { $0 = .now }
        if coordinator != nil { progress(.reference(done: first + found.count, total: count)) }
        if isStopping { return false }
      }
    }
    return try world.agree(on: dealer.isAskedToStop ? 1 : 0) == 0
  }

  /// Rank 0 has the trees, and computes the first bad one again to see where it goes wrong. Collective.
  private func requireFiniteReferences(_ sums: [[Double]], of trees: [ExampleTree]?) throws {
    try agree {
      guard let trees, let bad = zip(trees, sums).first(where: { !$1.allSatisfy(\.isFinite) })?.0 else { return }
      let place = try trainer.pass.firstNonFinite {
        _ = try trainer.pass.logProbabilities(TreeBatch([bad]), adapter: trainer.referenceAdapter)
      }
      throw TrainingError.referenceNotFinite(example: bad.index, place: place)
    }
  }

  private func evaluates(after step: Int) -> Bool {
    heldOutCount > 0 && (step == 0 || schedule.evaluates(after: step))
  }

  /// Evaluates the held-out examples, where that is due; returns false when it was stopped.
  private func evaluate(after step: Int) throws -> Bool {
    guard evaluates(after: step) else { return true }
    var scores = Scores(count: heldOutCount, mostSums: trainer.objective.spans.count)
    var seconds = 0.0
    if let partial = start.partial, partial.kind == .evaluation, partial.step == step {
      seconds = partial.seconds
      try agree { try scores.words.withUnsafeMutableBufferPointer { try coordinator?.readPartialWork(into: $0) } }
    }
    let began = ContinuousClock.now - .seconds(seconds)
    while true {
      let isStopping = try dealer.score(
        coordinator?.data.heldOut, into: &scores, adapter: trainer.adapter, on: trainer.pass)
      if !isStopping, let sums = scores.all {
        if let coordinator {
          let metrics = try coordinator.evaluate(sums, step: step, schedule: schedule)
          progress(.evaluated(step: step, examples: heldOutCount, metrics))
        }
        try sample(step)
        return true
      }
      let partial = PartialWork(
        kind: .evaluation, step: step, done: heldOutCount - scores.missing.count,
        seconds: (ContinuousClock.now - began).seconds)
      try scores.words.withUnsafeBufferPointer { try save(partial, $0, isLastChance: isStopping) }
      if isStopping { return false }
    }
  }

  /// Lets the model answer a few held-out documents, where the configuration asks for it.
  private func sample(_ step: Int) throws {
    guard let sampling else { return }
    let samples = try sampling.run(coordinator?.data.heldOut)
    if let first = coordinator?.write(samples, step: step) { progress(.sampled(step: step, answer: first)) }
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
