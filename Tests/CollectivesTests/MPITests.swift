// Real worlds: mpirun starts collectives-probe, which checks its results; these tests check its exit code and output.

import Foundation
import Testing

@Suite(.serialized) struct MPITests {
  struct Outcome {
    let code: Int32
    let errors: String
  }

  /// Runs a probe next to this test binary and waits for its end.
  static func run(_ command: [String], _ extra: [String: String] = [:]) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.environment = ProcessInfo.processInfo.environment
      .merging(["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]) { $1 }
      .merging(extra) { $1 }
    let errors = Pipe()
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Outcome(code: process.terminationStatus, errors: String(decoding: text, as: UTF8.self))
  }

  static let probe = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("collectives-probe").path

  /// --quiet: mpirun adds eleven lines to every exit code except 0.
  static func world(_ ranks: Int, _ scenario: String, _ extra: [String: String] = [:]) throws -> Outcome {
    try run(
      [
        "timeout", "120", "mpirun", "--quiet", "--oversubscribe", "--bind-to", "none",
        "-n", "\(ranks)", probe, scenario,
      ], extra)
  }

  @Test(arguments: 1...4, ["exchange", "dispatching", "phases", "results", "idle", "early", "alike"])
  func `operations hold in worlds of ranks`(ranks: Int, scenario: String) throws {
    let outcome = try Self.world(ranks, scenario)
    #expect(outcome.code == 0, "\(outcome.errors)")
  }

  @Test(arguments: 1...4) func `one rank reports a mistake and all exit with 64`(ranks: Int) throws {
    let outcome = try Self.world(ranks, "mistake")
    #expect(outcome.code == 64)
    #expect(outcome.errors == "mistake of \(ranks == 1 ? 0 : 1)\n")
  }

  @Test func `ranks that differ are refused`() throws {
    let outcome = try Self.world(3, "unlike")
    #expect(outcome.code == 64)
    #expect(
      outcome.errors == """
        world: the ranks are not alike, so the result would depend on who computes what:
          blas: "SkylakeX" on ranks 0, 1, "Haswell" on rank 2
          level: "4" on ranks 0, 1, nothing on rank 2

        """)
  }

  @Test(arguments: [1, 3]) func `stop passes its code through`(ranks: Int) throws {
    #expect(try Self.world(ranks, "stop").code == 75)
  }

  @Test func `a failing rank ends the world`() throws {
    let start = ContinuousClock.now
    #expect(try Self.world(3, "abort").code == 1)
    #expect(ContinuousClock.now - start < .seconds(30))
  }

  @Test func `a stuck rank is named and ends the world`() throws {
    let start = ContinuousClock.now
    let outcome = try Self.world(3, "stuck", ["SHOAL_WATCHDOG_SECONDS": "2"])
    #expect(outcome.code == 1)
    #expect(
      outcome.errors.wholeMatch(
        of: /\[rank 0\] rank 2 \(.+, process \d+\) answers, but has been stuck in linears for 2 s\n/) != nil,
      "\(outcome.errors)")
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test func `a rank that is stopped on its way out ends the world`() throws {
    let start = ContinuousClock.now
    #expect(try Self.world(3, "leaving", ["SHOAL_WATCHDOG_SECONDS": "2"]).code == 128 + SIGKILL)
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test func `a rank that waits or writes is not stuck`() throws {
    let outcome = try Self.world(3, "patient", ["SHOAL_WATCHDOG_SECONDS": "2"])
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
  }

  @Test func `launcher and MPI must agree on the size`() throws {
    let outcome = try Self.run([Self.probe, "exchange"], ["PMI_SIZE": "4"])
    #expect(outcome.code == 64)
    #expect(outcome.errors.contains("announces 4 ranks (PMI_SIZE=4), but MPI sees 1"))
  }

  @Test func `without a launcher the probe is a world of one`() throws {
    #expect(try Self.run([Self.probe, "exchange"]).code == 0)
  }
}
