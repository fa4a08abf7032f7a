// The keys of evaluations, checkpoints and what a run writes.

extension ConfigurationKeys {
  static let output = [
    Key(
      "eval_steps", \.evaluations.steps, .integer(from: 0),
      "Steps between evaluations; 0: before the first and after the last step only."
    ).changeableOnResume().elsewhere("steps_per_eval"),
    Key(
      "evals_per_epoch", \.evaluations.timesPerEpoch, .integer(from: 0),
      "Evaluations per epoch, instead of `eval_steps`."
    ).changeableOnResume(),
    Key("save_steps", \.saves.steps, .integer(from: 0), "Steps between checkpoints; 0: the final adapter only.")
      .changeableOnResume().elsewhere("save_every"),
    Key("saves_per_epoch", \.saves.timesPerEpoch, .integer(from: 0), "Checkpoints per epoch, instead of `save_steps`.")
      .changeableOnResume(),
    Key(
      "save_total_limit", \.saveTotalLimit, .integer(from: 1),
      "How many checkpoints are kept, the best among them; empty keeps all."
    )
    .changeableOnResume(),
    Key(
      "save_minutes", \.saveMinutes, .number("minutes from 0 (never) to 1e6") { 0...1e6 ~= $0 },
      "The run is also saved when it was not for this long, even within a step."
    ).changeableOnResume(),
    Key("logging_steps", \.loggingSteps, .integer(from: 1), "Steps between lines of `metrics.jsonl`.")
      .changeableOnResume(),
    Key(
      "sample_documents", \.sampleDocuments, .integer(from: 0),
      "How many held-out documents the model answers at every evaluation, into `samples.jsonl`."
    ).changeableOnResume(),
    Key("output_dir", \.outputDirectory, .path, "The directory of the run's files.")
      .required("a directory for the run's files").changeableOnResume(),
    Key("resume_from_checkpoint", \.resumeFromCheckpoint, .path, "The checkpoint to go on from.").changeableOnResume(),
    Key(
      "auto_resume_from_checkpoints", \.autoResumesFromCheckpoints, .bool,
      "Goes on from the newest checkpoint of `output_dir`."
    ).changeableOnResume(),
    Key(
      "early_stopping_patience", \.earlyStoppingPatience, .integer(from: 1),
      "Ends the run when so many evaluations in a row have not lowered the loss."),
  ]
}

extension RunConfiguration.Interval {
  fileprivate var steps: Int? {
    get {
      switch self {
      case .never: 0
      case .steps(let steps): steps
      case .perEpoch: nil
      }
    }
    set { self = newValue.map { $0 == 0 ? .never : .steps($0) } ?? self }
  }

  fileprivate var timesPerEpoch: Int? {
    get { if case .perEpoch(let times) = self { times } else { nil } }
    set { self = newValue.map { $0 == 0 ? .never : .perEpoch($0) } ?? self }
  }
}
