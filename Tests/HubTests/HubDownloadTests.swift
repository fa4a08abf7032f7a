// Downloads that go well, that go wrong and go on, and that must not be taken for whole.

import Checkpoints
import Foundation
import Hub
import TestSupport
import Testing

@Suite struct HubDownloadTests {
  private let fixture: HubFixture
  private var hub: LocalHub { fixture.hub }

  init() throws { fixture = try HubFixture() }

  private func requireWhole() throws {
    #expect(try fixture.bytes("\(fixture.snapshot)/model.safetensors") == Data(HubFixture.large))
    #expect(try fixture.bytes("\(fixture.snapshot)/config.json") == Data(HubFixture.small))
    #expect(try fixture.text("\(fixture.folder)/refs/main") == LocalHub.commit)
    #expect(try fixture.names("\(fixture.folder)/blobs").allSatisfy { !$0.contains(".") }, "nothing is left over")
  }

  @Test func `the cache is laid out as huggingface_hub does`() throws {
    #expect(try fixture.run() == fixture.path(fixture.snapshot))
    try requireWhole()
    let blobs = [LocalHub.gitHash(HubFixture.small), SHA256.text(of: HubFixture.large)]
    #expect(try fixture.names("\(fixture.folder)/blobs") == blobs.sorted())
    for (name, blob) in zip(["config.json", "model.safetensors"], blobs) {
      let target = try FileManager.default.destinationOfSymbolicLink(
        atPath: fixture.path("\(fixture.snapshot)/\(name)"))
      #expect(target == "../../blobs/\(blob)")
    }
    #expect(try fixture.names("\(fixture.folder)/refs") == ["main"])
    // Nothing is downloaded twice, under another revision either.
    let before = hub.requests.count
    try fixture.run(fixture.request(revision: "v1"))
    #expect(hub.requests.count == before + 1)
    #expect(try fixture.text("\(fixture.folder)/refs/v1") == LocalHub.commit)
    try fixture.run(fixture.request(revision: LocalHub.commit))
    #expect(try fixture.names("\(fixture.folder)/refs") == ["main", "v1"])
  }

