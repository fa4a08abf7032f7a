// Runs that start from another run's checkpoint, and finished runs that are trained further.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// What a run trains.
  enum Form: String, CaseIterable {
    case adapter, weights
    /// An adapter, of running text in packed rows.
    case text

    var keys: String {
      switch self {
      case .adapter, .text: "adapter: lora\nlora_r: 4\nlora_alpha: 8\nlora_dropout: 0.1\nlora_target_linear: true"
      case .weights: "save_dtype: f32"
      }
    }

    var data: String {
      switch self {
      case .adapter, .weights: "rl: dpo\ndatasets:\n  - path: pairs.jsonl\nsequence_len: 512\nmicro_batch_size: 5"
      case .text:
        "pretraining_dataset:\n  - path: texts.jsonl\nsample_packing: true\nsequence_len: 64\nmicro_batch_size: 4"
      }
    }

    var weightsName: String { self == .weights ? "model.safetensors" : "adapter_model.safetensors" }
  }

  @Suite struct BranchTests {
    /// The steps of a trunk, of which the tenth is where branches leave.
    private static let trunkSteps = 20

    private static func fixture(_ form: Form) throws -> RunFixture {
      let fixture = try RunFixture()
      try fixture.write(
        "config.yaml",
        """
        base_model: \(TinyFixture.path("model"))
        \(form.keys)
        \(form.data)
        learning_rate: 1e-3
        lr_scheduler: constant_with_warmup
        warmup_steps: 3
        max_steps: \(trunkSteps)
        save_steps: 10
        val_set_size: 2
        eval_steps: 10
        output_dir: run
        """)
      // Most are longer than a row.
      let texts = RunFixture.lines(RunFixture.pairs).split(separator: "\n").map { line in
        line.replacing("{\"prompt\"", with: "{\"text\"").replacing("\", \"chosen\": \"", with: "")
          .replacing("\", \"rejected\": \"", with: "")
      }
      try fixture.write("texts.jsonl", texts.joined(separator: "\n") + "\n")
      return fixture
    }

    private static func trunk(_ form: Form) throws -> RunFixture {
      let fixture = try fixture(form)
      let ending = try fixture.train(.alone, "output_dir=trunk")
      try #require(ending.code == 0, "\(ending.errors)")
      return fixture
    }

    private static func values(_ fixture: RunFixture, _ run: String, after step: Int) -> [[JSONValue?]] {
      fixture.metrics(run).filter { $0["step"]?.int ?? 0 > step }.map { line in
        ["step", "epoch", "loss", "grad_norm", "learning_rate", "num_tokens", "eval_loss"].map { line[$0] }
      }
    }

    /// The promise of a branch: whatever ranks made it, and interrupted or not, it is the run that had its schedule from
    /// the start.
    @Test(arguments: Form.allCases) func `a branch is the run that had its schedule from the start`(
      form: Form
    ) throws {
      let fixture = try Self.trunk(form)
      let schedule = ["lr_scheduler=warmup_stable_decay", "cooldown_steps=10", "max_steps=40"]
      let whole = try fixture.start(.alone, schedule + ["output_dir=whole"]).wait()
      try #require(whole.code == 0, "\(whole.errors)")

      // Interrupted, on two ranks and then on one.
      let branch = schedule + ["resume_from_checkpoint=trunk/checkpoint-10"]
      let job = try fixture.start(World(ranks: 2, threads: 1), branch)
      try job.wait { job.toldSoFar.contains("plan: ") && fixture.steps().count >= 4 }
      job.send(SIGUSR1)
      let stopped = job.wait()
      #expect(stopped.code == 75, "\(stopped.errors)")
      #expect(stopped.errors.contains("going on after step 10, from trunk/checkpoint-10"))
      #expect(stopped.errors.contains("the learning rates of the 10 steps so far are those that this configuration"))
      #expect(!stopped.errors.contains("a new order of them begins"))
      let resumed = try fixture.start(.alone, branch).wait()
      #expect(resumed.code == 0, "\(resumed.errors)")

      #expect(fixture.steps() == Array(11...40))
      #expect(try fixture.bytes("run/\(form.weightsName)") == fixture.bytes("whole/\(form.weightsName)"))
      #expect(Self.values(fixture, "run", after: 10) == Self.values(fixture, "whole", after: 10))
      let record = try JSONValue.parse(fixture.text("run/run.json"))["trunk"]
      #expect(record?["checkpoint"] == "trunk/checkpoint-10" && record?["step"]?.int == 10)
      #expect(record?["order_starts_after"]?.int == 0)
      #expect(record?["manifest_sha256"]?.string?.count == 64)

      // A branch of the branch, made without interruption.
      let again = try fixture.start(.alone, schedule + ["output_dir=second", "--resume", "run/checkpoint-20"]).wait()
      #expect(again.code == 0, "\(again.errors)")
      #expect(again.errors.contains("the learning rates of steps 11 to 20, which that run made,"))
      #expect(try fixture.bytes("second/\(form.weightsName)") == fixture.bytes("whole/\(form.weightsName)"))
      // The trunk is as it was.
      #expect(fixture.steps("trunk") == Array(1...Self.trunkSteps))
    }

    @Test func `other data begin an order of their own`() throws {
      let fixture = try Self.trunk(.adapter)
      let lines = RunFixture.lines(30).split(separator: "\n").suffix(17)
      try fixture.write("others.jsonl", lines.joined(separator: "\n") + "\n")
      let arguments = [
        "datasets.0.path=others.jsonl", "max_steps=30", "--resume", "trunk/checkpoint-10",
      ]
      let whole = try fixture.start(.alone, arguments + ["output_dir=whole"]).wait()
      #expect(whole.code == 0, "\(whole.errors)")
      #expect(
        whole.errors.contains(
          "the data are not those of the checkpoint's run: a new order of them begins after step 10"))
      // 15 of 17 pairs are trained on, 3 steps per epoch.
      let epochs = fixture.metrics("whole").filter { $0["loss"] != nil }.prefix(3).compactMap { $0["epoch"]?.double }
      #expect(epochs == [1.0 / 3, 2.0 / 3, 1])

      // The same command goes on with a branch that was interrupted, and knows one that is finished.
      let job = try fixture.start(World(ranks: 2, threads: 1), arguments)
      try job.wait { job.toldSoFar.contains("plan: ") && fixture.steps().count >= 3 }
      job.send(SIGUSR1)
      #expect(job.wait().code == 75)
      let resumed = try fixture.start(.alone, arguments).wait()
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(11...30))
      #expect(try JSONValue.parse(fixture.text("run/run.json"))["trunk"]?["order_starts_after"]?.int == 10)
      let finished = try fixture.start(.alone, arguments).wait()
      #expect(finished.code == 0 && finished.errors.contains("is finished"), "\(finished.errors)")

      // Epochs count those of the new data.
      let epochsLeft = try fixture.train(
        .alone, "datasets.0.path=others.jsonl", "max_steps=", "num_epochs=2", "output_dir=epochs", "--resume",
        "trunk/checkpoint-10")
      #expect(epochsLeft.code == 0, "\(epochsLeft.errors)")
      #expect(fixture.steps("epochs") == Array(11...16))
    }

    @Test func `another batch begins another order of the same data`() throws {
      let fixture = try Self.trunk(.adapter)
      let branch = try fixture.train(.alone, "micro_batch_size=4", "--resume", "trunk/checkpoint-10")
      #expect(branch.code == 0, "\(branch.errors)")
      #expect(branch.errors.contains("the data's order or batches are not those of the checkpoint's run"))
      #expect(fixture.steps() == Array(11...Self.trunkSteps))
    }

    @Test func `what a branch must share with its trunk`() throws {
      let fixture = try Self.trunk(.adapter)
      for (key, text) in [
        ("optimizer=lion", "optimizer: adamw_torch in the checkpoint, lion now"),
        ("rl=orpo", "rl: dpo in the checkpoint, orpo now"), ("lora_r=8", "lora_r: 4 in the checkpoint, 8 now"),
      ] {
        let refused = try fixture.train(World(ranks: 2), key, "--resume", "trunk/checkpoint-10")
        #expect(refused.code == 64 && refused.errors.contains(text), "\(refused.errors)")
        #expect(refused.errors.contains("a branch has the parameters, the objective and the optimizer"))
      }
      let short = try fixture.train(.alone, "max_steps=9", "--resume", "trunk/checkpoint-10")
      #expect(short.code == 64 && short.errors.contains("10 steps are done, but this run has 9 only"))
      #expect(!fixture.exists("run"))
      let rates = try fixture.train(.alone, "lr_scheduler=linear", "--resume", "trunk/checkpoint-10")
      #expect(rates.code == 0)
      #expect(
        rates.errors.contains("the learning rate of step 5 was 0.001, this configuration says 0.000941"),
        "\(rates.errors)")
    }

    @Test func `a plan of a branch is of what is left`() throws {
      let fixture = try Self.trunk(.adapter)
      func plan(_ arguments: String...) throws -> JSONValue {
        let result = try fixture.start(.alone, ["--plan", "max_steps=30"] + arguments).wait()
        try #require(result.code == 0, "\(result.errors)")
        return try JSONValue.parse(result.output)
      }
      func operations(_ plan: JSONValue) -> Double { plan["floating_point_operations"]?["training"]?.double ?? 0 }
      let (whole, branch) = (try plan(), try plan("--resume", "trunk/checkpoint-20"))
      #expect(whole["steps_left"]?.int == 30 && branch["steps_left"]?.int == 10)
      #expect(branch["total_steps"]?.int == 30)
      #expect(operations(branch) < 0.5 * operations(whole) && operations(branch) > 0)
      #expect(!fixture.exists("run"))
    }

    @Test func `a finished run is trained further in its own directory`() throws {
      let fixture = try Self.fixture(.adapter)
      #expect(try fixture.train(.alone, "max_steps=40", "output_dir=whole").code == 0)
      #expect(try fixture.train().code == 0)
      let again = try fixture.train()
      #expect(again.code == 0 && again.errors.contains("to train further, raise max_steps or num_epochs"))
      let fewer = try fixture.train(.alone, "max_steps=19")
      #expect(fewer.code == 64 && fewer.errors.contains("max_steps: 20 in the checkpoint, 19 now"), "\(fewer.errors)")
      let other = try fixture.train(.alone, "max_steps=40", "learning_rate=2e-3")
      #expect(other.code == 64 && other.errors.contains("learning_rate"))

      let job = try fixture.start(World(ranks: 2, threads: 1), ["max_steps=40"])
      try job.wait { job.toldSoFar.contains("plan: ") && fixture.steps().count >= 24 }
      job.send(SIGUSR1)
      let stopped = job.wait()
      #expect(stopped.code == 75 && stopped.errors.contains("to 40 steps instead of 20"), "\(stopped.errors)")
      let further = try fixture.train(.alone, "max_steps=40")
      #expect(further.code == 0, "\(further.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(1...40))
      // What a run had before it was trained further is not forgotten.
      let linear = ["lr_scheduler=linear", "output_dir=linear"]
      #expect(try fixture.start(.alone, linear).wait().code == 0)
      let longer = try fixture.start(.alone, linear + ["max_steps=30"]).wait()
      #expect(
        longer.code == 0 && longer.errors.contains("the learning rate of step 5 was 0.000941"), "\(longer.errors)")
      let branch = try fixture.start(
        .alone, ["lr_scheduler=linear", "max_steps=30", "output_dir=b", "--resume", "linear/checkpoint-20"]
      ).wait()
      #expect(
        branch.code == 0 && branch.errors.contains("the learning rate of step 5 was 0.000941"), "\(branch.errors)")
      #expect(Self.values(fixture, "run", after: 0) == Self.values(fixture, "whole", after: 0))
    }

    @Test func `a finished run without a checkpoint is not trained further`() throws {
      let fixture = try Self.fixture(.adapter)
      #expect(try fixture.train(.alone, "save_steps=0").code == 0)
      let before = try fixture.adapter()
      let refused = try fixture.train(.alone, "save_steps=0", "max_steps=40")
      #expect(refused.code == 64 && refused.errors.contains("left no checkpoint to train further from"))
      #expect(try fixture.adapter() == before)
    }
  }
}
