// Runs that end with the best of their states, and early stopping.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct BestModelTests {
    /// A rate that makes the held-out loss fall at first and rise later.
    private static let overfitting = [
      "val_set_size=3", "eval_steps=2", "max_steps=24", "learning_rate=0.05", "lr_scheduler=constant", "save_minutes=0",
    ]
    private static let best = overfitting + ["load_best_model_at_end=true"]

    private func values(_ fixture: RunFixture, _ run: String, _ metric: String = "eval_loss") -> [(Int, Double)] {
      fixture.metrics(run).compactMap { line in
        guard let step = line["step"]?.int, step > 0, let value = line[metric]?.double else { return nil }
        return (step, value)
      }
    }

    private func run(
      _ fixture: RunFixture, _ settings: [String], as name: String, in world: World = .alone
    ) throws -> ProcessResult {
      let ending = try fixture.start(world, settings + ["output_dir=\(name)"]).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      return ending
    }

    private func record(_ fixture: RunFixture, _ run: String) throws -> JSONValue {
      try #require(try JSONValue.parse(fixture.text("\(run)/run.json"))["best"])
    }

    @Test func `a run ends with its best state, whatever is saved beside it`() throws {
      let fixture = try RunFixture()
      _ = try run(fixture, Self.overfitting, as: "last")
      let step = try #require(values(fixture, "last").min { $0.1 < $1.1 }).0
      try #require(step < 22, "the last state is the best one")
      let settings: [(String, World, [String])] = [
        ("each", .alone, ["save_steps=2"]),
        ("some", World(ranks: 2, threads: 1), ["save_steps=4", "save_total_limit=1"]),
        ("none", World(ranks: 3, threads: 1), ["save_steps=0"]), ("epochs", .alone, ["saves_per_epoch=1"]),
        ("best", .alone, ["save_strategy=best", "save_total_limit=2"]),
      ]
      for (name, world, saves) in settings {
        let ending = try run(fixture, Self.best + saves, as: name, in: world)
        #expect(try fixture.adapter(name) == fixture.adapter("\(name)/checkpoint-\(step)"), "\(name)")
        #expect(try fixture.adapter(name) == fixture.adapter("each"), "\(name)")
        #expect(try fixture.adapter("\(name)/checkpoint-24") == fixture.adapter("last"), "\(name)")
        let best = try record(fixture, name)
        #expect(best["step"]?.int == step && best["final_step"]?.int == step && best["kept"]?["step"]?.int == step)
        #expect(best["kept"]?["path"]?.string == "checkpoint-\(step)" && best["metric"]?.string == "eval_loss")
        #expect(
          ending.errors.contains("\nbest: checkpoint-\(step) (eval_loss ")
            && ending.errors.contains(" at step \(step)), with which the run ends\n"), "\(ending.errors)")
        #expect(try fixture.train(.alone, "output_dir=\(name)").code == 64, "without its settings it is another run")
      }
      #expect(try fixture.names("some").filter { $0.hasPrefix("checkpoint-") }.count == 2)
      #expect(try record(fixture, "last")["final_step"]?.int == 24)
      // The last state may be the best.
      _ = try run(
        fixture, Self.best + ["learning_rate=1e-3", "val_set_size=0", "test_datasets=[{path: pairs.jsonl}]"], as: "slow"
      )
      #expect(try record(fixture, "slow")["final_step"]?.int == 24)
      #expect(try fixture.adapter("slow") == fixture.adapter("slow/checkpoint-24"))
    }

    @Test func `a metric of which more is better`() throws {
      let fixture = try RunFixture()
      let metric = "eval_logps/accuracies"
      let ending = try run(fixture, Self.best + ["metric_for_best_model=logps/accuracies"], as: "run")
      let found = values(fixture, "run", metric)
      // The first of equals.
      let highest = try #require(found.map(\.1).max())
      let step = try #require(found.first { $0.1 == highest }).0
      #expect(try record(fixture, "run")["final_step"]?.int == step)
      #expect(try record(fixture, "run")["metric"]?.string == metric)
      #expect(try fixture.adapter() == fixture.adapter("run/checkpoint-\(step)"))
      #expect(ending.errors.contains("best: checkpoint-\(step) (\(metric) "), "\(ending.errors)")
      let state = try JSONValue.parse(fixture.text("run/checkpoint-24/trainer_state.json"))
      #expect(state["metric_for_best_model"]?.string == metric && state["greater_is_better"] == true)
    }

    @Test func `checkpoints of states that were the best`() throws {
      let fixture = try RunFixture()
      _ = try run(fixture, Self.overfitting + ["save_strategy=best"], as: "run")
      var steps: [Int] = []
      var lowest = Double.infinity
      for (step, loss) in values(fixture, "run") where loss < lowest {
        steps.append(step)
        lowest = loss
      }
      let saved = try fixture.names("run").compactMap { $0.hasPrefix("checkpoint-") ? Int($0.dropFirst(11)) : nil }
      #expect(saved.sorted() == steps)
      #expect(try record(fixture, "run")["final_step"]?.int == 24)
    }

    @Test func `early stopping follows the metric and ends with the best`() throws {
      let fixture = try RunFixture()
      for (metric, text) in [("eval_loss", "has not fallen"), ("eval_logps/accuracies", "has not risen")] {
        let name = metric.replacing("/", with: "-")
        let ending = try run(
          fixture, Self.overfitting + ["early_stopping_patience=3", "metric_for_best_model=\(metric)"], as: name)
        let found = values(fixture, name, metric)
        let sign = metric == "eval_loss" ? 1.0 : -1
        let least = try #require(found.map { sign * $0.1 }.min())
        let best = try #require(found.first { sign * $0.1 == least }).0
        let last = try #require(found.last).0
        #expect(last == best + 6, "\(found)")
        #expect(ending.errors.contains("step \(last): \(metric) \(text) for 3 evaluations; the run ends here"))
        #expect(try fixture.adapter(name) == fixture.adapter("\(name)/checkpoint-\(best)"))
        #expect(fixture.exists("\(name)/checkpoint-\(last)"))
      }
    }

    // MARK: Interruptions

    @Test func `kills and stops do not change what a run ends with`() throws {
      let fixture = try RunFixture()
      let settings = Self.best + ["save_steps=0", "save_total_limit=1", "early_stopping_patience=5"]
      _ = try run(fixture, settings, as: "whole")
      // Killed in every part of the run, stopped between evaluations.
      for (steps, signal) in [
        (1, SIGUSR1), (2, SIGKILL), (3, SIGUSR1), (5, SIGKILL), (6, SIGUSR1), (9, SIGKILL), (11, SIGUSR1),
        (14, SIGKILL),
      ] {
        let job = try fixture.start(World(threads: 1), settings + ["save_minutes=0.0005"])
        do {
          try job.wait { job.toldSoFar.contains("plan: ") && (fixture.metrics().last?["step"]?.int ?? 0) >= steps }
        } catch is Job.EndedEarly { break }
        job.send(signal)
        _ = job.wait()
      }
      let ending = try fixture.start(World(ranks: 2, threads: 1), settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(try record(fixture, "run") == record(fixture, "whole"))
      func checkpoints(_ run: String) throws -> [String] {
        try fixture.names(run).filter { $0.hasPrefix("checkpoint-") }.sorted()
      }
      #expect(try checkpoints("run") == checkpoints("whole"))
      #expect(values(fixture, "run").map(\.0) == values(fixture, "whole").map(\.0))
    }

    /// Stops a run after its best state.
    private func stopped(_ fixture: RunFixture, _ settings: [String]) throws -> Int {
      _ = try run(fixture, Self.best + settings, as: "whole")
      let best = try #require(try record(fixture, "whole")["step"]?.int)
      let job = try fixture.start(World(threads: 1), Self.best + settings)
      try job.wait {
        job.toldSoFar.contains("plan: ") && (fixture.metrics().last?["step"]?.int ?? 0) > best
          && fixture.exists("run/checkpoint-\(best)")
      }
      job.send(SIGUSR1)
      #expect(job.wait().code == 75)
      return best
    }

    @Test func `a best state that is lost is computed again`() throws {
      let fixture = try RunFixture()
      let best = try stopped(fixture, ["save_steps=1"])
      try fixture.damage("run/checkpoint-\(best)/adapter_model.safetensors")
      let resumed = try fixture.start(World(ranks: 2, threads: 1), Self.best + ["save_steps=1"]).wait()
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("is passed over: the best state so far, checkpoint-\(best), is lost"))
      #expect(resumed.errors.contains("going on after step \(best - 1)"), "\(resumed.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(try record(fixture, "run") == record(fixture, "whole"))
    }

    @Test func `a best state that cannot be computed again is an error`() throws {
      let fixture = try RunFixture()
      let best = try stopped(fixture, ["save_steps=0", "save_total_limit=1"])
      try FileManager.default.removeItem(atPath: fixture.path("run/checkpoint-\(best)"))
      let refused = try fixture.start(.alone, Self.best + ["save_steps=0", "save_total_limit=1"]).wait()
      #expect(refused.code == 64, "\(refused.errors)")
      #expect(refused.errors.contains("run: no checkpoint there is whole or can be read"))
      #expect(refused.errors.contains("checkpoint-\(best)"))
    }

    @Test func `evaluations of a resumed run stay where they were`() throws {
      let fixture = try RunFixture()
      _ = try stopped(fixture, ["save_steps=1"])
      let refused = try fixture.start(.alone, Self.best + ["eval_steps=3"]).wait()
      #expect(refused.code == 64 && refused.errors.contains("eval_steps: 2 in the checkpoint, 3 now"))
      let resumed = try fixture.start(.alone, Self.best + ["save_strategy=best", "save_steps=0"]).wait()
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
    }

    @Test func `a run that goes on elsewhere ends with the best of its own states`() throws {
      let fixture = try RunFixture()
      _ = try run(fixture, Self.best, as: "whole")
      let before = try #require(try record(fixture, "whole")["step"]?.int)
      let ending = try fixture.start(
        .alone, Self.best + ["output_dir=new", "max_steps=30", "--resume", fixture.path("whole/checkpoint-24")]
      ).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      let step = try #require(try record(fixture, "new")["final_step"]?.int)
      #expect(before < 24 && step >= 24 && step == values(fixture, "new").min { $0.1 < $1.1 }?.0)
      #expect(try fixture.adapter("new") == fixture.adapter("new/checkpoint-\(step)"))
    }

    @Test func `KTO needs both kinds for its margins`() throws {
      let fixture = try RunFixture()
      let record = #"{"prompt": "What turns %@?", "completion": " The tide %@.", "label": true}"# + "\n"
      try fixture.write("good.jsonl", (0..<4).map { record.replacing("%@", with: "\($0)") }.joined())
      let settings = ["rl=kto", "test_datasets=[{path: good.jsonl}]", "eval_steps=1", "max_steps=2"]
      let refused = try fixture.start(.alone, settings + ["metric_for_best_model=rewards/margins"]).wait()
      #expect(
        refused.code == 64 && refused.errors.contains("needs both desirable and undesirable"), "\(refused.errors)")
      #expect(!fixture.exists("run"))
      let taken = try fixture.start(.alone, settings + ["metric_for_best_model=rewards/chosen"]).wait()
      #expect(taken.code == 0, "\(taken.errors)")
    }
  }
}
