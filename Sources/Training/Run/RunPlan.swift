// The plan of a run, printed before it starts.

package import Checkpoints
import Collectives
import Corpus
import Model
import Runtime
import Tensors

/// The plan of a run: tokens, memory, arithmetic and time.
package enum RunPlan {
  /// The plan of a prepared run as JSON, on rank 0. Writes and trains nothing. Collective: all ranks measure their own
  /// speed.
  /// - Parameter notice: told on rank 0 if the memory is too small.
  /// - Throws: `AgreedFailure` when a memory limit cannot be met.
  package static func json(_ run: PreparedRun, notice: (String) -> Void) throws -> JSONValue? {
    let layout = run.layout
    let memory = try run.memoryPlan(notice: notice)
    let dispatcher = try Dispatcher(world: run.world, stop: StopRequest())
    let forecast = try run.forecast(memory, dispatcher, run.tasks(dispatcher))
    try dispatcher.close()
    guard let coordinator = run.coordinator, let forecast else { return nil }
    let schedule = coordinator.schedule
    let beginning: [JSONValue.Member] = [
      .init("model", model(run)), .init("trained_parameters", .integer(Int64(layout.count))),
      .init("adapter_parameters", .integer(Int64(layout.adapter?.count ?? 0))),
      .init("examples", RunRecord.examples(coordinator.data)), .init("tokens", tokens(coordinator, schedule)),
      .init("ranks", .integer(Int64(run.world.size))), .init("threads", .integer(Int64(run.threads))),
    ]
    let rest: [JSONValue.Member] = [
      .init("steps_left", .integer(Int64(schedule.totalSteps - run.setup.start.step))),
      .init("micro_batches_per_step", .integer(Int64(run.setup.demand.mostMicroBatches))),
      .init("largest_micro_batch_rows", .integer(Int64(run.setup.demand.capacity.rows))),
      .init("memory", self.memory(run, memory)),
      .init("floating_point_operations", operations(coordinator, schedule, layout, memory, run)),
      .init("predicted_seconds", forecast.json(startingAfter: run.setup.start.step)),
    ]
    return .object(beginning + RunRecord.steps(schedule, run.configuration) + rest)
  }

  private static func model(_ run: PreparedRun) -> JSONValue {
    let c = run.model.configuration
    let parameters = WeightName.all(c).reduce(0) { $0 + $1.shape(c).reduce(1, *) }
    return .object([
      .init("path", .string(run.configuration.baseModel)), .init("parameters", .integer(Int64(parameters))),
      .init("layers", .integer(Int64(c.layerCount))), .init("hidden_size", .integer(Int64(c.hiddenSize))),
    ])
  }

  private static func tokens(_ coordinator: Coordinator, _ schedule: StepSchedule) -> JSONValue {
    let data = coordinator.data
    let training = data.training.indices.reduce(0) { $0 + data.training.tokenCount($1) }
    var (run, left) = (0, 0)
    let done = coordinator.setup.start.step
    schedule.plan.forEachStep { step, positions in
      let tokens = positions.reduce(0) { $0 + data.training.tokenCount($1) }
      run += tokens
      if step >= done { left += tokens }
    }
    return .object([
      .init("per_epoch", .integer(Int64(training))), .init("whole_run", .integer(Int64(run))),
      .init("left", .integer(Int64(left))),
      .init("held_out", .integer(Int64(data.heldOut.reduce(0) { $0 + $1.tokenCount }))),
      .init("longest_example", .integer(Int64(data.report.longest))),
    ])
  }

  /// The memory entry. `shared_bytes` is counted once per node: the mapped weights. `available_bytes`, of this node too,
  /// is for both.
  private static func memory(_ run: PreparedRun, _ plan: MemoryPlan) -> JSONValue {
    let c = run.model.configuration
    return .object([
      .init("available_bytes", plan.availableBytes.map { .integer(Int64($0)) } ?? .null),
      .init("shared_bytes", .integer(Int64(plan.sharedBytes))),
      .init("private_bytes_per_rank", .integer(Int64(plan.privateBytes))),
      .init("adapter_and_optimizer_bytes", .integer(Int64(plan.arenaBytes))),
      .init("pass_bytes", .integer(Int64(plan.passBytes))), .init("process_bytes", .integer(Int64(plan.processBytes))),
      .init("recomputed_layers", .integer(Int64(plan.retention.recomputedLayers(of: c.layerCount)))),
    ])
  }

  /// The operations of the steps that are left.
  private static func operations(
    _ coordinator: Coordinator, _ schedule: StepSchedule, _ layout: PolicyLayout, _ memory: MemoryPlan,
    _ run: PreparedRun
  ) -> JSONValue {
    let data = coordinator.data
    let c = run.model.configuration
    let recomputed = memory.retention.recomputedLayers(of: c.layerCount)
    let objective = run.configuration.objective
    let scorings = Double(run.configuration.scoringPassesPerStep)
    var whole = 0.0
    let done = run.setup.start.step
    schedule.plan.forEachStep { step, positions in
      guard step >= done else { return }
      for tree in data.stepOutlines(positions) {
        whole += FlopCount.training(objective.trainedTree(tree), layout, recomputedLayers: recomputed).total
        if scorings > 0 { whole += scorings * FlopCount.scoring(tree, c).total }
      }
    }
    let reference = coordinator.references.missing.reduce(0) {
      $0 + FlopCount.scoring(data.outline($1), c).total
    }
    return .object([
      .init("per_step", .number(whole / Double(max(1, schedule.totalSteps - done)))), .init("training", .number(whole)),
      .init("reference_pass", .number(reference)),
    ])
  }
}
