// One run that is disturbed, and then left alone until it is done: what it lost, and whether anything came out wrong.

import Checkpoints
import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A run from its first start to its end, through all that is done to it.
final class DisturbedRun {
  let specimen: Specimen
  let place: Workplace
  /// Where the run writes, below the place.
  let directory: String
  /// Whether lines of metrics.jsonl may be missing, as after writes that failed.
  var mayLoseLines = false
  /// Whether the fault hits a process alone, so that every save counts.
  var keepsSaves = false
  var isRefused = false
  /// What should not have happened.
  private(set) var complaints: [String] = []
  private(set) var hangs = 0
  private(set) var orphans = 0
  /// Steps that were told of and had to be done again, at each restart.
  private(set) var lostSteps: [Int] = []
  /// From a restart to its first new line of metrics.jsonl, or to its end.
  private(set) var secondsToResume: [Double] = []
  private var starts = 0
  private var stepsBefore = 0

  init(_ specimen: Specimen, in place: Workplace? = nil, directory: String = "run") throws {
    self.specimen = specimen
    self.place = try place ?? specimen.place()
    self.directory = directory
    starts = place == nil ? 0 : 1
  }

  func complain(_ text: String) { complaints.append(text) }

  // MARK: Programs

  /// - Parameter wrapper: a command that runs the one that follows it.
  func start(_ start: Start, wrapper: [String] = [], environment: [String: String] = [:]) throws -> Job {
    stepsBefore = place.steps(directory).last ?? 0
    starts += 1
    return try Job(
      wrapper + start.command(in: place) + ["output_dir=\(directory)"], in: place, environment: environment)
  }

  /// Waits for the end of a job and of all its processes, and finds out what the restart before it cost.
  func end(_ job: Job) -> Ending {
    let lines = place.path("\(directory)/metrics.jsonl")
    let began = ContinuousClock.now
    let before = Self.status(lines)
    var trimmedSize = before == nil ? 0 : Int?.none
    var seconds: Double?
    let ending = job.wait(seconds: 60) {
      guard seconds == nil, starts > 1, let now = Self.status(lines), now.inode != before?.inode else { return }
      if let size = trimmedSize, now.size > size { seconds = (ContinuousClock.now - began) / .seconds(1) }
      trimmedSize = trimmedSize ?? now.size
    }
    if ending.isHung {
      hangs += 1
      complain("hung: \(LocalProcess.all(in: place).map(\.description)): \(ending.errors)")
      LocalProcess.all(in: place).forEach { kill($0.id, SIGKILL) }
    }
    let left = LocalProcess.waitForNone(in: place)
    orphans += left.count
    if !left.isEmpty { complain("10 s after the end there still are \(left)") }
    if Self.isCrash(ending) { complain("crashed with \(ending.code): \(ending.errors)") }
    guard starts > 1 else { return ending }
    if let step = Self.stepGoneOnFrom(ending.errors) {
      lostSteps.append(max(0, stepsBefore - step))
    } else if ending.errors.contains("it starts again") {
      lostSteps.append(stepsBefore)
    }
    if let seconds = seconds ?? (ending.code == 0 ? (ContinuousClock.now - began) / .seconds(1) : nil) {
      secondsToResume.append(seconds)
    }
    if keepsSaves, let lost = lostSteps.last, lost > specimen.stepsPerSave {
      complain("\(lost) steps were lost, \(specimen.stepsPerSave) lie between two saves")
    }
    return ending
  }

  /// Runs it to its end, undisturbed, and looks at what came out.
  func finish(_ start: Start) throws {
    requireWholeCheckpoints()
    let ending = end(try self.start(start))
    guard ending.code == 0 else { return complain("\(start) ended with \(ending.code): \(ending.errors)") }
    try requireWhole()
    let leftovers = try place.names(directory).filter { $0.contains(".tmp") || $0 == DirectoryLock.name }
    if !leftovers.isEmpty { complain("leftovers: \(leftovers)") }
  }

  private static func status(_ path: String) -> (inode: UInt64, size: Int)? {
    var status = stat()
    return stat(path, &status) == 0 ? (UInt64(status.st_ino), Int(status.st_size)) : nil
  }

  /// A trap, a bad access or the like, told as a signal or by mpirun as a code.
  private static func isCrash(_ ending: Ending) -> Bool {
    let crashes = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]
    return crashes.contains(ending.isSignalled ? ending.code : ending.code - 128)
      || ending.errors.contains("Fatal error")
  }

  private static func stepGoneOnFrom(_ errors: String) -> Int? {
    errors.firstMatch(of: /going on after step ([0-9]+)/).flatMap { Int($0.1) }
  }

  // MARK: What there is

  /// How far the run is, for a person.
  var phase: String {
    let names = (try? place.names(directory)) ?? []
    if !names.contains("run.json") { return "starting" }
    if names.contains(where: { $0.wholeMatch(of: /(checkpoint|partial)-.*\.tmp-.*/) != nil }) { return "saving" }
    if names.contains(where: { $0.hasPrefix("adapter_") }) { return "ending" }
    guard let step = place.steps(directory).last else { return "before step 1" }
    return step % specimen.stepsPerEvaluation == 0 ? "evaluating" : "training"
  }

  var isFinished: Bool {
    (try? JSONValue.parse(place.text("\(directory)/run.json")))?["state"]?.string == "finished"
  }

  /// Every checkpoint under its own name is whole.
  func requireWholeCheckpoints() {
    for name in (try? place.names(directory)) ?? [] where name.wholeMatch(of: /checkpoint-[0-9]+/) != nil {
      do { _ = try VerifiedDirectory(place.path("\(directory)/\(name)")) } catch { complain("\(error)") }
    }
  }

  /// The end of the run is that of one that nothing disturbed.
  func requireWhole() throws {
    let whole = try specimen.whole()
    if (try? place.adapter(directory)) != whole.adapter { complain("the adapter is not the undisturbed run's") }
    if !isFinished { complain("run.json does not say that the run is finished") }
    let lines = place.metrics(directory).compactMap(Specimen.Line.init)
    if mayLoseLines {
      var rest = whole.lines[...]
      for line in lines {
        guard let index = rest.firstIndex(of: line) else { return complain("metrics.jsonl has a line of its own") }
        rest = rest[(index + 1)...]
      }
    } else if lines != whole.lines {
      complain("metrics.jsonl differs: steps \(lines.map(\.step))")
    }
  }
}
