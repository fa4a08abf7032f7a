// One run that is disturbed and then left alone until it is done. Records its losses and its wrong behaviour.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

/// A run from its first start to its end, with all its disturbances.
final class FaultyRun {
  let workload: Workload
  let fixture: RunFixture
  /// The run's output directory, below the fixture.
  let directory: String
  /// Whether lines of metrics.jsonl may be missing, as after failed writes.
  var mayLoseLines = false
  /// Whether the fault hits only a process, so that every save is kept.
  var keepsSaves = false
  var isRefused = false
  /// Wrong behaviour.
  private(set) var complaints: [String] = []
  private(set) var hangs = 0
  private(set) var orphans = 0
  /// Reported steps that had to be repeated, at each restart.
  private(set) var lostSteps: [Int] = []
  /// Seconds from a restart to its first new line of metrics.jsonl, or to its end.
  private(set) var secondsToResume: [Double] = []
  private let environment: [String: String]
  private var recovery: Recovery?
  private var starts = 0

  /// - Parameter fixture: the fixture of a run that may have been started already; nil makes a new one.
  init(
    _ workload: Workload, in fixture: RunFixture? = nil, directory: String = "run", environment: [String: String] = [:]
  ) throws {
    self.workload = workload
    self.fixture = try fixture ?? workload.fixture()
    (self.directory, self.environment) = (directory, environment)
    starts = self.fixture.exists("\(directory)/run.json") ? 1 : 0
    try FileManager.default.createDirectory(
      atPath: self.fixture.path(directory), withIntermediateDirectories: true)
    try self.fixture.write("\(directory)/\(Self.noteName)", Self.note)
  }

  /// A file that is not Shoal's.
  private static let (noteName, note) = ("notes.txt", "Not Shoal's.\n")

  func complain(_ text: String) { complaints.append(text) }

  // MARK: Programs

  /// - Parameter wrapper: a command that runs the command after it.
  func start(_ start: LaunchMode, wrapper: [String] = [], environment: [String: String] = [:]) throws -> Job {
    if starts > 0 { beginRecovery() }
    starts += 1
    return try Job(
      wrapper + start.command(in: fixture) + ["output_dir=\(directory)"], in: fixture,
      environment: self.environment.merging(environment) { $1 })
  }

  /// Marks the beginning of a recovery: by the next start, or by a launcher that restarts the run itself.
  func beginRecovery() {
    let saved = fixture.lastCheckpoint(directory)
    let names = (try? fixture.names(directory)) ?? []
    let underWay = names.compactMap { $0.wholeMatch(of: /partial-([0-9]+)-step-[0-9]+/).flatMap { Int($0.1) } }
    recovery = Recovery(
      stepsBefore: told(), savedStep: saved, isStepUnderWay: saved.map { underWay.contains($0 + 1) } ?? false,
      lines: fixture.path("\(directory)/metrics.jsonl"))
  }

  /// The last step that the run has reported.
  func told() -> Int { fixture.steps(directory).last ?? 0 }

  /// A restart, and its time until the first new line of metrics.jsonl.
  private struct Recovery {
    let stepsBefore: Int
    /// The step of the newest checkpoint.
    let savedStep: Int?
    /// Whether partial work on the step after it was saved too.
    let isStepUnderWay: Bool
    let lines: String
    private let began = ContinuousClock.now
    private let inodeBefore: ino_t?
    private var trimmedSize: Int?
    private(set) var seconds: Double?

    init(stepsBefore: Int, savedStep: Int?, isStepUnderWay: Bool, lines: String) {
      (self.stepsBefore, self.savedStep) = (stepsBefore, savedStep)
      (self.isStepUnderWay, self.lines) = (isStepUnderWay, lines)
      inodeBefore = Self.status(lines)?.inode
      if inodeBefore == nil { trimmedSize = 0 }
    }

    var secondsSinceBegin: Double { (ContinuousClock.now - began) / .seconds(1) }

