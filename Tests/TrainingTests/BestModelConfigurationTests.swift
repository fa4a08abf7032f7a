import TestSupport
import Testing
import Training

/// The keys of transformers' strategies and of the best model.
@Suite struct BestModelConfigurationTests {
  private func problem(_ settings: String...) -> String {
    do {
      _ = try configuration(minimalYAML, overrides: settings)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func `strategies are intervals`() throws {
    for key in ["eval_strategy", "evaluation_strategy"] {
      #expect(try minimal(with: "\(key)=epoch").evaluations == .perEpoch(1))
      #expect(try minimal(with: "\(key)=no").evaluations == .never)
      #expect(try minimal(with: "\(key)='no'", "eval_steps=0").evaluations == .never)
      #expect(try minimal(with: "\(key)=steps", "eval_steps=7").evaluations == .steps(7))
      #expect(try minimal(with: "\(key)=steps", "evals_per_epoch=3").evaluations == .perEpoch(3))
      #expect(try minimal(with: "\(key)=epoch", "evals_per_epoch=1").evaluations == .perEpoch(1))
      #expect(try minimal(with: "\(key)=steps", "logging_steps=9").evaluations == .steps(9))
      #expect(try minimal(with: "\(key)=").evaluations == .never)
    }
    #expect(try minimal(with: "eval_strategy=epoch", "evaluation_strategy=epoch").evaluations == .perEpoch(1))
    #expect(try minimal(with: "save_strategy=epoch").saves == .perEpoch(1))
    #expect(try minimal(with: "save_strategy=no").saves == .never)
    #expect(try minimal(with: "save_strategy=steps").saves == .steps(500))
    #expect(try minimal(with: "save_strategy=steps", "save_steps=0.1").saves == .share(0.1))
    let best = try minimal(with: "save_strategy=best", "eval_steps=5", "val_set_size=0.1")
    #expect(best.saves == .never && best.savesBest && !best.endsWithBest)
    #expect(try minimal(with: "logging_strategy=epoch").logs == .perEpoch(1))
    #expect(try minimal(with: "logging_strategy=no").logs == .never)
    #expect(try minimal(with: "logging_strategy=steps", "logging_steps=3").logs == .steps(3))
  }

  @Test func `a listing names the strategy that gives an interval`() throws {
    let scratch = try TemporaryDirectory()
    let path = try scratch.write("run.yaml", minimalYAML + "save_strategy: epoch\nlogging_strategy: no\n")
    let lines = try ConfigurationListing(path: path).text.split(separator: "\n")
    for (key, strategy) in [("saves_per_epoch: 1", "save_strategy"), ("logging_steps: 0", "logging_strategy")] {
      #expect(
        lines.contains { $0.hasPrefix(key) && $0.contains(#/# file, line \d+ \(/#) && $0.hasSuffix("(\(strategy))") })
    }
  }

  /// axolotl's validation refuses the same, except where both say one thing.
  @Test func `strategies and intervals that contradict each other are named`() throws {
    for (strategy, interval) in [
      ("eval_strategy=no", "eval_steps=5"), ("eval_strategy=epoch", "eval_steps=5"),
      ("evaluation_strategy=epoch", "evals_per_epoch=2"), ("eval_strategy=no", "evals_per_epoch=2"),
      ("save_strategy=no", "save_steps=5"), ("save_strategy=epoch", "save_steps=0.5"),
      ("save_strategy=best", "save_steps=5"),
    ] {
      let told = problem(strategy, interval, "val_set_size=0.1")
      let name = strategy.replacing("=", with: ": ")
      #expect(told.contains("`\(name)` and `\(interval.prefix { $0 != "=" })` exclude each other"), "\(told)")
    }
    #expect(problem("eval_strategy=steps").contains("missing key `eval_steps`"))
    #expect(problem("eval_strategy=best").contains("expected no or steps or epoch"))
    #expect(problem("save_strategy=best", "eval_steps=5").contains("`save_strategy: best` needs evaluations"))
    #expect(problem("eval_strategy=no", "evaluation_strategy=epoch").contains("another name of `eval_strategy`"))
    let saved = try minimal(with: "save_strategy=no", "saves_per_epoch=2")
    #expect(saved.saves == .perEpoch(2) && saved.ignoredKeys == ["save_strategy (`saves_per_epoch` decides)"])
  }

  // MARK: The best model

  private let evaluated = ["val_set_size=0.1", "eval_steps=5"]

  private func evaluated(_ settings: String..., yaml: String = minimalYAML) throws -> RunConfiguration {
    try configuration(yaml, overrides: evaluated + settings)
  }

  @Test func `a metric has a direction`() throws {
    for (name, isGreaterBetter) in [
      ("eval_loss", false), ("loss", false), ("rewards/margins", true), ("eval_rewards/accuracies", true),
      ("logps/accuracies", true),
    ] {
      let run = try minimal(with: "metric_for_best_model=\(name)")
      #expect(run.metricForBestModel == (name.hasPrefix("eval_") ? name : "eval_\(name)"))
      #expect(run.greaterIsBetter == isGreaterBetter, "\(name)")
      #expect(try minimal(with: "metric_for_best_model=\(name)", "greater_is_better=false").greaterIsBetter == false)
    }
    #expect(try minimal(with: "rl=orpo", "metric_for_best_model=nll_loss").greaterIsBetter == false)
  }

  @Test func `a metric that the objective has not is refused with those it has`() {
    let supervised = problem("rl=", "metric_for_best_model=rewards/margins")
    #expect(
      supervised.contains("evaluations here have no eval_rewards/margins, only eval_loss\n")
        || supervised.hasSuffix(
          "evaluations here have no eval_rewards/margins, only eval_loss"),
      "\(supervised)")
    #expect(problem("metric_for_best_model=accuracy").contains("eval_rewards/margins, eval_logps/chosen"))
    for objective in ["dpo", "ipo", "orpo", "simpo", "cpo", "kto"] {
      #expect(problem("rl=\(objective)", "batch_size=4", "metric_for_best_model=rewards/margins") == "", "\(objective)")
    }
    #expect(problem("rl=kto", "batch_size=4", "metric_for_best_model=kl") == "")
    #expect(problem("dpo_loss_type=aot", "batch_size=4", "metric_for_best_model=rewards/accuracies") == "")
  }

  @Test func `the run ends with the best where that is said, or with early stopping`() throws {
    #expect(try !evaluated().endsWithBest)
    #expect(try evaluated("load_best_model_at_end=true").endsWithBest)
    #expect(try evaluated("early_stopping_patience=3").endsWithBest)
    let last = try evaluated("early_stopping_patience=3", "load_best_model_at_end=false")
    #expect(!last.endsWithBest && last.notices.lines.contains { $0.hasPrefix("load_best_model_at_end: false") })
    for settings in [["eval_steps=5"], ["val_set_size=0.1"]] {
      let run = try configuration(minimalYAML, overrides: settings + ["load_best_model_at_end=true"])
      #expect(!run.endsWithBest)
      #expect(run.ignoredKeys == ["load_best_model_at_end (no evaluation lies before the last step's)"])
    }
  }

  /// core/builders/causal.py: not false, something held out, and `save_steps` a multiple of `eval_steps`.
  @Test func `where axolotl may end with the best, a notice says so`() throws {
    let told: (RunConfiguration) -> Bool = { $0.notices.lines.contains { $0.contains("load_best_model_at_end: true") } }
    for saves in ["save_steps=10", "save_steps=5"] { #expect(told(try evaluated("rl=", saves))) }
    #expect(told(try evaluated("rl=", "eval_steps=", "evals_per_epoch=4", "saves_per_epoch=2")))
    for settings in [
      ["rl=", "save_steps=7"], ["rl="], ["save_steps=10"], ["rl=", "save_steps=10", "load_best_model_at_end=false"],
      ["rl=", "save_steps=10", "load_best_model_at_end=true"], ["rl=", "save_steps=10", "val_set_size=0"],
    ] {
      #expect(!told(try configuration(minimalYAML, overrides: evaluated + settings)), "\(settings)")
    }
  }

  @Test func `resolved configurations read back equal`() throws {
    for settings in [
      ["save_strategy=best"], ["load_best_model_at_end=true", "metric_for_best_model=rewards/margins"],
      ["early_stopping_patience=2"], ["early_stopping_patience=2", "load_best_model_at_end=false"],
      ["logging_strategy=epoch"], ["logging_strategy=no"], ["greater_is_better=true"], ["save_first_step=true"],
      ["skip_bad_records=3", "drop_equal_pairs=true"],
    ] {
      let run = try configuration(minimalYAML, overrides: evaluated + settings)
      #expect(try configuration(run.resolvedYAML) == run, "\(settings)")
    }
  }

  @Test func `what the result depends on must not change in a resumed run`() throws {
    func differences(_ one: String..., then other: String...) throws -> [String] {
      try configuration(minimalYAML, overrides: evaluated + one + other).differences(
        from: configuration(minimalYAML, overrides: evaluated + one))
    }
    #expect(try differences(then: "eval_steps=7", "save_strategy=best") == [])
    for key in ["early_stopping_patience=3", "load_best_model_at_end=true"] {
      #expect(try differences(key, then: "eval_steps=7") == ["eval_steps: 5 in the checkpoint, 7 now"])
      #expect(try differences(key, then: "save_steps=7", "save_first_step=true") == [])
      #expect(try differences(key, then: "eval_steps=", "evals_per_epoch=2").count == 2)
    }
    #expect(
      try differences(then: "load_best_model_at_end=true") == [
        "load_best_model_at_end: false in the checkpoint, true now"
      ])
    #expect(try differences(then: "metric_for_best_model=rewards/margins").count == 2)
    #expect(try differences(then: "skip_bad_records=2") == ["skip_bad_records: 0 in the checkpoint, 2 now"])
    #expect(try differences(then: "drop_equal_pairs=true").count == 1)
  }
}