  @Test func `files in folders are linked from there`() throws {
    let hub = try LocalHub(["data/train.parquet": HubFixture.large], kind: .dataset)
    let fixture = try HubFixture(hub)
    try fixture.run(fixture.request(.dataset))
    let pointer = "hub/datasets--own--tiny/snapshots/\(LocalHub.commit)/data/train.parquet"
    #expect(try fixture.bytes(pointer) == Data(HubFixture.large))
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: fixture.path(pointer)).hasPrefix("../../../blobs/"))
    #expect(
      try HubCache(fixture.path("hub")).snapshot(of: #require(HubName("own/tiny", .dataset)), for: .dataset)
        == fixture.path("hub/datasets--own--tiny/snapshots/\(LocalHub.commit)"))
  }

  @Test func `the token stays with the hub`() throws {
    hub.fail("config.json", .redirect("/own/tiny/resolve/\(LocalHub.commit)/config.json?again=1"))
    // The same host by another port is another one.
    let storage = hub.storage.replacingOccurrences(of: "localhost", with: "127.0.0.1")
    hub.fail("model.safetensors", .redirect("\(storage)/storage/model.safetensors"), .cut(after: 1000))
    try fixture.run()
    try requireWhole()
    for request in hub.requests {
      #expect(request.fields["authorization"] == (request.isStorage ? nil : "Bearer hf_secret"), "\(request)")
    }
    #expect(hub.requests(for: "config.json").count == 2)
    #expect(hub.requests.contains { $0.isStorage })
  }

  @Test func `a cut connection is taken up where it was cut`() throws {
    hub.fail("model.safetensors", .cut(after: 100_000), .status(503), .cut(after: 50_000))
    var retries = 0
    try fixture.run { if case .retrying = $0 { retries += 1 } }
    try requireWhole()
    #expect(fixture.ranges(of: "model.safetensors") == ["all", "bytes=100000-", "bytes=100000-", "bytes=150000-"])
    #expect(retries == 3)
  }

  @Test func `a hub that ignores ranges begins anew`() throws {
    hub.fail("model.safetensors", .cut(after: 100_000), .wholeDespiteRange)
    try fixture.run()
    try requireWhole()
  }

  @Test func `a silent connection counts as cut`() throws {
    hub.fail("model.safetensors", .stall(after: 100_000))
    try fixture.run(silence: 2)
    try requireWhole()
    #expect(fixture.ranges(of: "model.safetensors") == ["all", "bytes=100000-"])
  }

  @Test func `the next start goes on`() throws {
    hub.fail("model.safetensors", .cut(after: 70_000), .status(503), .status(503), .status(503))
    let refusal = try fixture.refusal()
    #expect(refusal.contains("answers with 503; given up after 4 attempts: run the same command again to go on"))
    #expect(try fixture.bytes(fixture.partial).count == 70_000)
    #expect(!fixture.exists("\(fixture.folder)/refs/main"), "a branch points to whole snapshots only")
    var resumed: [Int] = []
    try fixture.run { if case .finished("model.safetensors", _, let at) = $0 { resumed.append(at) } }
    try requireWhole()
    #expect(resumed == [70_000])
  }

  @Test func `what an earlier start left wrong is fetched again`() throws {
    try fixture.makeDirectory("\(fixture.folder)/blobs")
    try fixture.write(fixture.partial, [UInt8](repeating: 7, count: 1000))
    try fixture.run()
    try requireWhole()
    #expect(fixture.ranges(of: "model.safetensors") == ["bytes=1000-", "all"])
    // Longer than the file can be.
    let other = try HubFixture(LocalHub(["config.json": HubFixture.small, "model.safetensors": HubFixture.large]))
    try other.makeDirectory("\(other.folder)/blobs")
    try other.write(other.partial, HubFixture.large + [1])
    try other.run()
    #expect(other.ranges(of: "model.safetensors") == ["all"])
  }

  @Test func `a file that changed on the hub begins anew`() throws {
    hub.fail("model.safetensors", .cut(after: 70_000), .status(503), .status(503), .status(503))
    _ = try fixture.refusal()
    let changed = Array(HubFixture.large.reversed())
    hub.replace("model.safetensors", by: changed)
    try fixture.run()
    #expect(try fixture.bytes("\(fixture.snapshot)/model.safetensors") == Data(changed))
    #expect(fixture.ranges(of: "model.safetensors").last == "all")
  }

  @Test func `wrong content is not kept`() throws {
    var wrong = HubFixture.large
    wrong[150_000] ^= 1
    hub.fail("model.safetensors", .content(wrong))
    #expect(try fixture.refusal().contains("model.safetensors: what came has the SHA-256"))
    #expect(try fixture.names("\(fixture.folder)/blobs") == [LocalHub.gitHash(HubFixture.small)])
    hub.fail("model.safetensors", .content(wrong + [1]))
    #expect(try fixture.refusal().contains("has more than 300000 bytes"))
    hub.fail("model.safetensors", .content(Array(wrong.dropLast())))
    #expect(try fixture.refusal().contains("has 299999 bytes, expected 300000"))
    #expect(!fixture.exists("\(fixture.snapshot)/model.safetensors"))
    #expect(!fixture.exists("\(fixture.folder)/refs/main"))
    try fixture.run()
    try requireWhole()
  }

  @Test func `part of a data set is not taken for all of it`() throws {
    let wrong = HubFixture.large.reversed() + []
    let hub = try LocalHub(["a.jsonl": HubFixture.small, "b.jsonl": HubFixture.large], kind: .dataset)
    let fixture = try HubFixture(hub)
    let request = try fixture.request(.dataset, revision: LocalHub.commit)
    hub.fail("b.jsonl", .content(wrong))
    #expect(try fixture.refusal(request).contains("b.jsonl: what came has the SHA-256"))
    let name = try #require(HubName("own/tiny", .dataset))
    let error = #expect(throws: HubRefusal.self) {
      try HubCache(fixture.path("hub")).snapshot(of: name, revision: LocalHub.commit, for: .dataset)
    }
    #expect(error?.description.contains("a download was begun and did not end: complete it with") == true)
    // A part on purpose stays as it is until all the rest is there.
    let snapshot = "hub/datasets--own--tiny/snapshots/\(LocalHub.commit)"
    var part = request
    part.globs = ["a.*"]
    try fixture.run(part)
    hub.fail("b.jsonl", .content(wrong))
    _ = try fixture.refusal(request)
    #expect(try fixture.names(snapshot) == ["a.jsonl"])
    try fixture.run(request)
    #expect(try fixture.names(snapshot) == ["a.jsonl", "b.jsonl"])
  }

  @Test func `a snapshot that was being made is made anew`() throws {
    let begun = "\(fixture.folder)/blobs/\(LocalHub.commit).snapshot"
    try fixture.makeDirectory(begun)
    try fixture.link("\(begun)/config.json", to: "../../blobs/none")
    // As an older start left it.
    try fixture.makeDirectory(fixture.snapshot)
    try fixture.run()
    try requireWhole()
  }

  @Test func `wrong content of a small file is noticed by git's hash`() throws {
    hub.fail("config.json", .content(HubFixture.small.map { $0 == 50 ? 51 : $0 }))
    #expect(try fixture.refusal().contains("config.json: what came has git's hash"))
  }

  @Test func `a hub that lists names alone is asked for each file`() throws {
    let files = ["config.json": HubFixture.small, "model.safetensors": HubFixture.large]
    let fixture = try HubFixture(LocalHub(files, describes: false))
    try fixture.run()
    #expect(try fixture.bytes("\(fixture.snapshot)/model.safetensors") == Data(HubFixture.large))
    #expect(try fixture.names("\(fixture.folder)/blobs").contains(SHA256.text(of: HubFixture.large)))
    var finished = 0
    try fixture.run { if case .finished = $0 { finished += 1 } }
    try fixture.run(fixture.request(to: "out"))
    try fixture.run(fixture.request(to: "out")) { if case .finished = $0 { finished += 1 } }
    #expect(finished == 0, "what is there is not fetched again")
  }

  @Test func `two downloads at once bring each file once`() async throws {
    let fixture = fixture
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<3 { group.addTask { try fixture.run() } }
      try await group.waitForAll()
    }
    try requireWhole()
    #expect(fixture.ranges(of: "model.safetensors") == ["all"])
  }

  @Test func `a wish to stop keeps what came`() throws {
    hub.fail("model.safetensors", .stall(after: 90_000))
    let download = try HubDownload(
      fixture.request(), fixture.settings(), patience: HubPatience(silence: 30),
      isStopped: { (try? fixture.bytes(fixture.partial).count) == 90_000 })
    #expect(throws: HubFailure.stopped) { try download.run() }
    #expect(try fixture.bytes(fixture.partial).count == 90_000)
    try fixture.run()
    try requireWhole()
  }

  @Test func `a file that cannot fit is told before it is asked for`() throws {
    hub.list([["rfilename": "model.safetensors", "size": .integer(1 << 60)]])
    let refusal = try fixture.refusal()
    #expect(refusal.contains("cannot write 1152921504606846976 bytes where"))
    #expect(refusal.contains("make room and run the same command again"))
    #expect(try fixture.names(fixture.folder) == ["blobs"])
    #expect(try fixture.names("\(fixture.folder)/blobs").isEmpty)
  }
}
