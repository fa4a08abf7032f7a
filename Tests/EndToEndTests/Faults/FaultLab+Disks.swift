// Faults of disks: there is less room than a run needs.

import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

extension FaultLab {
  /// Runs on a disk of its own that is too small, then makes it larger and lets the run go on.
  func fillDisk(kibibytes: Int) throws {
    let kind = "a full disk"
    let start = drawSmallStart()
    let directory = "disk/run"
    let omission = "\(kind): mounting takes root and a system that allows it"
    guard geteuid() == 0 else { return omit(omission) }
    var isMounted = false
    var place: Workplace?
    defer { if isMounted, let place { _ = try? Job(["umount", "--lazy", place.path("disk")], in: place).wait() } }
    try disturb(
      kind, attempts: 1,
      {
        let made = try Specimen.long.place()
        place = made
        return try DisturbedRun(
          .long, in: made, directory: directory, environment: ["SHOAL_CACHE": made.path("disk/cache")])
      }
    ) { run in
      let disk = run.place.path("disk")
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
      let options = ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", disk]
      isMounted = try Job(["mount"] + options, in: run.place).wait().code == 0
      guard isMounted else { return nil }
      run.mayLoseLines = true
      let ending = run.end(try run.start(start))
      try requireRecovery(run, ending) {
        _ = try Job(["mount", "-o", "remount,size=64m", disk], in: run.place).wait()
      }
      return ("\(kibibytes) KiB, \(start)", nil)
    }
    if !isMounted { omit(omission) }
  }

  /// Runs where no file may exceed a size, then without that limit.
  func limitFiles(kibibytes: Int) throws {
    let kind = "a limit on the size of files"
    // Alone: mpirun's own files are large.
    let start = Start.alone(threads: draw(1..<3))
    try disturb(kind, attempts: 1, { try DisturbedRun(.long) }) { run in
      run.mayLoseLines = true
      let wrapper = ["bash", "-c", "ulimit -f \(kibibytes); exec \"$@\"", "-"]
      try requireRecovery(run, run.end(try run.start(start, wrapper: wrapper))) {}
      return ("\(kibibytes) KiB, \(start)", nil)
    }
  }

  private func requireRecovery(_ run: DisturbedRun, _ ending: Ending, _ mend: () throws -> Void) throws {
    run.requireWholeCheckpoints()
    guard ending.code != 0 else { return try run.requireWhole() }
    run.requireClear(ending)
    try mend()
    try run.finish(drawStart())
  }
}
