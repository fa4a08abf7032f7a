// What a user should know about held-out data before a run: evaluations that find none, or that mean less than they seem.

enum HeldOutNotices {
  /// Below this number neither a mean nor its standard error can be trusted: the usual bound of the normal approximation.
  static let enough = 30

  static func texts(_ configuration: RunConfiguration, _ data: TrainingData, _ schedule: StepSchedule) -> [String] {
    let count = data.heldOut.count
    guard count > 0 else {
      return configuration.evaluationTasks.isEmpty ? [withoutEffect(configuration.evaluations)].compactMap(\.self) : []
    }
    var texts: [String] = []
    if let wanted = data.wantedHeldOut, wanted != count {
      texts.append(
        "held out: \(examples(count)) where val_set_size asks for \(wanted): examples of one record or with one prompt "
          + "stay together")
    }
    if data.familiarHeldOut > 0 {
      texts.append(
        "held out: \(data.familiarHeldOut) of \(examples(count)) \(data.familiarHeldOut == 1 ? "has a prompt" : "have prompts") "
          + "that the training data has too: numbers of these say little about new prompts")
    }
    if count < enough {
      let error = (50 / Double(count).squareRoot()).rounded() / 100
      texts.append(
        "held out: only \(examples(count)): with fewer than \(enough) the numbers of an evaluation are mostly chance "
          + "(\(count == 1 ? "one example has no standard error" : "an accuracy of 0.5 has a standard error of \(error)"))"
      )
    }
    if configuration.earlyStoppingPatience != nil, !configuration.keepsBest,
      let step = schedule.firstEvaluationWithoutCheckpoint
    {
      texts.append(
        "early_stopping_patience: evaluations come at steps without a checkpoint (the first at step \(step)), so the best "
          + "state may be lost: leave load_best_model_at_end out, or set save_strategy: best")
    }
    return texts
  }

  private static func examples(_ count: Int) -> String { "\(count) example\(count == 1 ? "" : "s")" }

  private static func withoutEffect(_ evaluations: RunConfiguration.Interval) -> String? {
    let key: String
    switch evaluations {
    case .never: return nil
    case .steps(let steps): key = "eval_steps: \(steps)"
    case .share(let share): key = "eval_steps: \(share)"
    case .perEpoch(let times): key = "evals_per_epoch: \(times)"
    }
    return "\(key) is without effect: no data is held out; set val_set_size, test_datasets or eval_tasks"
  }
}
