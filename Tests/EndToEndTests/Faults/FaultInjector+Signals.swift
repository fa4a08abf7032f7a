// Faults of processes: kills, stops or asks them to end, at any moment of a run.

import Foundation
import Glibc
import TestSupport

/// The receiver of a signal.
enum Victim: String, CaseIterable {
  case program = "a run of one process"
  case rank0 = "rank 0"
  case otherRank = "another rank"
  case mpirun
  case launcher = "launch/local.sh"
  case launchedRank = "a rank under launch/local.sh"
  case launchedMpirun = "mpirun under launch/local.sh"

  /// Whether the launcher restarts the run when the victim dies.
  var isReplaced: Bool { self == .launchedRank || self == .launchedMpirun }

  /// The victims among a job's processes at this moment.
  func found(_ job: Job, in fixture: RunFixture) -> [Int32] {
    switch self {
    case .program, .mpirun, .launcher: [job.identifier]
    case .launchedMpirun: processes(in: fixture) { $0.name == "mpirun" }
    case .rank0: processes(in: fixture) { $0.rank == 0 && $0.name == "shoal" }
    case .otherRank: processes(in: fixture) { $0.rank ?? 0 > 0 && $0.name == "shoal" }
    case .launchedRank: processes(in: fixture) { $0.rank != nil && $0.name == "shoal" }
    }
  }

  private func processes(in fixture: RunFixture, where isOne: (LocalProcess) -> Bool) -> [Int32] {
    LocalProcess.all(in: fixture).filter(isOne).map(\.id)
  }
}

extension FaultInjector {
  private func start(for victim: Victim) -> LaunchMode {
    switch victim {
    case .program: .alone(threads: draw(1..<3))
    case .launcher, .launchedRank, .launchedMpirun: .launcher(draw(1..<4))
    case .rank0: .ranks(draw(1..<5))
    case .otherRank, .mpirun: .ranks(draw(2..<5))
    }
  }

  /// Kills a process of a run at a random moment, once or several times in a row, and resumes the run with any number
  /// of ranks.
  func kill(_ victims: [Victim], of trained: Trained) throws {
    let kind = victims.count == 1 ? "kill -9 of \(victims[0].rawValue)" : "kill -9, \(victims.count) times in a row"
    try disturb(kind, FaultyRun(trained.long)) { run in
      run.keepsSaves = true
      var (faults, phase): ([String], String?) = ([], nil)
      for victim in victims where !run.isFinished {
        let start = start(for: victim)
        let job = try run.start(start)
        if let moment = try send(SIGKILL, to: victim, of: job, run, start) {
          faults.append("\(start), \(moment.moment)")
          phase = phase ?? moment.phase
        }
        _ = run.end(job)
      }
      guard !faults.isEmpty else { return nil }
      try run.finish(drawStart())
      return (faults.joined(separator: ", "), phase)
    }
  }

  /// Asks a run to stop at a random moment, and resumes it with any number of ranks.
  func stop(_ signal: Int32, to victim: Victim, of trained: Trained) throws {
    let isTold = victim != .mpirun || signal == SIGUSR1
    let kind = isTold ? "a stop request to \(victim.rawValue)" : "SIGTERM to mpirun, which grants one second"
    try disturb(kind, FaultyRun(trained.long)) { run in
      run.keepsSaves = true
      let start = start(for: victim)
      let job = try run.start(start)
      let moment = try send(signal, to: victim, of: job, run, start)
      let ending = run.end(job)
      guard let moment, ending.code != 0 else { return nil }
      // Until a program has signal handlers, a signal ends it.
      let mayDie = !isTold || moment.phase == "starting"
      if ending.code != 75, !mayDie { run.complain("ended with \(ending.code) in place of 75: \(ending.errors)") }
      try run.finish(drawStart())
      if ending.code == 75, let lost = run.lostSteps.last, lost > 0 {
        run.complain("a stop request cost \(lost) steps")
      }
      return ("\(start), signal \(signal) \(moment.moment)", moment.phase)
    }
  }

  /// Stops a process for a while. The run must not be affected.
  func pause(_ victim: Victim, of trained: Trained) throws {
    try disturb("SIGSTOP and SIGCONT to \(victim.rawValue)", FaultyRun(trained.long)) { run in
      let start = start(for: victim)
      let job = try run.start(start)
      guard let moment = try send(SIGSTOP, to: victim, of: job, run, start) else {
        _ = run.end(job)
        return nil
      }
      usleep(UInt32(draw(50_000..<1_500_000)))
      Glibc.kill(moment.process, SIGCONT)
      let ending = run.end(job)
      if ending.code == 0 {
        try run.requireWhole()
      } else {
        run.complain("ended with \(ending.code): \(ending.errors)")
      }
      return ("\(start), \(moment.moment)", moment.phase)
    }
  }

  /// Stops a rank permanently. The others detect it and end the job, and the run resumes.
  func stall(_ victim: Victim, of trained: Trained) throws {
    let environment = ["SHOAL_WATCHDOG_SECONDS": "3"]
    try disturb("SIGSTOP for good to \(victim.rawValue)", FaultyRun(trained.long, environment: environment)) {
      run in
      run.keepsSaves = true
      // With one rank, no other rank can detect it.
      let start: LaunchMode = victim == .launchedRank ? .launcher(draw(2..<4)) : .ranks(draw(2..<4))
      let job = try run.start(start)
      let moment = try send(SIGSTOP, to: victim, of: job, run, start)
      let ending = run.end(job)
      guard let moment else { return nil }
      if ending.code != 0 { try run.finish(drawStart()) } else { try run.requireWhole() }
      return ("\(start), \(moment.moment)", moment.phase)
    }
  }

  /// Sends a signal at a random moment of the victim's life; nil if the run ended before that.
  private func send(
    _ signal: Int32, to victim: Victim, of job: Job, _ run: FaultyRun, _ start: LaunchMode
  ) throws -> (process: Int32, moment: String, phase: String)? {
    var found: [Int32] = []
    while job.isRunning, found.isEmpty {
      found = victim.found(job, in: run.fixture)
      if found.isEmpty { usleep(500) }
    }
    guard !found.isEmpty else { return nil }
    let process = draw(found)
    // A third of the moments are before the first new line. The others are relative to the steps, which take long on a
    // busy machine and short on an idle one.
    let life = try run.workload.seconds(start.typical)
    let told = run.told()
    let isEarly = told == run.workload.steps || draw(0..<3) == 0
    let step = isEarly ? told : draw(told..<run.workload.steps) + 1
    let delay = draw(0..<(isEarly ? life / 2 : 2 * life / Double(run.workload.steps)))
    while job.isRunning, !isEarly, run.told() < step { usleep(2000) }
    usleep(UInt32(1e6 * delay))
    let phase = run.phase
    guard job.isRunning, LocalProcess.all(in: run.fixture).contains(where: { $0.id == process }) else { return nil }
    if victim.isReplaced { run.beginRecovery() }
    guard Glibc.kill(process, signal) == 0 else { return nil }
    return (process, String(format: isEarly ? "after %.2f s" : "%.2f s after step \(step)", delay), phase)
  }
}
