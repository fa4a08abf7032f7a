// A run that was stopped, killed or damaged resumes with the same result, or gives the reason why it cannot.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct ResumptionTests {
    /// Long enough to be interrupted.
    private static let steps = 40

    private static let settings = "max_steps: \(steps)\nval_set_size: 2\neval_steps: 10"

    /// The files of an uninterrupted run, by their paths in its directory.
    private static let whole = Result<[String: Data], any Error> {
      let fixture = try Self.fixture(holdingWhole: false)
      let ending = try fixture.train(World(threads: 2), "output_dir=whole")
      try #require(ending.code == 0, "\(ending.errors)")
      let paths = try FileManager.default.subpathsOfDirectory(atPath: fixture.path("whole"))
      return try paths.reduce(into: [:]) { files, path in
        var isDirectory: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: fixture.path("whole/\(path)"), isDirectory: &isDirectory)
        if !isDirectory.boolValue { files[path] = try fixture.bytes("whole/\(path)") }
      }
    }

    /// A fixture whose configuration has `steps` steps, with a copy of `whole`.
    private static func fixture(holdingWhole: Bool = true, saves: String = "save_steps: 7") throws -> RunFixture {
      let fixture = try RunFixture()
      try fixture.write("config.yaml", try fixture.text("config.yaml") + "\n\(settings)\n\(saves)\n")
      guard holdingWhole else { return fixture }
      for (path, bytes) in try whole.get() {
        let file = URL(fileURLWithPath: fixture.path("whole/\(path)"))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try bytes.write(to: file)
      }
      return fixture
    }

    private static func requireWhole(_ fixture: RunFixture) throws {
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(1...steps))
      let evaluations = fixture.metrics().filter { $0["eval_loss"] != nil }.compactMap { $0["step"]?.int }
      #expect(evaluations == Array(stride(from: 0, through: steps, by: 10)))
      // The values too equal those of the uninterrupted run; only clocks differ.
      func values(_ run: String) -> [[JSONValue?]] {
        fixture.metrics(run).map { line in
          ["step", "epoch", "loss", "grad_norm", "logps/chosen", "num_tokens", "eval_loss"].map { line[$0] }
        }
      }
      #expect(values("run") == values("whole"))
    }

    @Test(arguments: [(2, 3), (3, nil), (nil, 2)] as [(Int?, Int?)])
    func `a stopped run goes on with other ranks`(before: Int?, after: Int?) throws {
      let fixture = try Self.fixture()
      let stopped = try fixture.trainAndStop(World(ranks: before, threads: 1))
      #expect(stopped.code == 75, "\(stopped.errors)")
      #expect(stopped.errors.contains("run the same command again"))
      let resumed = try fixture.train(World(ranks: after, threads: 1))
      #expect(resumed.code == 0)
      #expect(resumed.errors.contains("going on after step"))
      try Self.requireWhole(fixture)
    }

    @Test func `a killed rank ends the job and it goes on`() throws {
      let fixture = try Self.fixture()
      let job = try fixture.start(World(ranks: 3, threads: 1), [])
      try job.wait { fixture.steps().count >= 8 }
      try job.sendToChild(SIGKILL)
      #expect(job.wait().code != 0)
      #expect(fixture.steps().count < Self.steps)
      let resumed = try fixture.train(World(ranks: 2, threads: 1))
      #expect(resumed.code == 0)
      #expect(resumed.errors.contains("going on after step"))
      try Self.requireWhole(fixture)
    }

    @Test func `a finished run says so`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train().code == 0)
      let before = try fixture.adapter()
      for world in [World.alone, World(ranks: 2)] {
        let again = try fixture.train(world)
        #expect(again.code == 0)
        #expect(again.errors.contains("finished"))
      }
      #expect(try fixture.adapter() == before)
      #expect(fixture.steps() == Array(1...6))
    }

    /// A run with a damaged or missing adapter is not reported as finished.
    @Test(arguments: ["adapter_model.safetensors", "adapter_config.json"])
    func `a finished run is held to its adapter`(name: String) throws {
      let fixture = try RunFixture()
      #expect(try fixture.train().code == 0)
      let whole = try fixture.bytes("run/\(name)")
      func requireRefusal(_ reason: String) throws {
        for world in [World.alone, World(ranks: 2)] {
          let again = try fixture.train(world)
          #expect(again.code == 64)
          #expect(again.errors.contains(name) && again.errors.contains(reason), "\(again.errors)")
        }
      }
      try fixture.damage("run/\(name)")
      try requireRefusal("is not what the run that is finished there ended with")
      try FileManager.default.removeItem(atPath: fixture.path("run/\(name)"))
      try requireRefusal("No such file")
      try whole.write(to: URL(fileURLWithPath: fixture.path("run/\(name)")))
      #expect(try fixture.train().code == 0)
    }

    @Test func `another configuration or other data is refused`() throws {
      let fixture = try Self.fixture()
      #expect(try fixture.trainAndStop(.alone).code == 75)
      let names = try fixture.names("run")

      let changed = try fixture.train(.alone, "learning_rate=2e-3")
      #expect(changed.code == 64)
      #expect(changed.errors.contains("learning_rate: 0.001 in the checkpoint, 0.002 now"))
      let named = try fixture.train(.alone, "learning_rate=2e-3", "--resume", "run/checkpoint-7")
      #expect(named.code == 64)

      let pairs = try fixture.text("pairs.jsonl")
      try fixture.write("pairs.jsonl", pairs.replacingOccurrences(of: "tide", with: "tied"))
      let other = try fixture.train()
      #expect(other.code == 64)
      #expect(other.errors.contains("made from other inputs: data"))
      try fixture.write("pairs.jsonl", pairs)

      let never = try fixture.train(.alone, "--resume", "never")
      #expect(never.code == 64)
      #expect(never.errors.contains("--overwrite"))
      let foreign = try fixture.train(.alone, "--resume", "whole/checkpoint-7")
      #expect(foreign.code == 64)
      #expect(try fixture.names("run") == names)

      // Settings of printing and saving may change.
      #expect(try fixture.train(.alone, "logging_steps=5", "save_steps=50").code == 0)
      try Self.requireWhole(fixture)
    }

    @Test func `overwrite starts again`() throws {
      let fixture = try Self.fixture()
      #expect(try fixture.trainAndStop(.alone, "learning_rate=5e-3").code == 75)
      try fixture.write("run/notes.txt", "mine")
      #expect(try fixture.train(.alone, "--resume", "never", "--overwrite").code == 0)
      try Self.requireWhole(fixture)
      #expect(try fixture.text("run/notes.txt") == "mine")
    }

    @Test func `a named checkpoint is taken`() throws {
      let fixture = try Self.fixture()
      // In its own directory, and in the run's, which has newer checkpoints.
      let own = try fixture.train(.alone, "--resume", "whole/checkpoint-14")
      #expect(own.code == 0, "\(own.errors)")
      #expect(own.errors.contains("this run has the same configuration as the checkpoint's"))
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(15...Self.steps))
      let other = try fixture.train(
        .alone, "output_dir=other", "--resume", "whole/checkpoint-14/", "learning_rate=2e-3", "micro_batch_size=4",
        "logging_steps=2")
      #expect(other.code == 0, "\(other.errors)")
      #expect(
        other.errors.contains(
          """
          this run differs from the checkpoint's:
            batch_size: 5 in the checkpoint, 4 now
            learning_rate: 0.001 in the checkpoint, 0.002 now

          """), "\(other.errors)")
      // Other examples are held out, so the data differ.
      let seed = try fixture.train(.alone, "output_dir=seed", "--resume", "whole/checkpoint-14", "seed=7")
      #expect(seed.code == 0 && seed.errors.contains("seed: 42 in the checkpoint, 7 now"), "\(seed.errors)")
      #expect(seed.errors.contains("a new order of them begins after step 14"), "\(seed.errors)")
      let again = try fixture.train(.alone, "output_dir=whole", "--resume", fixture.path("whole/checkpoint-7"))
      #expect(again.code == 0, "\(again.errors)")
      #expect(fixture.steps("whole") == Array(1...Self.steps))
      #expect(try fixture.adapter("whole") == fixture.adapter())
      let missing = try fixture.train(.alone, "output_dir=new", "--resume", "whole/checkpoint-8")
      #expect(missing.code == 64)
      #expect(missing.errors.contains("checkpoint-8"))
      #expect(!fixture.exists("new"))
    }

    @Test func `a damaged checkpoint is passed over and kept`() throws {
      // Every step is saved, so the run reaches the damaged step again.
      let fixture = try Self.fixture(saves: "save_steps: 1\nsave_total_limit: 3")
      #expect(try fixture.trainAndStop(World(ranks: 2, threads: 1)).code == 75)
      let last = try #require(fixture.steps().last)
      try fixture.damage("run/checkpoint-\(last)/optimizer.safetensors")
      let bytes = try fixture.bytes("run/checkpoint-\(last)/optimizer.safetensors")
      let resumed = try fixture.train(World(ranks: 2, threads: 1))
      #expect(resumed.code == 0)
      #expect(resumed.errors.contains("\"optimizer.safetensors\" was changed"))
      #expect(resumed.errors.contains("going on after step \(last - 1)"))
      #expect(resumed.errors.contains("saved run/checkpoint-\(last)\n"))
      #expect(try fixture.bytes("run/checkpoint-\(last).damaged/optimizer.safetensors") == bytes)
      try Self.requireWhole(fixture)
      let names = try fixture.names("run").filter { $0.hasPrefix("checkpoint-") }
      // The best of all takes one of the three places.
      let best = try #require(try JSONValue.parse(fixture.text("run/run.json"))["best"]?["kept"]?["step"]?.int)
      let expected = [best] + [40, 39, 38].filter { $0 != best }.prefix(2)
      #expect(Set(names) == Set(expected.map { "checkpoint-\($0)" } + ["checkpoint-\(last).damaged"]))
    }

    /// One read error does not mean that the file is damaged.
    @Test func `a checkpoint that cannot be read now stays`() throws {
      let fixture = try Self.fixture(saves: "save_steps: 1\nsave_total_limit: 3")
      #expect(try fixture.trainAndStop(World(threads: 1)).code == 75)
      let newest = try #require(fixture.lastCheckpoint())
      let resumed = try fixture.train(
        environment: FaultInjector.failingRead(1, under: fixture.path("run/checkpoint-\(newest)")))
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(
        resumed.errors.contains("run/checkpoint-\(newest) is passed over and stays as it is"), "\(resumed.errors)")
      #expect(resumed.errors.contains("going on after step \(newest - 1)"))
      #expect(try !fixture.names("run").contains { $0.contains(".damaged") })
      try Self.requireWhole(fixture)
    }

    /// Saved work is kept even if none of it can be read now.
    @Test func `a run whose checkpoints are all damaged is refused`() throws {
      let fixture = try Self.fixture(saves: "save_steps: 1\nsave_total_limit: 3")
      #expect(try fixture.trainAndStop(World(threads: 1)).code == 75)
      let names = try fixture.names("run")
      let damaged = names.filter { $0.hasPrefix("checkpoint-") }
      for name in damaged { try fixture.damage("run/\(name)/optimizer.safetensors") }
      let refused = try fixture.train(World(ranks: 2, threads: 1))
      #expect(refused.code == 64)
      #expect(refused.errors.contains("run: no checkpoint there is whole or can be read"))
      for name in damaged { #expect(refused.errors.contains(name)) }
      #expect(try fixture.names("run") == names)
      for name in damaged { try fixture.damage("run/\(name)/optimizer.safetensors") }
      #expect(try fixture.train().code == 0)
      try Self.requireWhole(fixture)
    }

    @Test func `a checkpoint that is named and damaged is refused`() throws {
      let fixture = try Self.fixture()
      try fixture.damage("whole/checkpoint-7/adapter_model.safetensors")
      let ending = try fixture.train(World(ranks: 2), "--resume", fixture.path("whole/checkpoint-7"))
      #expect(ending.code == 64)
      #expect(ending.errors.contains("\"adapter_model.safetensors\" was changed"))
      #expect(!fixture.exists("run"))
    }
  }
}