    /// A restart first replaces the file by one without the lines that it will repeat, and then appends to it.
    mutating func look() {
      guard seconds == nil, let now = Self.status(lines), now.inode != inodeBefore else { return }
      if let size = trimmedSize, now.size > size { seconds = secondsSinceBegin }
      trimmedSize = trimmedSize ?? now.size
    }

    private static func status(_ path: String) -> (inode: ino_t, size: Int)? {
      var status = stat()
      return stat(path, &status) == 0 ? (status.st_ino, Int(status.st_size)) : nil
    }
  }

  /// Waits for the end of a job and of all its processes, and records the losses of the restart before it.
  func end(_ job: Job) -> ProcessResult {
    let ending = job.wait(seconds: Self.mostSeconds) { recovery?.look() }
    if ending.isHung {
      hangs += 1
      complain("hung: \(LocalProcess.all(in: fixture).map(\.description)): \(ending.errors)")
      for process in LocalProcess.all(in: fixture) { kill(process.id, SIGKILL) }
    }
    let left = LocalProcess.waitForNone(in: fixture)
    orphans += left.count
    if !left.isEmpty { complain("10 s after the end there still are \(left)") }
    if Self.isCrash(ending) { complain("crashed with \(ending.code): \(ending.errors)") }
    requireNothingElse()
    if let recovery { count(recovery, ending) }
    recovery = nil
    return ending
  }

  private static let mostSeconds = 60

  /// Requires that files of others are as they were, and that no shared memory stays.
  private func requireNothingElse() {
    if (try? fixture.text("\(directory)/\(Self.noteName)")) != Self.note {
      complain("a file of others is changed or gone")
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? []
    // The fuzzer has its files there.
    let shared = names.filter { $0.hasPrefix("shoal") && !$0.hasPrefix("shoal-fuzz-") }
    if !shared.isEmpty { complain("shared memory is left: \(shared)") }
  }

  private func count(_ recovery: Recovery, _ ending: ProcessResult) {
    // The last match, because a launcher may have restarted the run several times.
    let steps = ending.errors.matches(of: /going on after step ([0-9]+)/).compactMap { Int($0.1) }
    if let step = steps.last {
      lostSteps.append(max(0, recovery.stepsBefore - step))
    } else if ending.errors.contains("it starts again") {
      lostSteps.append(recovery.stepsBefore)
    }
    if keepsSaves, let lost = lostSteps.last, lost > workload.stepsPerSave {
      complain("\(lost) steps were lost, \(workload.stepsPerSave) lie between two saves: \(ending.errors)")
    }
    if keepsSaves, let saved = recovery.savedStep, let step = steps.last {
      let keepsStep = !recovery.isStepUnderWay || step > saved || ending.errors.contains("was under way")
      if step < saved || !keepsStep {
        complain("step \(saved) was saved, or work after it, and it went on after \(step): \(ending.errors)")
      }
    }
    if let seconds = recovery.seconds ?? (ending.code == 0 ? recovery.secondsSinceBegin : nil) {
      secondsToResume.append(seconds)
    }
  }

  /// Runs to the end without a disturbance, and checks the result.
  func finish(_ start: LaunchMode) throws {
    requireWholeCheckpoints()
    let ending = end(try self.start(start))
    guard ending.code == 0 else { return complain("\(start) ended with \(ending.code): \(ending.errors)") }
    try requireWhole()
    let leftovers = try fixture.names(directory).filter { $0.contains(".tmp") || $0 == DirectoryLock.name }
    if !leftovers.isEmpty { complain("leftovers: \(leftovers)") }
  }

  /// A trap, a bad access or the like, reported as a signal or by mpirun as an exit code.
  private static func isCrash(_ ending: ProcessResult) -> Bool {
    let crashes = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]
    return crashes.contains(ending.isSignalled ? ending.code : ending.code - 128)
      || ending.errors.contains("Fatal error")
  }

