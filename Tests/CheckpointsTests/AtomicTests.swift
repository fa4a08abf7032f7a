import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct AtomicTests {
  private struct Stop: Error {}

  private func mode(_ path: String) throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
  }

  private func write(_ path: String, permissions: FilePermissions = .user) throws {
    try AtomicDirectory.write(to: path, neededBytes: 100, permissions: permissions) {
      try $0.file("b.bin") { file in
        for byte in UInt8(0)..<200 { try file.append([byte]) }
      }
      try $0.file("a.json", text: "{}")
      try $0.file("empty", text: "")
    }
  }

  @Test func `a written directory verifies`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("checkpoint-1")
    try write(path + "/")
    #expect(try scratch.names() == ["checkpoint-1"])
    #expect(try scratch.names("checkpoint-1") == ["a.json", "b.bin", "empty", "manifest.json"])
    #expect(try VerifiedDirectory(path).names == ["a.json", "b.bin", "empty"])
    #expect(try mode(path) == 0o700)
    #expect(try mode(path + "/a.json") == 0o600)
    let manifest = try JSONValue.read(file: path + "/manifest.json")
    // sha256sum of the two bytes {}
    #expect(
      manifest["files"]?["a.json"]?["sha256"]
        == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
  }

  @Test func `exports follow the umask`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("export")
    let mask = umask(0o022)
    umask(mask)
    try AtomicDirectory.write(to: path, neededBytes: 0, permissions: .umask, hasManifest: false) {
      try $0.file("config.json", text: "{}")
    }
    #expect(try scratch.names("export") == ["config.json"])
    #expect(try mode(path) == 0o777 & ~Int(mask))
    #expect(try mode(path + "/config.json") == 0o666 & ~Int(mask))
  }

  @Test func `failure leaves nothing`() throws {
    let scratch = try TemporaryDirectory()
    #expect(throws: Stop.self) {
      try AtomicDirectory.write(to: scratch.path("x"), neededBytes: 0) {
        try $0.file("a", text: "a")
        try $0.file("b") { file in
          try file.append([1])
          throw Stop()
        }
      }
    }
    #expect(try scratch.names().isEmpty)
  }

  @Test func `what is there is never replaced`() throws {
    let scratch = try TemporaryDirectory()
    try write(scratch.path("x"))
    let before = try JSONValue.read(file: scratch.path("x/manifest.json"))
    var started = false
    #expect(throws: FileError.self) {
      try AtomicDirectory.write(to: scratch.path("x"), neededBytes: 0) { _ in started = true }
    }
    #expect(!started, "found before the work")
    // A file that appears meanwhile is kept as well.
    let error = #expect(throws: WriteError.self) {
      try AtomicDirectory.write(to: scratch.path("y"), neededBytes: 0) {
        try $0.file("a", text: "a")
        try write(scratch.path("y"))
      }
    }
    #expect(error?.description.contains("untouched") == true)
    #expect(try scratch.names() == ["x", "y"])
    _ = try VerifiedDirectory(scratch.path("y"))
    #expect(try JSONValue.read(file: scratch.path("x/manifest.json")) == before)
    // An empty directory is replaced, a file is not.
    try FileManager.default.createDirectory(
      atPath: scratch.path("z"), withIntermediateDirectories: false)
    try write(scratch.path("z"))
    try AtomicFile.write("", to: scratch.path("file"))
    #expect(throws: FileError.self) { try write(scratch.path("file")) }
  }

  @Test func `leftovers of others stay`() throws {
    let scratch = try TemporaryDirectory()
    let leftover = "x.tmp-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: scratch.path(leftover), withIntermediateDirectories: false)
    try write(scratch.path("x"))
    #expect(try scratch.names() == ["x", leftover])
  }

  @Test func `free space is asked for`() throws {
    let scratch = try TemporaryDirectory()
    let error = #expect(throws: WriteError.self) {
      try AtomicDirectory.write(to: scratch.path("x"), neededBytes: 1 << 60) { _ in }
    }
    #expect(error?.code == ENOSPC)
    #expect(try scratch.names().isEmpty)
    #expect(throws: WriteError.self) { try write(scratch.path("no/such/parent")) }
  }

  /// The limit on a file's size simulates a full disk: the write that crosses it is shortened, and the next write
  /// fails. The limit is high enough for tests that run in parallel.
  @Test func `a disk that fills leaves the previous file`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("state")
    try AtomicFile.write("before", to: path)
    let limit = 48 << 20
    signal(SIGXFSZ, SIG_IGN)
    var old = rlimit()
    getrlimit(__rlimit_resource_t(UInt32(RLIMIT_FSIZE.rawValue)), &old)
    var low = rlimit(rlim_cur: rlim_t(limit), rlim_max: old.rlim_max)
    setrlimit(__rlimit_resource_t(UInt32(RLIMIT_FSIZE.rawValue)), &low)
    defer { setrlimit(__rlimit_resource_t(UInt32(RLIMIT_FSIZE.rawValue)), &old) }
    let block = [UInt8](repeating: 1, count: limit - 1000)
    let error = #expect(throws: WriteError.self) {
      try AtomicFile.write(to: path) {
        try $0.append(block)
        try $0.append(block)
      }
    }
    #expect(error?.code == EFBIG)
    #expect(throws: WriteError.self) {
      try AtomicDirectory.write(to: scratch.path("x"), neededBytes: 0) {
        try $0.file("a") { try $0.append(block + block) }
      }
    }
    #expect(try scratch.names() == ["state"])
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "before")
  }

  /// Every bit that the manifest protects.
  @Test func `every damage is found`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("x")
    try write(path)
    for name in ["a.json", "b.bin", "manifest.json"] {
      let file = "\(path)/\(name)"
      let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file)))
      for index in whole.indices {
        var damaged = whole
        damaged[index] ^= UInt8(1 << (index % 8))
        try AtomicFile.write(damaged, to: file)
        #expect(throws: ContentError.self, "\(name) byte \(index)") { try VerifiedDirectory(path) }
      }
      for count in [0, 1, whole.count - 1] where count > 0 {
        try AtomicFile.write(Array(whole[..<count]), to: file)
        #expect(throws: ContentError.self) { try VerifiedDirectory(path) }
      }
      try AtomicFile.write(whole, to: file)
      _ = try VerifiedDirectory(path)
    }
    try AtomicFile.write("x", to: path + "/extra")
    let extra = #expect(throws: ContentError.self) { try VerifiedDirectory(path) }
    #expect(extra?.description.contains("\"extra\" is not in the manifest") == true)
    try FileManager.default.removeItem(atPath: path + "/extra")
    try FileManager.default.removeItem(atPath: path + "/empty")
    let missing = #expect(throws: ContentError.self) { try VerifiedDirectory(path) }
    #expect(missing?.description.contains("\"empty\" is missing") == true)
    try FileManager.default.removeItem(atPath: path + "/manifest.json")
    let unfinished = #expect(throws: ContentError.self) { try VerifiedDirectory(path) }
    #expect(unfinished?.description.contains("no manifest.json") == true)
    #expect(throws: FileError.self) { try VerifiedDirectory(scratch.path("nowhere")) }
  }

  @Test func `files are replaced whole`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("run.json")
    try AtomicFile.write("one", to: path)
    #expect(throws: Stop.self) {
      try AtomicFile.write(to: path) { file in
        try file.append([0])
        throw Stop()
      }
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "one")
    try AtomicFile.write("two", to: path)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "two")
    #expect(try scratch.names() == ["run.json"])
    #expect(try mode(path) == 0o600)
  }
}
