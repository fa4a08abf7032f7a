// Programs that nobody trusts: how each ends, and that nothing is left of it.

import Checkpoints
import Evaluation
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct ContainedPythonTests {
  /// Layers that kernels lack are lacked on purpose. Each runner tells which it has.
  static let levels: [ContainmentLayers] = [.all, [.user, .namespaces], [.landlock, .reads], []]

  private let directory: TemporaryDirectory
  private let place: String

  init() throws {
    directory = try TemporaryDirectory()
    place = directory.path("place")
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    try FileManager.default.createDirectory(atPath: directory.path("victim"), withIntermediateDirectories: false)
    try directory.write("victim/file", "mine")
  }

  private func runner(
    within layers: ContainmentLayers = .all, seconds: Double = 30, workers: Int = 4
  ) throws -> ContainedPython {
    var limits = ProgramLimits()
    (limits.seconds, limits.memoryBytes) = (seconds, 200 << 20)
    return try ContainedPython(limits: limits, workers: workers, place: place, within: layers)
  }

  /// Processes that have a directory of this test's as their home.
  private func processes() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
      guard let text = FileManager.default.contents(atPath: "/proc/\(name)/environ") else { return false }
      return text.range(of: Data("HOME=\(place)".utf8)) != nil
    }
  }

  private func requireNothingLeft() throws {
    #expect(try processes() == [])
    #expect(try directory.names("place") == [])
    #expect(try directory.names("victim") == ["file"])
    #expect(try directory.text("victim/file") == "mine")
    let status = try FileManager.default.attributesOfItem(atPath: directory.path("victim/file"))
    #expect(status[.posixPermissions] as? Int == 0o644)
    #expect((status[.modificationDate] as? Date).map { $0.timeIntervalSinceNow > -600 } == true)
    #expect(!FileManager.default.fileExists(atPath: "/dev/shm/shoal-evil"))
    #expect(!FileManager.default.fileExists(atPath: NSHomeDirectory() + "/shoal-evil"))
  }

  /// Nil where this machine or user cannot have what is left.
  private func optionalRunner(_ layers: ContainmentLayers) throws -> ContainedPython? {
    do { return try runner(within: layers) } catch is SandboxError where layers != .all { return nil }
  }

  private func require(_ programs: [HostileProgram], of runner: ContainedPython, canWrite: Bool = true) throws {
    let texts = programs.map {
      $0.text.replacing("PARENT", with: "\(getpid())").replacing("VICTIM", with: directory.path("victim"))
    }
    for (program, outcome) in zip(programs, try runner.run(texts)) {
      // Without a disk of its own and without Landlock a program cannot write at all.
      let isMet = program.isMet(by: outcome) || !canWrite && "\(outcome)".contains("Read-only file system")
      #expect(isMet, "\(program.name), \(runner.containment): \(outcome)")
    }
    try requireNothingLeft()
  }

  @Test func `programs that end do so as they must and leave nothing`() throws {
    // Much more than they need, on any machine.
    try require(HostileProgram.ofAll, of: runner())
  }

  @Test func `programs that do not end are ended and leave nothing`() throws {
    let clock = ContinuousClock()
    let start = clock.now
    try require(HostileProgram.endless, of: runner(seconds: 0.4))
    #expect(clock.now - start < .seconds(90))
  }

  @Test(arguments: levels) func `every set of layers holds by itself`(layers: ContainmentLayers) throws {
    guard let runner = try optionalRunner(layers) else { return }
    try require(HostileProgram.ofLayers, of: runner, canWrite: !layers.isEmpty)
  }

  @Test func `what programs do is allowed`() throws {
    let programs = [
      "assert __name__ != '__main__'",
      "import asyncio\nasync def f(): await asyncio.sleep(0.001)\nasyncio.run(f())",
      "import threading as t\na = [t.Thread(target=print) for _ in range(20)]\nfor x in a: x.start()\nfor x in a: x.join()",
      "print('é')\nassert 'é'.encode() == b'\\xc3\\xa9'",
      "import os\nassert open('/dev/null').read() == '' and os.listdir('.') == []",
      "import os\nassert len(os.environ) <= 12 and os.environ['HOME'] == os.getcwd(), os.environ",
      "import os\nfor n in range(64):\n  try: os.fstat(n)\n  except OSError: pass\n  else: assert n in (0, 1, 2, 4), n",
      "", "# only a remark", "x = '" + String(repeating: "x", count: 3 << 20) + "'",
    ]
    // A descriptor that is not closed at exec, as libraries have some.
    let descriptor = open("/dev/null", O_RDONLY)
    defer { close(descriptor) }
    for layers in [ContainmentLayers.all, []] {
      guard let runner = try optionalRunner(layers) else { continue }
      for (program, outcome) in zip(programs, try runner.run(programs)) where outcome != .passed {
        Issue.record("\(runner.containment): \(program): \(outcome)")
      }
    }
    try requireNothingLeft()
  }

  @Test func `files in its own directory are a program's`() throws {
    let program = """
      import os, tempfile
      os.mkdir("d"); os.rename("d", "e")
      open("e/f", "w").write("text"); assert open("e/f").read() == "text"
      os.symlink("e/f", "l"); os.remove("l")
      with tempfile.NamedTemporaryFile() as file: file.write(b"x")
      # What is left has no rights.
      os.umask(0o777); os.mkdir("g"); os.close(os.open("e/h", os.O_CREAT | os.O_WRONLY, 0))
      os.mkdir("e/i")
      """
    for layers in Self.levels where !layers.isEmpty {
      guard let runner = try optionalRunner(layers) else { continue }
      // Where a kernel has neither, programs do not write.
      guard runner.containment.contains("amespaces") || runner.containment.contains("Landlock") else { continue }
      #expect(try runner.run([program]) == [.passed], "\(runner.containment)")
    }
    try requireNothingLeft()
  }

  @Test func `sets have one order, and names of directories are not told`() throws {
    let program = "raise ValueError(str(list({'a', 'b', 'c', 'd', 'e', 'f'})) + __import__('os').getcwd())"
    let outcomes = try runner(workers: 2).run([program, program, program])
    #expect(Set(outcomes.map { "\($0)" }).count == 1, "\(outcomes)")
    #expect("\(outcomes[0])".hasSuffix("].\")"), "\(outcomes[0])")
  }

  @Test func `a text that does not fit is the program's failure`() throws {
    var limits = ProgramLimits()
    limits.memoryBytes = 96 << 20
    let runner = try ContainedPython(limits: limits, workers: 1, place: place)
    let text = String(repeating: "# 0123456789abcdef\n", count: 3 << 20)
    #expect(try runner.run([text, "pass"]) == [.failed("MemoryError:"), .passed])
  }

  @Test func `outcomes are in order`() throws {
    let programs = (0..<16).map { "import time; time.sleep(\(($0 * 7) % 4) / 100); raise ValueError(\($0))" }
    #expect(try runner().run(programs) == (0..<16).map { .failed("ValueError: \($0)") })
    #expect(try runner().run([]) == [])
  }

  @Test func `time counts from the program's first line`() throws {
    let clock = ContinuousClock()
    let runner = try runner(seconds: 0.3)
    let start = clock.now
    #expect(try runner.run(["import time; time.sleep(0.05)", "import time; time.sleep(99)"]) == [.passed, .timedOut])
    #expect(clock.now - start < .seconds(60))
  }

  @Test func `a machine without Python says so`() throws {
    let error = #expect(throws: SandboxError.self) { try ContainedPython(python: "shoal-no-python", place: place) }
    #expect(error == .noPython)
    #expect(error?.description.contains("not on the PATH: install Python 3.8 or later") == true)
    let other = #expect(throws: SandboxError.self) { try ContainedPython(python: "true", place: place) }
    #expect(other == .brokenPython("true", reason: "it does not answer"))
  }

  @Test func `a user who can have no containment is told what is missing`() throws {
    // Root is told apart from what it may do by its privileges, which the programs lack.
    guard geteuid() != 0 else { return }
    let error = #expect(throws: SandboxError.self) { try runner(within: []) }
    #expect(error?.description.contains("none was run: it needs system call filters (seccomp), and Landlock") == true)
    #expect(error?.description.contains("cannot hide other processes") == true)
  }
}
