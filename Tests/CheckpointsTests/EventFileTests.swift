// Compares event files with the bytes of TensorBoard's own writer, and reads them back strictly.

import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct EventFileTests {
  /// Tests/Fixtures/events.tfevents, written by TensorBoard's record writer.
  private func theirs() throws -> [UInt8] {
    let path = Repository.fixture("events.tfevents")
    return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func `records are those of TensorBoard`() throws {
    let long = String(repeating: "x", count: 200)
    let records: [EventRecord] = [
      .version(wallTime: 1_700_000_000.25),
      .start(step: 0, wallTime: 1_700_000_000.25),
      .scalars(
        [("eval_loss", 0.6931471805599453), ("eval_rewards/margins", 0)], step: 0, wallTime: 1_700_000_001.5),
      .scalars(
        [("loss", 0.5), ("rewards/margins", -1e-3), ("num_tokens", 123_456_789)], step: 1, wallTime: 1_700_000_002),
      .scalars([("größe 🐟", 1e-300), (long, 3.4028234e38)], step: 300, wallTime: 1_700_000_003),
      .start(step: 70_000, wallTime: 1_700_000_004),
      .scalars([], step: 1 << 40, wallTime: 1_700_000_005),
    ]
    #expect(records.flatMap(\.framed) == (try theirs()))
  }

  @Test func `the reader reads TensorBoard's file and no damaged one`() throws {
    let bytes = try theirs()
    let entries = try EventFileEntry.entries(bytes)
    #expect(entries.count == 7)
    #expect(entries[0].content == .version("brain.Event:2"))
    #expect(entries[5].content == .start && entries[5].step == 70_000 && entries[5].wallTime == 1_700_000_004)
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x10
      #expect(throws: (any Error).self) { try EventFileEntry.entries(damaged) }
    }
  }

  @Test func `a file holds what was appended at once`() throws {
    let scratch = try TemporaryDirectory()
    let before = Date().timeIntervalSince1970
    let file = try EventFile(directory: scratch.path("run/tensorboard"), firstStep: 8)
    try file.append(step: 8, [("loss", 0.1), ("rewards/margins", -2)])
    try file.append(step: 9, [("loss", 1e9)])
    let after = Date().timeIntervalSince1970
    let entries = try EventFileEntry.entries(of: file.path)
    #expect(entries.map(\.step) == [0, 8, 8, 9])
    #expect(
      entries.map(\.content) == [
        .version("brain.Event:2"), .start,
        .scalars([.init(tag: "loss", value: 0.1), .init(tag: "rewards/margins", value: -2)]),
        .scalars([.init(tag: "loss", value: 1e9)]),
      ])
    #expect(entries.allSatisfy { (before - 1...after + 1).contains($0.wallTime) })
    let name = try #require(try scratch.names("run/tensorboard").first)
    #expect(name.wholeMatch(of: /events\.out\.tfevents\.\d{10}\.[^\/]+/) != nil)
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func `later files have later names`() throws {
    let scratch = try TemporaryDirectory()
    // A clock that was ahead, on a host whose name sorts last; and files of other programs.
    let ahead = EventFile.namePrefix + "4000000000.zzz"
    let others = [EventFile.namePrefix + "99999999999999999999.x", EventFile.namePrefix + "soon", "zebra"]
    for name in [ahead] + others { try Data().write(to: URL(fileURLWithPath: scratch.path(name))) }
    var names = [ahead]
    for _ in 0..<3 {
      names.append(URL(fileURLWithPath: try EventFile(directory: scratch.path, firstStep: 0).path).lastPathComponent)
    }
    #expect(names == names.sorted())
    #expect(Set(names).count == 4)
    #expect(names[1].hasPrefix(EventFile.namePrefix + "4000000001."))
  }

  @Test func `a file that cannot be written is a WriteError`() throws {
    let scratch = try TemporaryDirectory()
    try Data().write(to: URL(fileURLWithPath: scratch.path("tensorboard")))
    let error = #expect(throws: WriteError.self) {
      try EventFile(directory: scratch.path("tensorboard"), firstStep: 0)
    }
    #expect(error?.code == ENOTDIR)
  }
}
