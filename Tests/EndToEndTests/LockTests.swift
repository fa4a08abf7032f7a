// Only one run at a time in a directory, and the leftovers of a killed run.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct LockTests {
    @Test func `a second run is refused and a dead one is not`() throws {
      let fixture = try RunFixture(pairs: 2)
      let settings = ["max_steps=3000", "save_steps=500"]
      let first = try fixture.start(World(threads: 1), settings)
      try first.wait { fixture.steps().count >= 3 }
      let second = try fixture.start(World(ranks: 2, threads: 1), settings).wait()
      #expect(second.code == 64, "\(second.errors)")
      let refusal = "process \(first.identifier) on \(ProcessInfo.processInfo.hostName) works in this directory"
      #expect(second.errors.components(separatedBy: refusal).count == 2, "\(second.errors)")
      // Reading is allowed.
      #expect(try fixture.start(.alone, settings + ["--plan"]).wait().code == 0)
      let before = fixture.steps().count
      try first.wait { fixture.steps().count > before }

      first.send(SIGKILL)
      _ = first.wait()
      #expect(fixture.exists("run/\(DirectoryLock.name)"))
      // Of the process that was killed, the unfinished files are known; what has another number is not its own.
      let killed = first.identifier
      try fixture.write("run/run.json.tmp-\(killed)", "ours")
      try fixture.write("run/notes.tmp-\(killed)", "not ours")
      try fixture.write("run/metrics.jsonl.tmp-1", "not ours")
      for name in ["checkpoint-1.tmp-\(killed)-2", "checkpoint-2.tmp-\(killed)", "checkpoint-3.tmp-1"] {
        try FileManager.default.createDirectory(atPath: fixture.path("run/\(name)"), withIntermediateDirectories: true)
        try fixture.write("run/\(name)/optimizer.safetensors", "")
      }
      try fixture.write("run/checkpoint-2.tmp-\(killed)/notes", "not ours")
      let third = try fixture.trainAndStop(World(threads: 1), "max_steps=3000", "save_steps=500")
      #expect(third.code == 75, "\(third.errors)")
      let left = try fixture.names("run").filter { $0.contains(".tmp") || $0 == DirectoryLock.name }
      #expect(
        left == ["checkpoint-2.tmp-\(killed)", "checkpoint-3.tmp-1", "metrics.jsonl.tmp-1", "notes.tmp-\(killed)"])
      #expect(try fixture.names("run/checkpoint-2.tmp-\(killed)") == ["notes"])
      #expect(try fixture.names("run/checkpoint-3.tmp-1") == ["optimizer.safetensors"])
    }

    @Test func `kills in the middle of a save lose nothing`() throws {
      let fixture = try RunFixture(pairs: 6)
      let settings = ["max_steps=40", "save_steps=1", "save_total_limit=2", "lora_r=16"]
      #expect(try fixture.start(World(threads: 1), settings + ["output_dir=whole"]).wait().code == 0)
      var kills = 0
      while kills < 25 {
        let job = try fixture.start(World(threads: 1), settings)
        let from = fixture.lastCheckpoint() ?? 0
        // Sometimes later: in the second or third save of a start.
        do {
          try job.wait {
            ((try? fixture.names("run")) ?? []).contains { name in
              name.wholeMatch(of: /checkpoint-([0-9]+)\.tmp-[0-9]+/).flatMap { Int($0.1) } ?? 0 > from + kills % 3
            }
          }
        } catch is Job.EndedEarly { break }
        usleep(UInt32(kills * 137 % 2000))
        job.send(SIGKILL)
        #expect(job.wait().code != 0)
        kills += 1
        for name in try fixture.names("run") where name.wholeMatch(of: /checkpoint-[0-9]+/) != nil {
          #expect(throws: Never.self, "\(name)") { try VerifiedDirectory(fixture.path("run/\(name)")) }
        }
      }
      #expect(kills >= 10)
      let last = try fixture.start(World(threads: 1), settings).wait()
      #expect(last.code == 0, "\(last.errors)")
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(1...40))
      #expect(try fixture.names("run").filter { $0.hasPrefix("checkpoint") } == ["checkpoint-39", "checkpoint-40"])
    }

    @Test func `a run ends with as many checkpoints as it should, wherever it was killed`() throws {
      let fixture = try RunFixture(pairs: 2)
      let settings = ["max_steps=4", "save_steps=1"]
      #expect(try fixture.start(World(threads: 1), settings).wait().code == 0)
      // As a kill leaves it between the last save and the removal of older checkpoints.
      for name in try fixture.names("run") where name != "config.yaml" && !name.hasPrefix("checkpoint") {
        try FileManager.default.removeItem(atPath: fixture.path("run/\(name)"))
      }
      let again = try fixture.start(World(threads: 1), settings + ["save_total_limit=2"]).wait()
      #expect(again.code == 0, "\(again.errors)")
      #expect(try fixture.names("run").filter { $0.hasPrefix("checkpoint") } == ["checkpoint-3", "checkpoint-4"])
    }
  }
}
