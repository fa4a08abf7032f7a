// A run that was stopped, killed or damaged goes on as if nothing had happened, or says why it cannot.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct ResumptionTests {
    /// Long enough to be interrupted.
    private static let steps = 40

    private static let settings = "max_steps: \(steps)\nval_set_size: 2\neval_steps: 10"

    /// The files of a run that nothing interrupts, by their paths in its directory.
    private static let whole = Result<[String: Data], any Error> {
      let place = try Self.place(holdingWhole: false)
      let ending = try place.train(World(threads: 2), "output_dir=whole")
      try #require(ending.code == 0, "\(ending.errors)")
      let paths = try FileManager.default.subpathsOfDirectory(atPath: place.path("whole"))
      return try paths.reduce(into: [:]) { files, path in
        var isDirectory: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: place.path("whole/\(path)"), isDirectory: &isDirectory)
        if !isDirectory.boolValue { files[path] = try place.bytes("whole/\(path)") }
      }
    }

    /// A place whose configuration has `steps` steps, with a copy of `whole`.
    private static func place(holdingWhole: Bool = true, saves: String = "save_steps: 7") throws -> Workplace {
      let place = try Workplace()
      try place.write("config.yaml", try place.text("config.yaml") + "\n\(settings)\n\(saves)\n")
      guard holdingWhole else { return place }
      for (path, bytes) in try whole.get() {
        let file = URL(fileURLWithPath: place.path("whole/\(path)"))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try bytes.write(to: file)
      }
      return place
    }

    private static func requireWhole(_ place: Workplace) throws {
      #expect(try place.adapter() == place.adapter("whole"))
      #expect(place.steps() == Array(1...steps))
      let evaluations = place.metrics().filter { $0["eval_loss"] != nil }.compactMap { $0["step"]?.int }
      #expect(evaluations == Array(stride(from: 0, through: steps, by: 10)))
      // The values too are those of the run that nothing interrupted; only clocks differ.
      func values(_ run: String) -> [[JSONValue?]] {
        place.metrics(run).map { line in
          ["step", "epoch", "loss", "grad_norm", "logps/chosen", "num_tokens", "eval_loss"].map { line[$0] }
        }
      }
      #expect(values("run") == values("whole"))
    }

    @Test(arguments: [(2, 3), (3, nil), (nil, 2)] as [(Int?, Int?)])
    func aStoppedRunGoesOnWithOtherRanks(before: Int?, after: Int?) throws {
      let place = try Self.place()
      let stopped = try place.trainAndStop(World(ranks: before, threads: 1))
      #expect(stopped.code == 75, "\(stopped.errors)")
      #expect(stopped.errors.contains("run the same command again"))
      let resumed = try place.train(World(ranks: after, threads: 1))
      #expect(resumed.code == 0)
      #expect(resumed.errors.contains("going on after step"))
      try Self.requireWhole(place)
    }

    @Test func aKilledRankEndsTheJobAndItGoesOn() throws {
      let place = try Self.place()
      let job = try place.start(World(ranks: 3, threads: 1), [])
      try job.wait { place.steps().count >= 8 }
      try job.sendToChild(SIGKILL)
      #expect(job.wait().code != 0)
      #expect(place.steps().count < Self.steps)
      let resumed = try place.train(World(ranks: 2, threads: 1))
      #expect(resumed.code == 0)
      #expect(resumed.errors.contains("going on after step"))
      try Self.requireWhole(place)
    }

    @Test func aFinishedRunSaysSo() throws {
      let place = try Workplace()
      #expect(try place.train().code == 0)
      let before = try place.adapter()
      for world in [World.alone, World(ranks: 2)] {
        let again = try place.train(world)
        #expect(again.code == 0)
        #expect(again.errors.contains("finished"))
      }
      #expect(try place.adapter() == before)
      #expect(place.steps() == Array(1...6))
    }

    /// "Nothing is left to do" is not said of an adapter that is damaged or gone.
    @Test(arguments: ["adapter_model.safetensors", "adapter_config.json"])
    func aFinishedRunIsHeldToItsAdapter(name: String) throws {
      let place = try Workplace()
      #expect(try place.train().code == 0)
      let whole = try place.bytes("run/\(name)")
      func requireRefusal(_ reason: String) throws {
        for world in [World.alone, World(ranks: 2)] {
          let again = try place.train(world)
          #expect(again.code == 64)
          #expect(again.errors.contains(name) && again.errors.contains(reason), "\(again.errors)")
        }
      }
      try place.damage("run/\(name)")
      try requireRefusal("is not what the run that is finished there ended with")
      try FileManager.default.removeItem(atPath: place.path("run/\(name)"))
      try requireRefusal("No such file")
      try whole.write(to: URL(fileURLWithPath: place.path("run/\(name)")))
      #expect(try place.train().code == 0)
    }

    @Test func anotherConfigurationOrOtherDataIsRefused() throws {
      let place = try Self.place()
      #expect(try place.trainAndStop(.alone).code == 75)
      let names = try place.names("run")

      let changed = try place.train(.alone, "learning_rate=2e-3")
      #expect(changed.code == 64)
      #expect(changed.errors.contains("learning_rate: 0.001 in the checkpoint, 0.002 now"))
      let named = try place.train(.alone, "learning_rate=2e-3", "--resume", "run/checkpoint-7")
      #expect(named.code == 64)

      let pairs = try place.text("pairs.jsonl")
      try place.write("pairs.jsonl", pairs.replacingOccurrences(of: "tide", with: "tied"))
      let other = try place.train()
      #expect(other.code == 64)
      #expect(other.errors.contains("made from other inputs: data"))
      try place.write("pairs.jsonl", pairs)

      let never = try place.train(.alone, "--resume", "never")
      #expect(never.code == 64)
      #expect(never.errors.contains("--overwrite"))
      let foreign = try place.train(.alone, "--resume", "whole/checkpoint-7")
      #expect(foreign.code == 64)
      #expect(try place.names("run") == names)

      // What is printed and saved may change.
      #expect(try place.train(.alone, "logging_steps=5", "save_steps=50").code == 0)
      try Self.requireWhole(place)
    }

    @Test func overwriteStartsAgain() throws {
      let place = try Self.place()
      #expect(try place.trainAndStop(.alone, "learning_rate=5e-3").code == 75)
      try place.write("run/notes.txt", "mine")
      #expect(try place.train(.alone, "--resume", "never", "--overwrite").code == 0)
      try Self.requireWhole(place)
      #expect(try place.text("run/notes.txt") == "mine")
    }

    @Test func aNamedCheckpointIsTaken() throws {
      let place = try Self.place()
      // In a directory of its own, and in the run's, where newer checkpoints lie.
      let own = try place.train(.alone, "--resume", "whole/checkpoint-14")
      #expect(own.code == 0, "\(own.errors)")
      #expect(try place.adapter() == place.adapter("whole"))
      #expect(place.steps() == Array(15...Self.steps))
      let again = try place.train(.alone, "output_dir=whole", "--resume", place.path("whole/checkpoint-7"))
      #expect(again.code == 0, "\(again.errors)")
      #expect(place.steps("whole") == Array(1...Self.steps))
      #expect(try place.adapter("whole") == place.adapter())
      let missing = try place.train(.alone, "output_dir=new", "--resume", "whole/checkpoint-8")
      #expect(missing.code == 64)
      #expect(missing.errors.contains("checkpoint-8"))
      #expect(!place.exists("new"))
    }

    @Test func aDamagedCheckpointIsPassedOverAndKept() throws {
      // Every step is saved, so the run comes to the damaged step again.
      let place = try Self.place(saves: "save_steps: 1\nsave_total_limit: 3")
      #expect(try place.trainAndStop(World(ranks: 2, threads: 1)).code == 75)
      let last = try #require(place.steps().last)
      try place.damage("run/checkpoint-\(last)/optimizer.safetensors")
      let bytes = try place.bytes("run/checkpoint-\(last)/optimizer.safetensors")
      let resumed = try place.train(World(ranks: 2, threads: 1))
      #expect(resumed.code == 0)
      #expect(resumed.errors.contains("\"optimizer.safetensors\" was changed"))
      #expect(resumed.errors.contains("going on after step \(last - 1)"))
      #expect(resumed.errors.contains("saved run/checkpoint-\(last)\n"))
      #expect(try place.bytes("run/checkpoint-\(last).damaged/optimizer.safetensors") == bytes)
      try Self.requireWhole(place)
      let names = try place.names("run").filter { $0.hasPrefix("checkpoint-") }
      #expect(
        Set(names) == ["checkpoint-38", "checkpoint-39", "checkpoint-40", "checkpoint-\(last).damaged"])
    }

    /// A disk that fails once says nothing about what lies on it.
    @Test func aCheckpointThatCannotBeReadNowStays() throws {
      let place = try Self.place(saves: "save_steps: 1\nsave_total_limit: 3")
      #expect(try place.trainAndStop(World(threads: 1)).code == 75)
      let newest = try #require(place.lastCheckpoint())
      let resumed = try place.train(
        environment: FaultLab.failingRead(1, under: place.path("run/checkpoint-\(newest)")))
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(
        resumed.errors.contains("run/checkpoint-\(newest) is passed over and stays as it is"), "\(resumed.errors)")
      #expect(resumed.errors.contains("going on after step \(newest - 1)"))
      #expect(try !place.names("run").contains { $0.contains(".damaged") })
      try Self.requireWhole(place)
    }

    /// Saved work is not given up because none of it can be read now.
    @Test func aRunWhoseCheckpointsAreAllDamagedIsRefused() throws {
      let place = try Self.place(saves: "save_steps: 1\nsave_total_limit: 3")
      #expect(try place.trainAndStop(World(threads: 1)).code == 75)
      let names = try place.names("run")
      let damaged = names.filter { $0.hasPrefix("checkpoint-") }
      for name in damaged { try place.damage("run/\(name)/optimizer.safetensors") }
      let refused = try place.train(World(ranks: 2, threads: 1))
      #expect(refused.code == 64)
      #expect(refused.errors.contains("run: no checkpoint there is whole or can be read"))
      for name in damaged { #expect(refused.errors.contains(name)) }
      #expect(try place.names("run") == names)
      for name in damaged { try place.damage("run/\(name)/optimizer.safetensors") }
      #expect(try place.train().code == 0)
      try Self.requireWhole(place)
    }

    @Test func aCheckpointThatIsNamedAndDamagedIsRefused() throws {
      let place = try Self.place()
      try place.damage("whole/checkpoint-7/adapter_model.safetensors")
      let ending = try place.train(World(ranks: 2), "--resume", place.path("whole/checkpoint-7"))
      #expect(ending.code == 64)
      #expect(ending.errors.contains("\"adapter_model.safetensors\" was changed"))
      #expect(!place.exists("run"))
    }
  }
}
