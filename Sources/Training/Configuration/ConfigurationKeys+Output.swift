// The keys of evaluations, checkpoints and what a run writes.

extension ConfigurationKeys {
  static let output = [
    Key(
      "eval_steps", \.evaluations.everySteps, .interval(from: 0),
      "Steps between evaluations; 0: before the first and after the last step only."
    ).changeableOnResume(unless: \.dependsOnEvaluations).elsewhere("steps_per_eval"),
    Key(
      "evals_per_epoch", \.evaluations.timesPerEpoch, .integer(from: 0),
      "Evaluations per epoch, instead of `eval_steps`."
    ).changeableOnResume(unless: \.dependsOnEvaluations),
    Key(
      "eval_strategy", .strategy(.no, .steps, .epoch),
      "`epoch` is `evals_per_epoch: 1`, `no` is `eval_steps: 0`; `steps` without `eval_steps` takes `logging_steps`."
    ).also("evaluation_strategy").part(of: "eval_steps", "evals_per_epoch").standing(at: "as those keys say")
      .changeableOnResume(unless: \.dependsOnEvaluations),
    Key(
      "save_steps", \.saves.everySteps, .interval(from: 0), "Steps between checkpoints; 0: the final adapter only."
    ).changeableOnResume().elsewhere("save_every"),
    Key("saves_per_epoch", \.saves.timesPerEpoch, .integer(from: 0), "Checkpoints per epoch, instead of `save_steps`.")
      .changeableOnResume(),
    Key(
      "save_strategy", .strategy(.no, .steps, .epoch, .best),
      "`epoch` is `saves_per_epoch: 1`, `no` is `save_steps: 0`; `steps` without `save_steps` is every 500; `best`: after "
        + "evaluations that were the best so far.",
      write: { $0.savesBest ? .text("best") : .null }
    ).telling("save_steps", "saves_per_epoch").changeableOnResume().standing(at: "as those keys say"),
    Key("save_first_step", \.savesFirstStep, .bool, "Saves a checkpoint after the first step too.")
      .changeableOnResume(),
    Key(
      "save_total_limit", \.saveTotalLimit, .limit,
      "How many checkpoints are kept, the best among them; empty keeps all."
    ).changeableOnResume(),
    Key(
      "save_minutes", \.saveMinutes, .number("minutes from 0 (never) to 1e6") { 0...1e6 ~= $0 },
      "The run is also saved when it was not for this long, even within a step."
    ).changeableOnResume(),
    Key(
      "logging_steps", \.logs.everySteps, .interval(from: 0),
      "Steps between lines of `metrics.jsonl`; 0: the last step only."
    ).changeableOnResume(),
    Key(
      "logging_strategy", .strategy(.no, .steps, .epoch), "`epoch`: a line per epoch; `no` is `logging_steps: 0`.",
      write: { if case .perEpoch = $0.logs { .text("epoch") } else { .null } }
    ).telling("logging_steps").changeableOnResume().standing(at: "steps"),
    Key(
      "sample_documents", \.sampleDocuments, .integer(from: 0),
      "How many held-out documents the model answers at every evaluation, into `samples.jsonl`."
    ).changeableOnResume(),
    Key(
      "eval_tasks", \.evaluationTasks, .tasks,
      "Small tasks that every evaluation runs too, as `shoal evaluate` does, into `metrics.jsonl` as `eval_TASK_METRIC`; "
        + "the keys of a mapping are below."
    ).changeableOnResume(unless: \.dependsOnEvaluations),
    Key("output_dir", \.outputDirectory, .path, "The directory of the run's files.").changeableOnResume(),
    Key(
      "resume_from_checkpoint", \.resumeFromCheckpoint, .checkpoint,
      "The checkpoint to go on from; `true` is the newest of `output_dir`, as `auto_resume_from_checkpoints`."
    ).changeableOnResume(),
    Key(
      "auto_resume_from_checkpoints", \.autoResumesFromCheckpoints, .bool,
      "Goes on from the newest checkpoint of `output_dir`."
    ).changeableOnResume(),
    Key(
      "early_stopping_patience", \.earlyStoppingPatience, .limit,
      "Ends the run when so many evaluations in a row have not improved `metric_for_best_model`."),
    Key(
      "metric_for_best_model", \.metricForBestModel, .evaluationMetric,
      "What evaluations are compared by (docs/objectives.md lists the metrics of each objective), also `eval_TASK_METRIC`."
    ),
    Key("greater_is_better", \.greaterIsBetter, .bool, "Whether a higher metric is better.")
      .standing(at: "false for names that end with `loss` and for perplexities and errors of tasks, else true"),
    Key(
      "load_best_model_at_end", \.endsWithBest, .bool,
      "Ends with the state of the best evaluation, which is saved; the last state is the last checkpoint."
    ).standing(at: "true with `early_stopping_patience`, else false"),
  ]
}

extension ValueKind where Value == String? {
  /// transformers' `true` is the newest one, where Shoal goes on without being asked.
  static var checkpoint: Self {
    Self("a path, true or false") { section, key, tree in
      if case .bool = tree.content { return .some(nil) }
      return ValueKind<String>.path.read(&section, key, tree)
    } write: {
      .text($0)
    }
  }
}

extension ValueKind where Value == RunConfiguration.Interval {
  /// A number of steps, or transformers' share of all steps.
  static func interval(from minimum: Int) -> Self {
    Self("a whole number of at least \(minimum), or a share of all steps between 0 and 1") { tree in
      if let steps = tree.wholeNumber {
        return minimum...1_000_000_000 ~= steps ? (steps == 0 ? .never : .steps(steps)) : nil
      }
      return tree.finiteNumber.flatMap { 0..<1 ~= $0 ? .share($0) : nil }
    } write: { interval in
      switch interval {
      case .never: .integer(0)
      case .steps(let steps): .integer(steps)
      case .share(let share): .number(share)
      case .perEpoch: .null
      }
    }
  }
}

extension RunConfiguration.Interval {
  /// Nil where it is told in times per epoch.
  fileprivate var everySteps: Self? {
    get { if case .perEpoch = self { nil } else { self } }
    set { self = newValue ?? self }
  }

  fileprivate var timesPerEpoch: Int? {
    get { if case .perEpoch(let times) = self { times } else { nil } }
    set { self = newValue.map { $0 == 0 ? .never : .perEpoch($0) } ?? self }
  }
}
