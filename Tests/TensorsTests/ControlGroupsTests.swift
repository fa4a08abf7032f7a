import Foundation
import Tensors
import TestSupport
import Testing

/// The memory that control groups leave, read from directories as the system has them.
@Suite struct ControlGroupsTests {
  private let root: TemporaryDirectory

  init() throws { root = try TemporaryDirectory() }

  private func group(_ path: String, _ files: [String: String]) throws {
    try FileManager.default.createDirectory(atPath: root.path(path), withIntermediateDirectories: true)
    for (name, text) in files { try root.write("\(path)/\(name)", text + "\n") }
  }

  private func available(_ membership: String) -> Int? {
    ControlGroups(membership: membership + "\n", root: root.path).availableBytes
  }

  private func new(_ limit: String, _ usage: Int, _ files: Int = 0) -> [String: String] {
    [
      "memory.max": limit, "memory.current": "\(usage)",
      "memory.stat": "anon 7\nfile \(files + 100)\nshmem 100\ninactive_file \(files)\nactive_file 0",
    ]
  }

  @Test func `version 2: the tightest of the groups around counts, and pages of files are free`() throws {
    try group("a/b", new("max", 900))
    #expect(available("0::/a/b") == nil)
    try group("a", new("1000", 900, 300))
    #expect(available("0::/a/b") == 400)
    try group("a/b", new("500", 400, 50))
    #expect(available("0::/a/b") == 150)
    try group("a/b", new("500", 600))
    #expect(available("0::/a/b") == 0)
  }

  @Test func `version 2: a container sees its own group as the root`() throws {
    try group(".", new("1000", 100))
    #expect(available("0::/") == 900)
    #expect(available("0::/not/visible") == 900)
    #expect(available("0::/../../other") == 900)
  }

  @Test func `version 1, alone or beside version 2`() throws {
    let unlimited = ["memory.limit_in_bytes": "9223372036854771712", "memory.usage_in_bytes": "800"]
    let limited = [
      "memory.limit_in_bytes": "1000", "memory.usage_in_bytes": "800",
      "memory.stat": "cache 1\ninactive_file 1\ntotal_inactive_file 250\ntotal_active_file 150",
    ]
    try group("memory", unlimited)
    try group("memory/jobs/one", limited)
    #expect(available("9:name=systemd:/x\n4:cpu,memory:/jobs/one\n0::/jobs/two") == 600)
    #expect(available("4:memory:/jobs/one") == 600)
    #expect(available("4:memory:/") == .max - 1023 - 800 - 3072)
    #expect(available("3:cpuset:/jobs/one") == nil)
  }
}
