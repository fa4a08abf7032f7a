// Faults of files: the nth call that touches a file fails (Tests/FailingCalls), or it and all later calls do.

import Foundation
import Glibc
import TestSupport
import Testing

/// The fault of a program's nth call.
enum CallFault: Hashable {
  case fails(Int32)
  /// The call and all later calls fail.
  case failsFromThere(Int32)
  /// The call succeeds but reports a failure.
  case seemsToFail(Int32)
  case doesHalf
  /// The call does half of its work, and then the disk is full.
  case fillsTheDisk
  case kills

  /// The kinds of a sweep over calls that write.
  static let ofWrites: [CallFault] = [
    .kills, .fails(EIO), .fails(ENOSPC), .fails(EDQUOT), .fails(EINTR), .failsFromThere(EIO), .failsFromThere(ENOSPC),
    .seemsToFail(EIO), .doesHalf, .fillsTheDisk,
  ]
  static let ofReads: [CallFault] = [.kills, .fails(EIO), .fails(EINTR), .failsFromThere(EIO), .doesHalf]

  fileprivate var environment: [String: String] {
    let (mode, code) =
      switch self {
      case .fails(let code): ("once", code)
      case .failsFromThere(let code): ("onwards", code)
      case .seemsToFail(let code): ("late", code)
      case .doesHalf: ("short", 0)
      case .fillsTheDisk: ("torn", ENOSPC)
      case .kills: ("kill", 0)
      }
    return ["FAILING_CALLS_MODE": mode, "FAILING_CALLS_ERROR": "\(code)"]
  }

  var name: String {
    func of(_ code: Int32) -> String { [EIO: "EIO", ENOSPC: "ENOSPC", EDQUOT: "EDQUOT", EINTR: "EINTR"][code] ?? "" }
    return switch self {
    case .fails(let code): "fails with \(of(code))"
    case .failsFromThere(let code): "and all later ones fail with \(of(code))"
    case .seemsToFail(let code): "is done and fails with \(of(code))"
    case .doesHalf: "does half of what it should"
    case .fillsTheDisk: "does half, and then there is no room"
    case .kills: "never comes: the process is killed"
    }
  }

  fileprivate var mayLoseLines: Bool { self != .kills && self != .doesHalf }
}

/// The group of calls that are counted.
enum CallGroup: String {
  case writes
  /// The reading calls of a resumed run.
  case reads
}

extension FaultInjector {
  static let library = URL(fileURLWithPath: Job.program).deletingLastPathComponent()
    .appendingPathComponent("libFailingCalls.so").path

  private static func environment(_ group: CallGroup, _ number: Int, under fixture: RunFixture, log: TemporaryDirectory)
    -> [String: String]
  {
    [
      "LD_PRELOAD": library, "FAILING_CALLS_UNDER": fixture.path, "FAILING_CALLS_GROUP": group.rawValue,
      "FAILING_CALLS_AT": "\(number)", "FAILING_CALLS_LOG": log.path("calls"),
    ]
  }

  /// An environment in which the disk is full from the nth call on that writes below a directory.
  static func fullDisk(from number: Int, under directory: String) -> [String: String] {
    [
      "LD_PRELOAD": library, "FAILING_CALLS_UNDER": directory, "FAILING_CALLS_GROUP": CallGroup.writes.rawValue,
      "FAILING_CALLS_AT": "\(number)",
    ].merging(CallFault.failsFromThere(ENOSPC).environment) { $1 }
  }

  /// An environment in which the nth call that reads below a directory fails once.
  static func failingRead(_ number: Int, under directory: String) -> [String: String] {
    [
      "LD_PRELOAD": library, "FAILING_CALLS_UNDER": directory, "FAILING_CALLS_GROUP": CallGroup.reads.rawValue,
      "FAILING_CALLS_AT": "\(number)",
    ].merging(CallFault.fails(EIO).environment) { $1 }
  }

  /// The program's list of its calls, stored outside the directory that is watched.
  private static func calls(_ log: TemporaryDirectory) -> [Substring] {
    ((try? log.text("calls")) ?? "").split(separator: "\n")
  }

  /// The number of calls that a run makes.
  func countCalls(_ group: CallGroup, of trained: Trained) throws -> Int {
    let (log, run) = (try TemporaryDirectory(), try callRun(group, trained))
    let ending = run.end(
      try run.start(.alone(threads: 1), environment: Self.environment(group, 0, under: run.fixture, log: log)))
    try #require(ending.code == 0, "\(ending.errors)")
    return Self.calls(log).count
  }

  private func callRun(_ group: CallGroup, _ trained: Trained) throws -> FaultyRun {
    switch group {
    case .writes: try FaultyRun(trained.brief, in: trained.brief.fixture(linksModel: true))
    case .reads: try FaultyRun(trained.long, in: RunFixture(copyOf: try interrupted(trained.long)))
    }
  }

  /// Injects a fault into the nth call of a run. If that ends the run, resumes it.
  func spoil(
    _ number: Int, _ fault: CallFault, _ group: CallGroup = .writes, of trained: Trained,
    from start: LaunchMode = .alone(threads: 1)
  ) throws {
    let kind = "\(group.rawValue): one \(fault.name)"
    var number = number
    try disturb(kind, callRun(group, trained)) { run in
      run.mayLoseLines = fault.mayLoseLines
      let log = try TemporaryDirectory()
      let environment = Self.environment(group, number, under: run.fixture, log: log)
        .merging(fault.environment) { $1 }
      let ending = run.end(try run.start(start, environment: environment))
      let spoilt = Self.calls(log).filter { $0.hasPrefix("! ") }.map {
        $0.dropFirst(2).replacingOccurrences(of: run.fixture.path + "/", with: "")
      }
      guard let first = spoilt.first else {
        // Not every run makes the same number of calls, because saves also depend on the clock.
        number = max(1, number * 3 / 4)
        return nil
      }
      run.requireWholeCheckpoints()
      if group == .reads, fault == .fails(EINTR), ending.code != 0 || ending.errors.contains("passed over") {
        run.complain("an interrupted read is not read again: \(ending.errors)")
      }
      if ending.code == 0 {
        try run.requireWhole()
        // The files in the cache must be undamaged too.
        if first.contains("cache/") { try run.requireSoundCache() }
      } else {
        if fault != .kills { run.requireClear(ending) }
        try run.finish(drawSmallStart())
      }
      return ("\(start), call \(first)", nil)
    }
  }
}
