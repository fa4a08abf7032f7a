// Tests launch/local.sh with a script in place of shoal: the arguments of the ranks, and the exit code.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct LocalLauncherTests {
  /// A copy of the launcher with a script in place of shoal: rank 0 prints its arguments, and CONFIG sets how it ends.
  let home: TemporaryDirectory

  init() throws {
    home = try TemporaryDirectory()
    let files = FileManager.default
    try files.createDirectory(atPath: home.path(".build/release"), withIntermediateDirectories: true)
    try files.copyItem(atPath: "\(Repository.path)/launch", toPath: home.path("launch"))
    let standIn = try home.write(
      ".build/release/shoal",
      """
      #!/bin/bash
      [[ $1 = --version ]] && exit
      trap 'exit 75' USR1
      [[ $OMPI_COMM_WORLD_RANK = 0 ]] && { printf '%s\\n' "$OMPI_COMM_WORLD_SIZE" "$@"; : >"$0.up"; }
      [[ $2 = wait ]] || exit "$2"
      while :; do sleep 0.1; done
      """)
    try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: standIn)
  }

  func start(_ arguments: [String]) throws -> (process: Process, output: Pipe) {
    let process = Process()
    // A child inherits this thread's blocked signals; env restores the default signals.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["--default-signal=TERM,INT,USR1,HUP", home.path("launch/local.sh")]
      + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    return (process, output)
  }

  func run(_ arguments: [String]) throws -> (code: Int32, lines: [Substring]) {
    let (process, output) = try start(arguments)
    let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text.split(separator: "\n"))
  }

  @Test func `arguments arrive as they are`() throws {
    let odd = ["output_dir=a b", "$(echo x);'", "--resume", "never"]
    let outcome = try run(["-n", "2", "-t", "3", "0"] + odd)
    #expect(outcome.code == 0)
    #expect(outcome.lines.map { String($0) } == ["2", "train", "0", "--threads", "3"] + odd)
  }

  @Test(arguments: [0, 64, 75, 1], [1, 5]) func `the exit code passes through`(code: Int, ranks: Int) throws {
    #expect(try run(["-n", "\(ranks)", "-r", "0", "\(code)"]).code == Int32(code))
  }

  @Test func `without flags the cores are filled`() throws {
    let outcome = try run(["0"])
    let ranks = try #require(outcome.lines.first.flatMap { Int($0) })
    let threads = try #require(outcome.lines.last.flatMap { Int($0) })
    #expect(ranks >= 1 && threads >= 1)
    #expect(ranks * threads <= ProcessInfo.processInfo.activeProcessorCount)
  }

  @Test func `wrong arguments are user errors`() throws {
    for arguments in [[], ["-n", "0", "0"], ["-n"], ["-x", "0"], ["-t", "1x", "0"], ["-r", "-1", "0"]] {
      let (process, _) = try start(arguments)
      process.waitUntilExit()
      #expect(process.terminationStatus == 64, "\(arguments)")
    }
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGUSR1]) func `signals mean save and stop`(signal: Int32) throws {
    let (process, _) = try start(["-n", "2", "wait"])
    let deadline = ContinuousClock.now + .seconds(60)
    while !home.exists(".build/release/shoal.up") && ContinuousClock.now < deadline { usleep(50_000) }
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    #expect(process.terminationStatus == 75)
  }
}
