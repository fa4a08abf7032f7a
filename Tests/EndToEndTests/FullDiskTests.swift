// A full disk during a run. The run continues while it can, ends with a clear message when nothing can be saved, keeps
// the last checkpoint complete, and resumes from it when there is room.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct FullDiskTests {
    private let fixture: RunFixture

    init() throws { fixture = try RunFixture(pairs: 2) }

    private func command(_ settings: [String], _ run: String) -> [String] {
      [Job.program, "train", "config.yaml", "--threads", "2", "output_dir=\(run)"] + settings
    }

    /// Runs with a limit in KiB on the size of every file.
    private func train(limit: Int, _ settings: [String], _ run: String) throws -> ProcessResult {
      try Job(["bash", "-c", "ulimit -f \(limit); exec \"$@\"", "-"] + command(settings, run), in: fixture).wait()
    }

    private func requireWhole(_ settings: [String], _ run: String) throws {
      let whole = try Job(command(settings, "whole"), in: fixture).wait()
      #expect(whole.code == 0, "\(whole.errors)")
      #expect(try fixture.adapter(run) == fixture.adapter("whole"))
    }

    private func requireNoLeftovers(_ run: String) throws {
      #expect(try !fixture.names(run).contains { $0.contains(".tmp") || $0 == DirectoryLock.name })
    }

    private func record(_ run: String) throws -> JSONValue { try JSONValue.parse(try fixture.text("\(run)/run.json")) }

    @Test func `lines that cannot be written cost nothing else`() throws {
      // metrics.jsonl and the event file outgrow 40 KiB; checkpoints do not.
      let settings = ["max_steps=140", "save_steps=20", "lora_r=1"]
      let ending = try train(limit: 40, settings, "run")
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(ending.errors.components(separatedBy: "the run goes on, without the lines").count == 2)
      let lost = try #require(try record("run")["lost_lines"]?.int)
      #expect(lost > 100 && ending.errors.contains("\(lost) lines of metrics, events or samples could not be written"))
      // The existing lines and events are complete: no half line, no half event.
      let text = try fixture.text("run/metrics.jsonl")
      #expect(text.hasSuffix("}\n") && fixture.metrics().count == text.split(separator: "\n").count)
      let events = try #require(try fixture.names("run/tensorboard").first)
      let steps = try EventFileEntry.entries(of: fixture.path("run/tensorboard/\(events)")).map(\.step)
      #expect(steps.count > 10 && steps.count < 140)
      try requireWhole(settings, "run")
    }

    @Test func `saves that fail cost a warning and then the run`() throws {
      // The moments are twice as large as the adapter, and the limit is between the two sizes.
      let settings = ["max_steps=4", "lora_r=16"]
      let two = try train(limit: 220, settings + ["save_steps=2"], "two")
      #expect(two.code == 0, "\(two.errors)")
      #expect(two.errors.components(separatedBy: "warning: step").count == 3)
      #expect(two.errors.contains("there is no good checkpoint yet"))
      #expect(try record("two")["failed_saves"]?.int == 2)
      try requireNoLeftovers("two")
      try requireWhole(settings, "two")

      let three = try train(limit: 220, settings + ["save_steps=1"], "three")
      #expect(three.code == 1, "\(three.errors)")
      #expect(three.errors.contains("step 3: 3 saves in a row have failed, the last one so: "))
      #expect(three.errors.contains("File too large"))
      try requireNoLeftovers("three")
      let again = try Job(command(settings + ["save_steps=1"], "three"), in: fixture).wait()
      #expect(again.code == 0, "\(again.errors)")
      #expect(try fixture.adapter("three") == fixture.adapter("whole"))
    }

    @Test func `a save that succeeds again is enough`() throws {
      let settings = ["max_steps=500", "save_steps=100", "lora_r=16", "save_total_limit=2"]
      let job = try Job(command(settings, "run"), in: fixture)
      try job.limitFiles(bytes: 220 << 10)
      try job.wait { fixture.steps().count >= 105 }
      try job.limitFiles(bytes: nil)
      let ending = job.wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(ending.errors.contains("warning: step 100 could not be saved"))
      #expect(try record("run")["failed_saves"]?.int == 1)
      #expect(try fixture.names("run").filter { $0.hasPrefix("checkpoint-") } == ["checkpoint-400", "checkpoint-500"])
      #expect(fixture.steps() == Array(1...500))
    }

    @Test func `a stop that cannot be saved is an error`() throws {
      let job = try Job(command(["max_steps=4000", "save_steps=4000", "lora_r=16"], "run"), in: fixture)
      try job.limitFiles(bytes: 220 << 10)
      try job.wait { fixture.steps().count >= 5 }
      job.send(SIGUSR1)
      let ending = job.wait()
      #expect(ending.code == 1, "\(ending.errors)")
      #expect(ending.errors.contains("the state cannot be saved"))
    }

    @Test(.enabled(if: geteuid() == 0, "mounting takes root"))
    func `a full disk ends the run clearly`() throws {
      let disk = fixture.path("disk")
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      let mounted = try Job(["mount", "-t", "tmpfs", "-o", "size=1600k", "tmpfs", disk], in: fixture).wait()
      // A container may forbid mounting even to root. The limit on file sizes is tested anyway.
      guard mounted.code == 0 else { return }
      defer { _ = try? Job(["umount", disk], in: fixture).wait() }
      let settings = ["max_steps=12", "save_steps=1"]
      let full = try Job(command(settings, "disk/run"), in: fixture).wait()
      #expect(full.code == 1, "\(full.errors)")
      #expect(full.errors.contains("No space left on device"))
      let last = try #require(fixture.lastCheckpoint("disk/run"))
      #expect(full.errors.contains("the last good checkpoint is disk/run/checkpoint-\(last); once that is mended"))
      try requireNoLeftovers("disk/run")
      let more = try Job(["mount", "-o", "remount,size=8m", disk], in: fixture).wait()
      try #require(more.code == 0, "\(more.errors)")
      let resumed = try Job(command(settings, "disk/run"), in: fixture).wait()
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("going on after step \(last), from disk/run/checkpoint-\(last)"))
      #expect(!resumed.errors.contains("set aside"), "\(resumed.errors)")
      #expect(fixture.steps("disk/run") == Array(1...12))
      try requireWhole(settings, "disk/run")
    }

    @Test(.enabled(if: geteuid() == 0, "mounting takes root"))
    func `a read only disk is found before the work`() throws {
      let disk = fixture.path("disk")
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      guard try Job(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], in: fixture).wait().code == 0 else { return }
      defer { _ = try? Job(["umount", disk], in: fixture).wait() }
      let ending = try Job(command([], "disk/run"), in: fixture).wait()
      #expect(ending.code == 64, "\(ending.errors)")
      #expect(ending.errors.contains("Read-only file system; output_dir must be a directory that can be written"))
      #expect(!ending.errors.contains("reference log-probs"))
    }
  }
}
