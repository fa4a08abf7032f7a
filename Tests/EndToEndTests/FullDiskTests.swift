// No room left while a run writes: a clear end, the last checkpoint whole, and on it goes when there is room.

import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

extension EndToEnd {
  @Suite struct FullDiskTests {
    /// Runs until `launcher` leaves no room, then again with room.
    private func requireClearEnd(
      _ place: Workplace, _ settings: [String], launcher: [String], says: String, makeRoom: () throws -> Void
    ) throws {
      let command = [Job.program, "train", "config.yaml", "--threads", "2"] + settings
      let whole = try Job(command + ["output_dir=whole"], in: place).wait()
      #expect(whole.code == 0, "\(whole.errors)")
      let full = try Job(launcher + command + ["output_dir=disk/run"], in: place).wait()
      #expect(full.code == 1, "\(full.errors)")
      #expect(full.errors.contains(says))
      #expect(full.errors.contains("what was there before is untouched"))
      let names = try place.names("disk/run")
      #expect(names.contains { $0.hasPrefix("checkpoint-") })
      #expect(!names.contains { $0.contains(".tmp") }, "\(names)")
      try makeRoom()
      let resumed = try Job(command + ["output_dir=disk/run"], in: place).wait()
      #expect(resumed.code == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("going on after step"))
      #expect(!resumed.errors.contains("set aside"), "\(resumed.errors)")
      #expect(try place.adapter("disk/run") == place.adapter("whole"))
      #expect(place.steps("disk/run") == place.steps("whole"))
    }

    @Test func aFileThatMayNotGrowEndsTheRunClearly() throws {
      let place = try Workplace(pairs: 2)
      // metrics.jsonl outgrows the limit of 40 KiB between two checkpoints, whose files do not.
      try requireClearEnd(
        place, ["max_steps=140", "save_steps=20", "lora_r=1"],
        launcher: ["bash", "-c", "ulimit -f 40; exec \"$@\"", "-"],
        says: "metrics.jsonl: cannot write to: File too large"
      ) {}
    }

    @Test(.enabled(if: geteuid() == 0, "mounting takes root"))
    func aFullDiskEndsTheRunClearly() throws {
      let place = try Workplace(pairs: 2)
      let disk = place.path("disk")
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      let mounted = try Job(["mount", "-t", "tmpfs", "-o", "size=1600k", "tmpfs", disk], in: place).wait()
      // A container may forbid mounting even to root; the limit on file sizes is tested anyway.
      guard mounted.code == 0 else { return }
      defer { _ = try? Job(["umount", disk], in: place).wait() }
      try requireClearEnd(
        place, ["max_steps=12", "save_steps=1"], launcher: [], says: "No space left on device"
      ) {
        let more = try Job(["mount", "-o", "remount,size=8m", disk], in: place).wait()
        try #require(more.code == 0, "\(more.errors)")
      }
    }
  }
}