  // MARK: What there is

  /// The phase of the run, for messages.
  var phase: String {
    let names = (try? fixture.names(directory)) ?? []
    if !names.contains("run.json") { return "starting" }
    if names.contains(where: { $0.wholeMatch(of: /(checkpoint|partial)-.*\.tmp-.*/) != nil }) { return "saving" }
    let results = workload.trained.resultNames
    if names.contains(where: { name in results.contains(where: name.hasPrefix) }) { return "ending" }
    let step = told()
    if step == 0 { return "before step 1" }
    return step % workload.stepsPerEvaluation == 0 ? "evaluating" : "training"
  }

  var isFinished: Bool {
    (try? JSONValue.parse(fixture.text("\(directory)/run.json")))?["state"]?.string == "finished"
  }

  /// Requires that every checkpoint under its final name is complete.
  func requireWholeCheckpoints() {
    for name in (try? fixture.names(directory)) ?? [] where name.wholeMatch(of: /checkpoint-[0-9]+/) != nil {
      do { _ = try VerifiedDirectory(fixture.path("\(directory)/\(name)")) } catch { complain("\(error)") }
    }
  }

  /// Requires that a failed program gives its reason once.
  func requireClear(_ ending: ProcessResult) {
    if ending.isSignalled || ![1, 64].contains(ending.code) {
      complain("ended with \(ending.isSignalled ? "signal" : "code") \(ending.code): \(ending.errors)")
    }
    let messages = ending.errors.split(separator: "\n").filter {
      $0.wholeMatch(of: /(shoal:|\[rank [0-9]+\]) .*/) != nil
    }
    if messages.count != 1 { complain("\(messages.count) messages: \(ending.errors)") }
  }

  /// Requires that another run with the same cache gives the right result.
  func requireSoundCache() throws {
    let job = try Job(
      LaunchMode.alone(threads: 1).command(in: fixture) + ["output_dir=again"], in: fixture, environment: environment)
    let ending = end(job)
    if try ending.code != 0 || fixture.adapter("again") != workload.goldenRun().adapter {
      complain("with the cache that it left, another run ends with \(ending.code): \(ending.errors)")
    }
  }

  /// All files of the run except its lock.
  func files() throws -> [String: Data] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: fixture.path(directory))
    return paths.reduce(into: [:]) { files, path in
      if path != DirectoryLock.name, let bytes = try? fixture.bytes("\(directory)/\(path)") { files[path] = bytes }
    }
  }

  /// Requires that the run ended like an undisturbed run.
  /// - Parameter linesChanged: whether earlier lines may have any content.
  func requireWhole(linesChanged: Bool = false) throws {
    let golden = try workload.goldenRun()
    if (try? fixture.adapter(directory)) != golden.adapter { complain("the weights are not the undisturbed run's") }
    if (try? fixture.adapter("\(directory)/checkpoint-\(workload.steps)")) != golden.lastAdapter {
      complain("the last state is not the undisturbed run's")
    }
    let moments = "\(directory)/checkpoint-\(workload.steps)/optimizer.safetensors"
    if (try? fixture.bytes(moments)) != golden.lastMoments {
      complain("the optimizer's last state is not the undisturbed run's")
    }
    let name = workload.trained.configurationName
    if (try? fixture.text("\(directory)/\(name)")) != golden.configuration {
      complain("\(name) is not the undisturbed run's")
    }
    if !isFinished { complain("run.json does not say that the run is finished") }
    if linesChanged { return }
    let lines = fixture.metrics(directory).compactMap(Workload.Line.init)
    if mayLoseLines {
      var rest = golden.lines[...]
      for line in lines {
        guard let index = rest.firstIndex(of: line) else { return complain("metrics.jsonl has a line of its own") }
        rest = rest[(index + 1)...]
      }
    } else if lines != golden.lines {
      complain("metrics.jsonl differs: steps \(lines.map(\.step))")
    }
  }
}
