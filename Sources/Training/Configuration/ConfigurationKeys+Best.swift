// The best model: transformers' strategies, what evaluations are compared by, and what the run ends with.

import Evaluation

/// What transformers' `*_strategy` counts.
enum IntervalStrategy: String, Sendable {
  case no, steps, epoch
  /// Checkpoints of states that are the best so far.
  case best
}

extension ValueKind where Value == IntervalStrategy {
  /// YAML 1.1's bare `no` is false.
  static func strategy(_ cases: IntervalStrategy...) -> Self {
    let words = choice(cases.map { ($0.rawValue, $0) })
    return Self(words.text) { section, key, tree in
      if case .bool(false) = tree.content { return .no }
      return words.read(&section, key, tree)
    } write: {
      words.write($0)
    }
  }
}

extension ValueKind where Value == String {
  /// The name of an evaluation's metric, with `eval_` or without.
  static var evaluationMetric: Self {
    Self("a metric of evaluations, with `eval_` or without") { section, key, tree in
      ValueKind<String>.text.read(&section, key, tree).map { $0.hasPrefix("eval_") ? $0 : "eval_\($0)" }
    } write: {
      .text($0)
    }
  }
}

extension RunConfiguration {
  /// What a strategy says where no other key gives the interval.
  mutating func settleStrategies(_ section: inout ConfigurationSection) {
    settleEvaluations(&section)
    settleSaves(&section)
    settleLogs(&section)
  }

  private mutating func settleEvaluations(_ section: inout ConfigurationSection) {
    let kind = ValueKind.strategy(.no, .steps, .epoch)
    let found = ["eval_strategy", "evaluation_strategy"].filter { section[$0] != nil }
    let strategies = found.compactMap { section.value($0, as: kind) }
    if Set(strategies).count > 1 { section.refuse("evaluation_strategy", asAnotherNameOf: "eval_strategy") }
    guard let name = found.first, let strategy = strategies.first else { return }
    let interval = Self.interval(section, "eval_steps", perEpoch: "evals_per_epoch")
    switch (strategy, interval) {
    case (.steps, _?), (.epoch, (_, 1)?): break
    case (_, let (other, _)?): Self.exclude("\(name): \(strategy.rawValue)", other, &section, at: name)
    case (.no, nil): evaluations = .never
    case (.epoch, nil), (.best, nil): evaluations = .perEpoch(1)
    case (.steps, nil):
      // As in transformers; but evaluations at every step, which its default here would mean, nobody wants.
      if section["logging_steps"] == nil {
        section.refuse("eval_steps", expected: "the steps between evaluations, for `\(name): steps`")
      }
      evaluations = logs
    }
  }

  private mutating func settleSaves(_ section: inout ConfigurationSection) {
    let name = "save_strategy"
    guard let strategy = section.value(name, as: .strategy(.no, .steps, .epoch, .best)) else { return }
    switch (strategy, Self.interval(section, "save_steps", perEpoch: "saves_per_epoch")) {
    case (.steps, _?), (.epoch, (_, 1)?): break
    // axolotl's order.
    case (_, ("saves_per_epoch", _)?): section.ignore("\(name) (`saves_per_epoch` decides)")
    case (_, let (other, _)?): Self.exclude("\(name): \(strategy.rawValue)", other, &section, at: name)
    case (.no, nil): saves = .never
    // transformers' default.
    case (.steps, nil): saves = .steps(500)
    case (.epoch, nil): saves = .perEpoch(1)
    case (.best, nil): (saves, savesBest) = (.never, true)
    }
  }

  private mutating func settleLogs(_ section: inout ConfigurationSection) {
    guard let strategy = section.value("logging_strategy", as: .strategy(.no, .steps, .epoch)), strategy != .steps
    else { return }
    if section["logging_steps"] != nil, logs != .never {
      section.ignore("logging_steps (`logging_strategy: \(strategy.rawValue)` decides)")
    }
    logs = strategy == .epoch ? .perEpoch(1) : .never
  }

  /// The key that gives an interval other than never, and how often an epoch has it, if that is what it says.
  private static func interval(
    _ section: ConfigurationSection, _ steps: String, perEpoch: String
  ) -> (key: String, times: Int?)? {
    if let times = section.value(perEpoch, as: .integer(from: 0)), times > 0 { return (perEpoch, times) }
    let isGiven = section.value(steps, as: .interval(from: 0)).map { $0 != .never }
    return isGiven == true ? (steps, nil) : nil
  }

  private static func exclude(_ one: String, _ other: String, _ section: inout ConfigurationSection, at key: String) {
    section.report("`\(one)` and `\(other)` exclude each other: give one", about: key)
  }

  // MARK: The best model

  /// Whether evaluations lie between the steps, so that they may differ.
  var comparesEvaluations: Bool { evaluations != .never && (holdsOut || comparesByTask) }

  mutating func settleBest(_ section: inout ConfigurationSection) {
    let names = objective.evaluationMetricNames.map { "eval_\($0)" }
    if !names.contains(metricForBestModel), !comparesByTask {
      section.report(
        "`metric_for_best_model`: evaluations here have no \(metricForBestModel), only \(names.joined(separator: ", "))",
        about: "metric_for_best_model")
    }
    // transformers' rule, with the tasks' metrics that are better when they are lower.
    if section["greater_is_better"] == nil {
      greaterIsBetter =
        !metricForBestModel.hasSuffix("loss") && Aggregation.higherIsBetter(metric: metricForBestModel)
    }
    if savesBest, !comparesEvaluations {
      section.report(
        "`save_strategy: best` needs evaluations: `eval_steps` or `evals_per_epoch`, and `val_set_size` or "
          + "`test_datasets`", about: "save_strategy")
    }
    let key = "load_best_model_at_end"
    let isSaid = section[key] != nil
    if !isSaid { endsWithBest = earlyStoppingPatience != nil }
    if endsWithBest, !comparesEvaluations {
      endsWithBest = false
      if isSaid { section.ignore("\(key) (no evaluation lies before the last step's)") }
    }
    guard !endsWithBest, comparesEvaluations else { return }
    if earlyStoppingPatience != nil {
      section.notices.append(
        "\(key): false: the run ends with its last state (axolotl ends with the best after early stopping)")
    } else if !isSaid, objective == .supervised, savesAtEvaluations(section) {
      section.notices.append(
        "the run ends with its last state; with \(key): true, or in axolotl where that key is there and empty, it ends "
          + "with the best of its evaluations")
    }
  }

  /// axolotl's condition for the best model: `save_steps` is a multiple of `eval_steps`.
  private func savesAtEvaluations(_ section: ConfigurationSection) -> Bool {
    func steps(_ interval: Interval) -> Double? {
      switch interval {
      case .never: return nil
      case .steps(let steps): return Double(steps)
      case .share(let share): return share
      case .perEpoch(let times):
        let share = 1 / (Double(times) * epochs)
        return share < 1 ? share : nil
      }
    }
    let isGiven = ["save_steps", "saves_per_epoch"].contains { section[$0] != nil }
    guard isGiven, let saves = steps(saves), let evaluations = steps(evaluations) else { return false }
    return saves.truncatingRemainder(dividingBy: evaluations) == 0
  }
}
