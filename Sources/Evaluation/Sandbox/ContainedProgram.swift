// Runs one program and watches it: what it reports, how long it takes, what it uses.

import Glibc

/// One program from its start to its end.
struct ContainedProgram {
  private let process: ContainedProcess
  private let directory: ScratchDirectory
  private let limits: ProgramLimits
  private var harness: PythonHarness
  /// Of its output the start, to say why Python did not start; the rest is read and dropped.
  private var errors: [UInt8] = []
  private var isOpen = [true, true, true]
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)

  private static let keptBytes = 4096

  /// - Parameter place: where its directory is made.
  /// - Throws: `FileError` if there is no place for its directory; `SandboxFailure` if the machine cannot run it; `ContainedProcess.Refusal` if the kernel refuses a layer.
  static func outcome(
    of program: String, _ python: PythonInterpreter, in place: String, limits: ProgramLimits,
    layers: ContainmentLayers
  ) throws -> ProgramOutcome {
    let directory = try ScratchDirectory(in: place)
    defer { directory.remove() }
    let harness = PythonHarness()
    let process = try ContainedProcess(
      python, input: harness.input(program), directory: directory.path, limits: limits, layers: layers)
    guard process.isBlind else {
      _ = process.end()
      throw ContainedProcess.Refusal(step: "hide other processes", code: ENOSYS)
    }
    var run = Self(process: process, directory: directory, limits: limits, harness: harness)
    let ending = run.watch()
    // Its threads stop before their traces are read.
    let (status, seconds) = process.end()
    return try run.outcome(ending, status: status, processorSeconds: seconds)
  }

  private init(
    process: ContainedProcess, directory: ScratchDirectory, limits: ProgramLimits, harness: PythonHarness
  ) {
    (self.process, self.directory, self.limits, self.harness) = (process, directory, limits, harness)
  }

  private enum Ending {
    case itself, late
    case excess(String)
  }

  /// Returns when the program has ended, or must be.
  private mutating func watch() -> Ending {
    let clock = ContinuousClock()
    var deadline = clock.now + .seconds(limits.startSeconds)
    var nextLook = clock.now
    var isRunning = false
    while true {
      // First, so that all that it wrote before its end is read.
      let hasEnded = process.hasEnded
      readPipes(milliseconds: hasEnded ? 0 : 10)
      switch harness.state {
      case .running where !isRunning:
        isRunning = true
        deadline = clock.now + .seconds(limits.seconds)
      case .ended, .spoiled: return .itself
      default: break
      }
      if hasEnded { return .itself }
      let now = clock.now
      if now >= deadline { return .late }
      guard now >= nextLook else { continue }
      if let excess { return .excess(excess) }
      nextLook = now + .milliseconds(20)
    }
  }

  private mutating func readPipes(milliseconds: Int32) {
    var waiting = zip(process.pipes, isOpen).map { pollfd(fd: $1 ? $0 : -1, events: Int16(POLLIN), revents: 0) }
    guard poll(&waiting, 3, milliseconds) > 0 else { return }
    for place in 0..<3 where waiting[place].revents != 0 {
      let count = read(process.pipes[place], &buffer, buffer.count)
      guard count > 0 else {
        if count == 0 || errno != EINTR { isOpen[place] = false }
        continue
      }
      if place == 0 { harness.receive(buffer[..<count]) }
      if place == 2 { errors += buffer[..<min(count, Self.keptBytes - errors.count)] }
    }
  }

  /// What it uses too much of. The kernel bounds the files of a disk of its own.
  private var excess: String? {
    if let threads = process.threads, threads > limits.threads { return "more than \(limits.threads) threads" }
    if !process.hasDisk, directory.exceeds(files: limits.files, bytes: limits.diskBytes) {
      return "more than \(limits.files) files or \(limits.diskBytes >> 20) MiB"
    }
    return nil
  }

  /// - Throws: `SandboxFailure` if Python did not come to the program.
  private func outcome(_ ending: Ending, status: Int32, processorSeconds: Double) throws -> ProgramOutcome {
    if case .ended(.failed(let reason)) = harness.state {
      // The directory's name is chance, and results are to be the same each time.
      return .failed(reason.replacing(directory.path, with: "."))
    }
    if case .ended(let outcome) = harness.state { return outcome }
    if case .excess(let excess) = ending { return .killed(excess) }
    // Another part of this process may have taken the status, and then nothing is known.
    let signal = status < 0 ? 0 : status & 0x7F
    guard harness.state != .starting else {
      let late = if case .late = ending { "within \(Int(limits.startSeconds)) seconds" } else { "(status \(status))" }
      throw SandboxFailure("python3 did not start a program \(late): \(lastError ?? "it says nothing")")
    }
    if case .late = ending { return .timedOut }
    if harness.state == .spoiled { return .failed("wrote what only the harness writes") }
    if signal == SIGXCPU || signal == SIGKILL && processorSeconds >= Double(limits.processorSeconds) - 0.1 {
      return .timedOut
    }
    if signal == SIGKILL { return .killed("memory, or by someone else") }
    if signal == SIGSYS { return .killed("a system call of another kind of processor") }
    if signal != 0 { return .failed("ended by signal \(signal)") }
    let told = lastError.map { ": \($0)" } ?? ""
    return .failed("ended with code \(status >> 8 & 0xFF) before its last line" + told)
  }

  private var lastError: String? {
    String(decoding: errors, as: UTF8.self).split(whereSeparator: \.isNewline).last.map {
      String($0.prefix(200)).replacing(directory.path, with: ".")
    }
  }
}
