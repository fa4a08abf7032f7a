// Faults of disks: less room than a run needs.

import Foundation
import TestSupport

extension FaultInjector {
  /// Runs on a separate disk that is too small, then makes it larger and resumes the run.
  func fillDisk(kibibytes: Int, of trained: Trained) throws {
    let kind = "a full disk"
    let fixture = try trained.long.fixture()
    let disk = fixture.path("disk")
    func succeeds(_ command: String...) -> Bool { (try? Job(command, in: fixture).wait().code) == 0 }
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    guard succeeds("mount", "-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", disk) else {
      return omit("\(kind): to mount one takes root and a system that allows it")
    }
    defer { _ = succeeds("umount", "--lazy", disk) }
    let cache = ["SHOAL_CACHE": fixture.path("disk/cache")]
    try disturb(
      kind, attempts: 1, FaultyRun(trained.long, in: fixture, directory: "disk/run", environment: cache)
    ) { run in
      let start = drawSmallStart()
      run.mayLoseLines = true
      try requireRecovery(run, run.end(try run.start(start))) {
        if !succeeds("mount", "-o", "remount,size=64m", disk) { run.complain("the disk cannot be made larger") }
      }
      return ("\(kibibytes) KiB, \(start)", nil)
    }
  }

  /// Runs with a limit on the size of every file, then without that limit.
  func limitFiles(kibibytes: Int, of trained: Trained) throws {
    let kind = "a limit on the size of files"
    // Alone: mpirun's own files are large.
    let start = LaunchMode.alone(threads: draw(1..<3))
    try disturb(kind, attempts: 1, FaultyRun(trained.long)) { run in
      run.mayLoseLines = true
      let wrapper = ["bash", "-c", "ulimit -f \(kibibytes); exec \"$@\"", "-"]
      try requireRecovery(run, run.end(try run.start(start, wrapper: wrapper))) {}
      return ("\(kibibytes) KiB, \(start)", nil)
    }
  }

  private func requireRecovery(_ run: FaultyRun, _ ending: ProcessResult, _ mend: () throws -> Void) throws {
    run.requireWholeCheckpoints()
    guard ending.code != 0 else { return try run.requireWhole() }
    run.requireClear(ending)
    try mend()
    try run.finish(drawStart())
  }
}
