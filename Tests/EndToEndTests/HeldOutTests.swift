// Held-out numbers: what a run says about them, and the best checkpoint.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct HeldOutTests {
    /// What a short run says.
    private func told(_ fixture: RunFixture, _ settings: String...) throws -> String {
      let ending = try fixture.start(.alone, ["max_steps=1", "output_dir=told-\(UUID())"] + settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      return ending.errors
    }

    // MARK: Notices

    @Test func `evaluations without held-out data are told`() throws {
      let fixture = try RunFixture()
      let remedy = " is without effect: no data is held out; set val_set_size, test_datasets or eval_tasks\n"
      #expect(try told(fixture, "evals_per_epoch=4", "val_set_size=0").contains("\nevals_per_epoch: 4\(remedy)"))
      #expect(try told(fixture, "eval_steps=5").contains("\neval_steps: 5\(remedy)"))
      for settings in [["eval_steps=0"], ["eval_steps=5", "val_set_size=2"]] {
        #expect(try !told(fixture, settings[0], settings.last ?? "").contains("without effect"))
      }
    }

    @Test func `few held-out examples are told`() throws {
      let fixture = try RunFixture(pairs: 32)
      let small = "with fewer than 30 the numbers of an evaluation are mostly chance"
      #expect(
        try told(fixture, "val_set_size=1")
          .contains("held out: only 1 example: \(small) (one example has no standard error)\n"))
      #expect(
        try told(fixture, "val_set_size=29")
          .contains("held out: only 29 examples: \(small) (an accuracy of 0.5 has a standard error of 0.09)\n"))
      #expect(try !told(fixture, "val_set_size=30").contains("held out: only"))
    }

    @Test func `prompts on both sides are told`() throws {
      let fixture = try RunFixture(pairs: 6)
      var lines = RunFixture.lines(9).split(separator: "\n").suffix(4).map(String.init)
      let test = "test_datasets=[{path: test.jsonl}]"
      // Three of its records are new.
      try fixture.write("test.jsonl", lines.dropFirst().joined(separator: "\n") + "\n")
      #expect(try !told(fixture, test).contains("training data has too"))
      try fixture.write("test.jsonl", lines.joined(separator: "\n") + "\n")
      let warning = "that the training data has too: numbers of these say little about new prompts\n"
      #expect(try told(fixture, test).contains("held out: 1 of 4 examples has a prompt \(warning)"))
      // Both examples that KTO makes of a pair.
      lines.append(lines[0])
      try fixture.write("test.jsonl", lines.joined(separator: "\n") + "\n")
      #expect(try told(fixture, test, "rl=kto").contains("held out: 4 of 10 examples have prompts \(warning)"))
    }

    @Test func `the pairs of KTO are held out whole`() throws {
      let fixture = try RunFixture()
      let together = "examples of one record or with one prompt stay together\n"
      #expect(
        try told(fixture, "rl=kto", "val_set_size=5")
          .contains("held out: 4 examples where val_set_size asks for 5: \(together)"))
      #expect(try !told(fixture, "rl=kto", "val_set_size=4").contains(together))
      let one = try fixture.train(.alone, "datasets.0.path=\(fixture.path("one.jsonl"))", "val_set_size=1", "rl=kto")
      #expect(one.code == 64)
      try fixture.write("one.jsonl", RunFixture.lines(1))
      let refused = try fixture.train(.alone, "datasets.0.path=one.jsonl", "val_set_size=1", "rl=kto")
      #expect(refused.code == 64)
      #expect(refused.errors.contains("all 2 examples have the same prompt or are of one record"), "\(refused.errors)")
    }

    @Test func `early stopping without checkpoints at its evaluations is told`() throws {
      let fixture = try RunFixture()
      let settings = [
        "early_stopping_patience=3", "val_set_size=3", "max_steps=7", "eval_steps=2", "load_best_model_at_end=false",
      ]
      func told(_ saves: String) throws -> String {
        let plan = try fixture.start(.alone, settings + [saves, "--plan"]).wait()
        #expect(plan.code == 0)
        return plan.errors
      }
      #expect(
        try told("save_steps=4").contains(
          "early_stopping_patience: evaluations come at steps without a checkpoint (the first at step 2), so the best "
            + "state may be lost: leave load_best_model_at_end out, or set save_strategy: best"))
      for saves in ["save_steps=2", "save_steps=1", "save_strategy=best", "load_best_model_at_end=true"] {
        #expect(try !told(saves).contains("may be lost"))
      }
    }

    // MARK: The screen

    @Test func `the screen says what held-out numbers are worth`() throws {
      let fixture = try RunFixture()
      let lines = try told(fixture, "val_set_size=6", "max_steps=2", "eval_steps=1").split(separator: "\n")
      let evaluations = lines.filter { $0.contains(": held out 6 pairs: ") }
      try #require(evaluations.count == 3)
      let error = #/ ± [0-9]+\.[0-9]{3}/#
      #expect(
        evaluations[0].hasPrefix("step 0: held out 6 pairs: loss 0.6931, rewards: none before training, logps/acc"))
      #expect(evaluations[0].contains(error))
      #expect(lines.contains { $0.hasPrefix("step 1/2  loss 0.6931  rewards: none before training  ") })
      for line in evaluations[1...] {
        #expect(!line.contains("before training") && line.contains(#/loss [0-9.]{6} ± [0-9.]{6}, rewards/acc/#))
        #expect(line.contains(#/rewards/margins -?[0-9.]+ ± /#), "\(line)")
      }
      let explanation = "logps/accuracies: share of pairs whose chosen completion is likelier per token"
      #expect(lines.count { $0.contains(explanation) } == 1)
    }

    @Test func `metrics have standard errors, and accuracies stay TRL's`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, "val_set_size=6", "max_steps=1").code == 0)
      let evaluations = fixture.metrics().filter { $0["eval_loss"] != nil }
      try #require(evaluations.count == 2)
      #expect(evaluations[0]["eval_rewards/accuracies"]?.double == 0)
      for name in ["loss", "rewards/accuracies", "rewards/margins", "logps/accuracies"] {
        let error = try #require(evaluations[1]["eval_\(name)_stderr"]?.double, "\(name)")
        #expect(error > 0 || name == "rewards/accuracies" && error == 0)
      }
      let share = try #require(evaluations[1]["eval_logps/accuracies"]?.double)
      let error = try #require(evaluations[1]["eval_logps/accuracies_stderr"]?.double)
      #expect(abs(error - (share * (1 - share) / 5).squareRoot()) < 1e-12)
      #expect(fixture.metrics().allSatisfy { $0["loss_stderr"] == nil })
    }

    // MARK: The best checkpoint

    /// A rate that makes the held-out loss fall at first and rise later.
    private static let overfitting = [
      "val_set_size=3", "eval_steps=2", "save_steps=4", "save_total_limit=2", "max_steps=24", "learning_rate=0.05",
      "lr_scheduler=constant", "save_minutes=0",
    ]

    private struct Losses {
      let losses: [Int: Double]

      init(_ fixture: RunFixture, _ run: String) {
        losses = Dictionary(
          fixture.metrics(run).compactMap { line in
            line["step"]?.int.flatMap { step in line["eval_loss"]?.double.map { (step, $0) } }
          }, uniquingKeysWith: { _, last in last })
      }

      func best(where condition: (Int) -> Bool) throws -> Int {
        try #require(losses.filter { $0.key > 0 && condition($0.key) }.min { ($0.value, $0.key) < ($1.value, $1.key) })
          .key
      }
    }

    private func checkpoints(_ fixture: RunFixture, _ run: String) throws -> [Int] {
      try fixture.names(run).compactMap { $0.hasPrefix("checkpoint-") ? Int($0.dropFirst(11)) : nil }.sorted()
    }

    @Test func `the best checkpoint is named and never pruned`() throws {
      let fixture = try RunFixture()
      let ending = try fixture.start(.alone, Self.overfitting).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      let losses = Losses(fixture, "run")
      let (best, saved) = (try losses.best { _ in true }, try losses.best { $0 % 4 == 0 })
      try #require(saved < 20, "it would be kept anyway: \(losses.losses)")
      #expect(try checkpoints(fixture, "run") == [saved, 24])
      let record = try JSONValue.parse(fixture.text("run/run.json"))["best"]
      #expect(record?["metric"]?.string == "eval_loss" && record?["step"]?.int == best)
      #expect(record?["value"]?.double == losses.losses[best])
      #expect(record?["kept"]?["path"]?.string == "checkpoint-\(saved)")
      #expect(record?["kept"]?["value"]?.double == losses.losses[saved])
      let state = try JSONValue.parse(fixture.text("run/checkpoint-24/trainer_state.json"))
      #expect(state["best_model_checkpoint"]?.string == "checkpoint-\(saved)")
      let line = ending.errors.split(separator: "\n").filter { $0.hasPrefix("best: ") }
      try #require(line.count == 1)
      #expect(
        line[0].hasPrefix(best == saved ? "best: checkpoint-\(best) (eval_loss " : "best: step \(best) (eval_loss "))
      #expect(best == saved || line[0].contains("), which was not saved; the best that was: checkpoint-\(saved) ("))
      // Saved at each evaluation, the best is the best.
      let every = try fixture.start(
        .alone, Self.overfitting + ["save_steps=2", "save_total_limit=1", "output_dir=every"]
      ).wait()
      #expect(try checkpoints(fixture, "every") == [best, 24].sorted())
      #expect(every.errors.contains("\nbest: checkpoint-\(best) (eval_loss "), "\(every.errors)")
      #expect(every.errors.contains(" at step \(best))\n"))
      #expect(try fixture.adapter("every") == fixture.adapter())
      // With no checkpoint at all only the last state is there.
      let none = try fixture.start(.alone, Self.overfitting + ["save_steps=0", "output_dir=none"]).wait()
      #expect(none.errors.contains("which was not saved; the best that was: the final state (eval_loss "))
      let last = try JSONValue.parse(fixture.text("none/run.json"))["best"]?["kept"]
      #expect(last?["path"]?.string == "." && last?["step"]?.int == 24)
    }

    @Test func `kills and stops do not change which checkpoint is best`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.start(.alone, Self.overfitting + ["output_dir=whole"]).wait().code == 0)
      let expected = try checkpoints(fixture, "whole")
      // Killed in every part of the run, stopped between checkpoints.
      for (steps, signal) in [
        (3, SIGUSR1), (5, SIGKILL), (9, SIGKILL), (11, SIGUSR1), (14, SIGKILL), (18, SIGUSR1), (21, SIGKILL),
      ] {
        let job = try fixture.start(World(threads: 1), Self.overfitting)
        do {
          try job.wait { job.toldSoFar.contains("plan: ") && (fixture.metrics().last?["step"]?.int ?? 0) >= steps }
        } catch is Job.EndedEarly { break }
        job.send(signal)
        #expect(job.wait().code != 0)
      }
      let ending = try fixture.start(World(ranks: 2, threads: 1), Self.overfitting).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(try checkpoints(fixture, "run") == expected)
      let best = try ["run", "whole"].map { try JSONValue.parse(fixture.text("\($0)/run.json"))["best"] }
      #expect(best[0] != nil && best[0] == best[1])
    }

    /// The checkpoint that another directory's run found best is not here.
    @Test func `a run that goes on elsewhere has no best checkpoint yet`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.start(.alone, Self.overfitting).wait().code == 0)
      let ending = try fixture.start(
        .alone,
        Self.overfitting + ["output_dir=new", "--resume", fixture.path("run/checkpoint-24")]
      ).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      let best = try JSONValue.parse(fixture.text("new/run.json"))["best"]
      #expect(best?["kept"]?["path"]?.string == ".")
      #expect(try best?["step"]?.int == Losses(fixture, "run").best { _ in true })
    }
  }
}
