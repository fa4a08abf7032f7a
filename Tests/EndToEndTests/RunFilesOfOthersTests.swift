// A run's directory with files of others in it: they stay, the run works, and what it says is true.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct RunFilesOfOthersTests {
    private static let settings = ["max_steps=4", "save_steps=1", "save_total_limit=4"]

    /// A finished run, to be copied.
    private static let finished = Result<RunFixture, any Error> {
      let fixture = try RunFixture()
      let ending = try fixture.start(.alone, settings).wait()
      try #require(ending.code == 0, "\(ending.errors)")
      return fixture
    }

    private func fixture() throws -> RunFixture { try RunFixture(copyOf: Self.finished.get()) }

    private func train(_ fixture: RunFixture, _ more: String...) throws -> ProcessResult {
      try fixture.start(.alone, Self.settings + more).wait()
    }

    @Test func `overwrite removes the run and leaves what others put into it`() throws {
      let fixture = try fixture()
      let adapter = try fixture.adapter()
      try fixture.makeDirectory("run/checkpoint-3/sub")
      try fixture.makeDirectory("run/checkpoint-best")
      try fixture.makeDirectory("elsewhere")
      let mine = [
        "run/notes.txt", "run/checkpoint-3/sub/notes.txt", "run/checkpoint-4/notes.txt", "run/tensorboard/notes.txt",
        "run/tensorboard/events.out.tfevents.1700000000.host.1.0", "run/crash-1-0.json", "run/samples.jsonl",
        "run/checkpoint-best/file", "run/checkpoint-9.tmp-1", "run/config.yaml.tmp-1",
      ]
      for name in mine { try fixture.write(name, "mine") }
      // A checkpoint that was moved to another disk, and a file in one that was replaced by a link.
      try FileManager.default.moveItem(atPath: fixture.path("run/checkpoint-1"), toPath: fixture.path("elsewhere/one"))
      try fixture.link("run/checkpoint-1", to: "../elsewhere/one")
      try FileManager.default.removeItem(atPath: fixture.path("run/checkpoint-2/adapter_config.json"))
      try fixture.link("run/checkpoint-2/adapter_config.json", to: "../../elsewhere/one/adapter_config.json")
      let links = ["run/checkpoint-1", "run/checkpoint-2/adapter_config.json"]
      let before = try fixture.snapshot()
      for turn in 1...2 {
        let ending = try train(fixture, "--overwrite")
        #expect(ending.code == 0, "\(ending.errors)")
        let after = try fixture.snapshot()
        for name in mine + links + ["elsewhere/one/optimizer.safetensors"] {
          #expect(after[name] == before[name], "\(name)")
        }
        #expect(try fixture.adapter() == adapter)
        #expect(fixture.steps() == [1, 2, 3, 4])
        #expect(try fixture.names("run/checkpoint-3") == ["sub"])
        #expect(try fixture.names("run/checkpoint-4") == ["notes.txt"])
        for step in 1...4 {
          let path = fixture.path("run/checkpoint-\(step)-2")
          #expect(throws: Never.self, "turn \(turn)") { try VerifiedDirectory(path) }
        }
        guard turn == 1 else { continue }
        for name in ["checkpoint-3/sub", "checkpoint-4/notes.txt", "checkpoint-1", "crash-1-0.json"] {
          #expect(ending.errors.contains("run/\(name)"), "\(ending.errors)")
        }
        #expect(!ending.errors.contains("run/notes.txt"))
      }
      let finished = try train(fixture)
      #expect(finished.code == 0 && finished.errors.contains("this run is finished"), "\(finished.errors)")
    }

    @Test func `a run goes on from a checkpoint with a note in it, and prunes around it`() throws {
      let fixture = try fixture()
      for name in try fixture.names("run") where !name.hasPrefix("checkpoint") && name != "config.yaml" {
        try FileManager.default.removeItem(atPath: fixture.path("run/\(name)"))
      }
      try fixture.makeDirectory("run/checkpoint-4/sub")
      try fixture.write("run/checkpoint-2/notes.txt", "mine")
      try fixture.makeDirectory("run/checkpoint-500")
      try fixture.write("run/checkpoint-500/trainer_state.json", "{}")
      let ending = try fixture.start(.alone, ["max_steps=4", "save_steps=1", "save_total_limit=2"]).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(ending.errors.contains("run/checkpoint-500 is not Shoal's and stays as it is"), "\(ending.errors)")
      #expect(ending.errors.contains("going on after step 4, from run/checkpoint-4"), "\(ending.errors)")
      #expect(ending.errors.contains("stays what is not as Shoal wrote it: run/checkpoint-2/notes.txt"))
      #expect(try fixture.names("run/checkpoint-2") == ["notes.txt"])
      #expect(try fixture.text("run/checkpoint-500/trainer_state.json") == "{}")
      #expect(!fixture.exists("run/checkpoint-1") && fixture.exists("run/checkpoint-4/sub"))
    }

    /// Files at the top that are not what the run wrote, or not files.
    @Test(arguments: [
      "adapter_model.safetensors", "adapter_config.json", "metrics.jsonl", "tensorboard", "debug.jsonl", "run.lock",
    ])
    func `a run never replaces what it did not write`(name: String) throws {
      let fixture = try fixture()
      let path = fixture.path("run/\(name)")
      try? FileManager.default.removeItem(atPath: path)
      if ["metrics.jsonl", "tensorboard"].contains(name) {
        try fixture.write("mine", "{}")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "../mine")
      } else {
        try fixture.write("run/\(name)", "mine")
      }
      let before = try fixture.snapshot()
      let ending = try train(fixture, "--overwrite", "--debug")
      #expect(ending.code == 64 && ending.errors.contains(name), "\(ending.errors)")
      #expect(try fixture.snapshot() == before)
    }

    @Test func `an adapter put into an unfinished run stays`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.trainAndStop(.alone, "max_steps=40").code == 75)
      try fixture.write("run/adapter_model.safetensors", "mine")
      let before = try fixture.snapshot()
      for flags in [[], ["--overwrite"]] {
        let ending = try fixture.start(.alone, ["max_steps=40"] + flags).wait()
        #expect(ending.code == 64, "\(ending.errors)")
        #expect(ending.errors.contains("run: holds adapter_model.safetensors, which this run would have to replace"))
        #expect(try fixture.snapshot() == before)
      }
    }

    @Test func `the configuration that is given is not replaced`() throws {
      let fixture = try fixture()
      try fixture.makeDirectory("new")
      try fixture.write("new/config.yaml", fixture.text("config.yaml") + "\n# mine\n")
      let before = try fixture.snapshot()
      for flags in [["--overwrite"], []] {
        let arguments = ["train", fixture.path("new/config.yaml"), "output_dir=new", "max_steps=1"] + flags
        let ending = try Job([Job.program] + arguments, in: fixture).wait()
        #expect(ending.code == 64 && ending.errors.contains("new/config.yaml, which the command names"))
        #expect(try fixture.snapshot() == before)
      }
      // What a run recorded is the same text again.
      let again = try Job([Job.program, "train", fixture.path("run/config.yaml"), "--overwrite"], in: fixture).wait()
      #expect(again.code == 0, "\(again.errors)")
    }

    /// Without run.json the configuration's own text proves the run; without both nothing does.
    @Test func `a run whose record is lost is still a run`() throws {
      let fixture = try fixture()
      let kept = ["config.yaml", "metrics.jsonl", "tensorboard"]
      for name in try fixture.names("run") where !kept.contains(name) && !name.hasPrefix("checkpoint") {
        try FileManager.default.removeItem(atPath: fixture.path("run/\(name)"))
      }
      let copy = try RunFixture(copyOf: fixture)
      #expect(try train(fixture).code == 0)
      try FileManager.default.removeItem(atPath: copy.path("run/config.yaml"))
      let refused = try train(copy, "--overwrite")
      #expect(refused.code == 64 && refused.errors.contains("run: holds metrics.jsonl, which"), "\(refused.errors)")
    }
  }
}
