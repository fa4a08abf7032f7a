import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct DirectoryLockTests {
  private func lock(_ path: String, waiting seconds: Double = 0) throws -> DirectoryLock {
    try DirectoryLock(path, waiting: seconds) { _ in }
  }

  @Test func `one holder at a time`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("a/run")
    var first: DirectoryLock? = try lock(path)
    #expect(first?.isExclusive == true)
    #expect(try scratch.names("a/run") == [DirectoryLock.name])
    var told: [DirectoryLock.Holder?] = []
    let error = #expect(throws: DirectoryInUse.self) { try DirectoryLock(path, waiting: 0.2) { told.append($0) } }
    #expect(error?.holder?.process == Int(getpid()))
    #expect(error?.holder?.host.isEmpty == false)
    #expect(told.count == 1 && told[0] == error?.holder)
    #expect(error?.description.contains("process \(getpid()) on ") == true)
    first = nil
    #expect(try scratch.names().isEmpty, "what was made for the lock alone goes with it")
    #expect(throws: Never.self) { try lock(path) }
  }

  @Test func `what was written meanwhile stays`() throws {
    let scratch = try TemporaryDirectory()
    var held: DirectoryLock? = try lock(scratch.path("run"))
    try AtomicFile.write("x", to: scratch.path("run/file"))
    #expect(held != nil)
    held = nil
    #expect(try scratch.names("run") == ["file"])
  }

  @Test func `the file of a dead process is taken over`() throws {
    let scratch = try TemporaryDirectory()
    for text in [#"{"pid":1,"host":"elsewhere"}"#, #"{"pi"#, "", "\0\0\0"] {
      try AtomicFile.write(text, to: scratch.path(DirectoryLock.name))
      let held = try lock(scratch.path(""))
      #expect(try JSONValue.read(file: scratch.path(DirectoryLock.name))["pid"]?.int == Int(getpid()))
      withExtendedLifetime(held) {}
    }
  }

  @Test func `another's file of that name is no lock and stays`() throws {
    let scratch = try TemporaryDirectory()
    for text in ["mine", "{}", String(repeating: "\0", count: 600)] {
      try AtomicFile.write(text, to: scratch.path(DirectoryLock.name))
      #expect(throws: NoLock(path: scratch.path(DirectoryLock.name))) { try lock(scratch.path) }
      #expect(try scratch.text(DirectoryLock.name) == text)
    }
  }

  @Test func `a lock that is given back in time is taken`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("run")
    let held = Mutable(try lock(path))
    Thread.detachNewThread {
      usleep(200_000)
      held.value = nil
    }
    #expect(throws: Never.self) { try lock(path, waiting: 20) }
  }

  @Test func `where nothing can be written is told apart from a full disk`() throws {
    let scratch = try TemporaryDirectory()
    try AtomicFile.write("x", to: scratch.path("file"))
    for path in ["file", "file/run"] {
      let error = #expect(throws: WriteError.self) { try lock(scratch.path(path)) }
      #expect(error?.isShortage == false)
    }
    #expect(WriteError(path: "", action: "", code: ENOSPC).isShortage)
    // A symbolic link out of the directory is not followed.
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path(DirectoryLock.name), withDestinationPath: scratch.path("elsewhere"))
    #expect(throws: NoLock.self) { try lock(scratch.path) }
    #expect(try scratch.names() == ["file", DirectoryLock.name])
  }
}

/// A box whose value a thread removes.
private final class Mutable: @unchecked Sendable {
  var value: DirectoryLock?
  init(_ value: DirectoryLock) { self.value = value }
}
