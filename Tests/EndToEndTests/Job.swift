// Starts the built program like a user, alone or under mpirun, and reads its output.

import Foundation
import Glibc
import TestSupport
import Testing

/// The way a program ended.
struct ProcessResult {
  /// The exit code, or the number of the signal that ended it.
  let code: Int32
  let output: String
  let errors: String
  var isSignalled = false
  /// Whether it did not end in time and was killed.
  var isHung = false
}

/// A program that was started.
final class Job {
  private let process = Process()
  private let output: URL
  private let errors: URL

  /// The product: beside the test binary, or where `swift build -c release` puts it.
  static let program: String = {
    let beside = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    return ["\(beside.path)/shoal", "\(Repository.path)/.build/release/shoal"]
      .first { FileManager.default.isExecutableFile(atPath: $0) } ?? ""
  }()

  /// Starts a program in the fixture's directory.
  /// - Parameter command: a program found through PATH, and its arguments.
  init(_ command: [String], in fixture: RunFixture, environment: [String: String] = [:], input: String = "") throws {
    try #require(!Self.program.isEmpty, "there is no shoal to test: run swift build -c release first")
    let name = fixture.path("job-\(UUID().uuidString)")
    (output, errors) = (URL(fileURLWithPath: name + ".out"), URL(fileURLWithPath: name + ".err"))
    let source = URL(fileURLWithPath: name + ".in")
    try Data(input.utf8).write(to: source)
    for file in [output, errors] { try Data().write(to: file) }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.currentDirectoryURL = URL(fileURLWithPath: fixture.path)
    process.environment = ProcessInfo.processInfo.environment
      .merging([
        "SHOAL_CACHE": fixture.path("cache"), "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      ]) { $1 }
      .merging(environment) { $1 }
    process.standardInput = try FileHandle(forReadingFrom: source)
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    // Children inherit blocked and ignored signals. Tests run on threads that block all signals, so mpirun would
    // receive none. nohup and background shells ignore some signals, and a shell cannot trap these.
    var (none, own) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &own)
    let handlers = [SIGHUP, SIGINT].map { ($0, signal($0, SIG_DFL)) }
    defer {
      for (number, handler) in handlers { signal(number, handler) }
      pthread_sigmask(SIG_SETMASK, &own, nil)
    }
    try process.run()
  }

  /// Sends a signal to the process that was started: with ranks, mpirun.
  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Sends a signal to one of the processes that it started.
  func sendToChild(_ signal: Int32) throws { kill(try #require(try children.last), signal) }

  /// The started process, and its child processes.
  var identifier: Int32 { process.processIdentifier }
  var children: [Int32] {
    get throws {
      try String(contentsOfFile: "/proc/\(identifier)/task/\(identifier)/children", encoding: .utf8)
        .split(separator: " ").compactMap { Int32($0) }
    }
  }

  /// Limits the size of all files of the process; nil removes the limit.
  func limitFiles(bytes: Int?) throws {
    let command = ["prlimit", "--pid", "\(identifier)", "--fsize=\(bytes.map { "\($0)" } ?? "unlimited"):unlimited"]
    let setting = try Process.run(URL(fileURLWithPath: "/usr/bin/env"), arguments: command)
    setting.waitUntilExit()
    try #require(setting.terminationStatus == 0)
  }

  /// The program's standard error so far.
  var toldSoFar: String { told(errors) }

  /// Waits until `condition` holds, at most a minute.
  /// - Throws: `EndedEarly`, which a test may catch, because an early end is not a failure in every test.
  func wait(until condition: () -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition() {
      if ContinuousClock.now > deadline { process.terminate() }
      guard process.isRunning else { throw EndedEarly(errors: told(errors)) }
      usleep(5000)
    }
  }

  struct EndedEarly: Error { let errors: String }

  var isRunning: Bool { process.isRunning }

  /// Waits for the end, at most two minutes.
  /// - Parameter look: called repeatedly while waiting.
  func wait(seconds: Int = 120, _ look: () -> Void = {}) -> ProcessResult {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while process.isRunning, ContinuousClock.now < deadline {
      look()
      usleep(2000)
    }
    let isHung = process.isRunning
    if isHung { send(SIGKILL) }
    process.waitUntilExit()
    return ProcessResult(
      code: process.terminationStatus, output: told(output), errors: told(errors),
      isSignalled: process.terminationReason == .uncaughtSignal, isHung: isHung)
  }

  private func told(_ file: URL) -> String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }
}

/// The number of processes that share a run.
struct World: CustomStringConvertible, Sendable {
  /// Nil: without mpirun.
  var ranks: Int?
  var threads: Int?
  /// Values of SHOAL_VECTOR_LEVEL by rank, in turn; empty: the processor's own level.
  var levels: [String] = []

  static let alone = World()

  /// The command that starts `shoal`. --quiet: mpirun adds eleven lines of its own to every exit code except 0.
  var launcher: [String] {
    let levels = levels.isEmpty ? [] : ["env", "SHOAL_VECTOR_LEVEL=\(levels[0])"]
    guard let ranks else { return levels + [Job.program] }
    return ["mpirun", "--quiet", "--oversubscribe", "--bind-to", "none", "-n", "\(ranks)"] + ofRanks + [Job.program]
  }

  /// A shell chooses each rank's level: mpirun starts one command for all ranks.
  private var ofRanks: [String] {
    guard !levels.isEmpty else { return [] }
    let list = levels.joined(separator: " ")
    return [
      "sh", "-c",
      "set -- \(list) -- \"$@\"; shift $((OMPI_COMM_WORLD_RANK % \(levels.count))); level=$1; "
        + "while [ \"$1\" != -- ]; do shift; done; shift; SHOAL_VECTOR_LEVEL=$level exec \"$@\"", "sh",
    ]
  }

  var description: String { "ranks \(ranks.map { "\($0)" } ?? "alone"), threads \(threads ?? 0), levels \(levels)" }
}
