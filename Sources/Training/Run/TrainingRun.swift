// A whole run: the reference pass, the steps with their evaluations and saves, and the end.

import Checkpoints
package import Collectives
import Corpus
import Model
package import Runtime
import Synchronization
import Tensors

/// One rank's view of a run. Every method is collective.
package final class TrainingRun {
  package let world: any Communicator
  package let configuration: RunConfiguration
  let schedule: StepSchedule
  /// Rank 0's part.
  let coordinator: Coordinator?
  let trainer: Trainer
  let dispatcher: Dispatcher
  let setup: RunSetup
  let progress: (RunProgress) -> Void
  let debug: DebugRecorder?
  let sampling: Sampling?
  let tasks: TaskEvaluation?
  private let quarantinedPositions: Set<Int>
  private let memory: MemoryPlan
  private let forecast: Forecast?
  /// Nil without LoRA.
  private let telemetry: AdapterTelemetry?
  /// What the policy is saved as.
  let form: PolicyForm
  /// On rank 0: the time of the last save.
  let lastSave = Mutex(ContinuousClock.now)
  /// The partial work when the run was stopped.
  var underWay: PartialWork?
  /// Seconds that the steps took, and their forecast.
  private var (spent, predicted) = (0.0, 0.0)

  package init(
    prepared: PreparedRun, stop: StopRequest, debug: DebugRecorder? = nil, progress: @escaping (RunProgress) -> Void
  ) throws {
    precondition(debug == nil || prepared.world.size == 1, "the debug mode is of a world of one")
    (world, configuration, coordinator) = (prepared.world, prepared.configuration, prepared.coordinator)
    (setup, schedule, self.debug, self.progress) = (prepared.setup, prepared.schedule, debug, progress)
    quarantinedPositions = Set(setup.quarantinedPositions)
    dispatcher = try Dispatcher(world: world, stop: stop)
    memory = try prepared.memoryPlan { progress(.notice($0)) }
    trainer = try prepared.trainer(memory, dispatcher)
    form = prepared.form
    telemetry = trainer.layout.adapter.map { AdapterTelemetry(prepared.model, $0) }
    sampling = try prepared.sampling(trainer)
    tasks = try prepared.tasks(dispatcher, trainer)
    try prepared.loadState(into: trainer)
    trainer.pass.observer = debug
    forecast = setup.isFinished ? nil : try prepared.forecast(memory, dispatcher, tasks)
    guard !setup.isFinished else { return }
    let longestItem = try world.share(forecast?.longestItem)
    world.follow(trainer.pass.pool.clock, itemSeconds: longestItem)
    if let forecast {
      progress(
        .planned(
          secondsPerStep: forecast.perStep, seconds: forecast.total(startingAfter: setup.start.step),
          privateBytesPerRank: memory.privateBytes))
    }
  }

  /// Trains to the end, or until a stop is requested.
  /// - Throws: `TrainingError` and `SaveFailure` as an `AgreedFailure`; `MPIFailure`.
  package func run() throws -> RunEnding {
    guard !setup.isFinished else {
      try dispatcher.close()
      return .alreadyFinished
    }
    try agree {
      try coordinator?.recorder.begin(
        privateBytes: memory.privateBytes, seconds: forecast?.json(startingAfter: setup.start.step))
    }
    dispatcher.crashReporter = CrashReporter(
      path: RunDirectory(configuration.outputDirectory).newCrashReport(rank: world.rank), rank: world.rank,
      data: setup.dataHash)
    if coordinator != nil, configuration.saveMinutes > 0 {
      let interval = Duration.seconds(60 * configuration.saveMinutes)
      dispatcher.isSaveDue = { [unowned self] in lastSave.withLock { ContinuousClock.now - $0 } >= interval }
    }
    let ending = try runToEnd()
    try dispatcher.close()
    return ending
  }

  private func runToEnd() throws -> RunEnding {
    var step = setup.start.step
    guard try computeReferences() else { return .stopped(step: step, nil) }
    let phases = trainer.pass.pool.clock
    let phasesBefore = phases.seconds
    // The checkpoint of a step does not include the evaluation after that step.
    if setup.start.partial?.kind != .step {
      guard try evaluate(after: step) else { return .stopped(step: step, underWay) }
      try saveIfBest(step)
    }
    if step < schedule.totalSteps { try agree { try trainer.pass.populate() } }
    while try step < schedule.totalSteps && !endsEarly(after: step) {
      step += 1
      guard let outcome = try train(step) else { return .stopped(step: step - 1, underWay) }
      if let skip = outcome.skip { try endIfHopeless(step, skip) }
      if step % Self.stepsBetweenChecks == 0 { try requireSameAdapter(after: step) }
      let isStopping = outcome.isStopping && (step < schedule.totalSteps || evaluates(after: step))
      if isStopping || outcome.isSaveDue || schedule.saves(after: step) { try save(step, isLastChance: isStopping) }
      if isStopping { return .stopped(step: step, nil) }
      guard try evaluate(after: step) else { return .stopped(step: step, underWay) }
      try saveIfBest(step)
    }
    // The last state, in case that the run ends with another.
    if configuration.endsWithBest { try save(step, isLastChance: true) }
    let seconds = try world.gather(message: phases.seconds - phasesBefore)
    if coordinator != nil { progress(.timed(seconds)) }
    try requireSound(after: step)
    try agree { try coordinator?.recorder.finish(trainer, form, step: step, seconds: seconds) }
    return .finished
  }

  /// Runs one step, saves between its micro-batches and reports it; nil when it was stopped.
  private func train(_ step: Int) throws -> Trainer.StepOutcome? {
    let start = setup.start
    let isResumed = start.partial?.kind == .step && step == start.step + 1
    let began = ContinuousClock.now - .seconds(isResumed ? start.partial?.seconds ?? 0 : 0)
    let positions = positions(step: step)
    guard !positions.isEmpty else { return skip(step) }
    let examples = try coordinator?.stepExamples(positions)
    debug?.begin(step: step)
    let roles = schedule.logs(after: step) ? telemetry?.roles ?? [] : []
    while true {
      let end = try trainer.step(
        number: step, examples: examples, count: positions.count, normsOf: roles
      ) { [debug, trainer] in
        if let debug, step == start.step + 1 {
          try debug.write(gradient: trainer.sums.gradient(trainer.pass.pool), trainer.layout.parameters)
        }
      }
      let seconds = (ContinuousClock.now - began).seconds
      switch end {
      case .cut(let done, let isStopping):
        let partial = PartialWork(kind: .step, step: step, done: done, seconds: seconds)
        try save(partial, trainer.sums.saved, isLastChance: isStopping)
        if isStopping { return nil }
      case .done(let outcome):
        try debug?.end()
        if let examples { report(step, outcome, examples.map(\.tree), seconds: seconds) }
        return outcome
      }
    }
  }

  /// Skips a step whose examples are all quarantined.
  private func skip(_ step: Int) -> Trainer.StepOutcome {
    let outcome = trainer.skip(number: step, SkippedStep(examples: [], reason: "all of its records are quarantined"))
    report(step, outcome, [], seconds: 0)
    return outcome
  }

  /// Positions of the examples of a step, without quarantined examples. Steps count from 1.
  private func positions(step: Int) -> [Int] {
    schedule.plan.positions(step: step - 1).filter { !quarantinedPositions.contains($0) }
  }

  /// On rank 0.
  private func report(_ step: Int, _ outcome: Trainer.StepOutcome, _ trees: [ExampleTree], seconds: Double) {
    guard let coordinator, let forecast else { return }
    spent += seconds
    predicted += forecast.steps[step - 1]
    let isLogged = schedule.logs(after: step)
    let report = coordinator.report(
      step: step, outcome, examples: trees,
      norms: isLogged && outcome.skip == nil
        ? telemetry?.norms(trainer, gradients: outcome.gradientNorms) : nil,
      seconds: seconds, remainingSeconds: forecast.remaining(after: step) * spent / predicted)
    coordinator.recorder.append(report)
    if let skip = outcome.skip {
      progress(.notice("warning: step \(step) is skipped: \(skip.reason); nothing changes"))
    } else if isLogged {
      progress(.stepped(report))
    }
  }

  /// Whether the run ends early after `step`. Collective if the configuration uses early stopping.
  private func endsEarly(after step: Int) throws -> Bool {
    guard let patience = configuration.earlyStoppingPatience, schedule.evaluates(after: step) else { return false }
    let ends = try world.share(coordinator?.recorder.endsEarly)
    if ends, coordinator != nil {
      progress(
        .notice(
          "step \(step): \(BestModel.Metric(configuration).improvement) for \(patience) evaluations; the run ends here")
      )
    }
    return ends
  }
}
