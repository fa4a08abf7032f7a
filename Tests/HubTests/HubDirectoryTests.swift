// Downloads into a plain directory, where others may have files.

import Checkpoints
import Foundation
import Hub
import TestSupport
import Testing

@Suite struct HubDirectoryTests {
  private let fixture: HubFixture
  private var hub: LocalHub { fixture.hub }

  init() throws { fixture = try HubFixture() }

  private func request(overwrites: Bool = false) throws -> HubRequest {
    var request = try fixture.request(to: "out")
    request.overwrites = overwrites
    return request
  }

  private func requireWhole() throws {
    #expect(try fixture.names("out") == ["config.json", "model.safetensors"])
    #expect(try fixture.bytes("out/model.safetensors") == Data(HubFixture.large))
  }

  @Test func `the directory has the files and nothing else`() throws {
    #expect(try fixture.run(request()) == fixture.path("out"))
    try requireWhole()
    #expect(!fixture.exists("hub"))
    try fixture.run(request())
    #expect(fixture.ranges(of: "model.safetensors") == ["all"], "what is right is not fetched again")
  }

  @Test func `an interrupted download goes on there too`() throws {
    hub.fail("model.safetensors", .cut(after: 70_000), .status(503), .status(503), .status(503))
    _ = try fixture.refusal(request())
    #expect(try fixture.names("out").contains { $0.hasSuffix(".incomplete") })
    try fixture.run(request())
    try requireWhole()
    #expect(fixture.ranges(of: "model.safetensors").last == "bytes=70000-")
  }

  @Test func `files of others stay`() throws {
    try fixture.makeDirectory("out")
    try fixture.write("out/config.json", "mine")
    try fixture.write("out/notes.txt", "mine")
    let before = try fixture.snapshot()
    #expect(try fixture.refusal(request()).contains("out/config.json is there already and is another file"))
    #expect(try fixture.snapshot() == before)
    try fixture.run(request(overwrites: true))
    #expect(try fixture.bytes("out/config.json") == Data(HubFixture.small))
    #expect(try fixture.text("out/notes.txt") == "mine")
  }

  @Test func `a file that appears during the download stays`() throws {
    let fixture = fixture
    let error = #expect(throws: HubMistake.self) {
      try fixture.run(request()) { progress in
        if case .advanced("config.json", _, _) = progress { _ = try? fixture.write("out/config.json", "mine") }
      }
    }
    #expect(error == .exists(path: fixture.path("out/config.json")))
    #expect(try fixture.text("out/config.json") == "mine")
  }

  @Test func `no link is followed`() throws {
    try fixture.makeDirectory("elsewhere")
    try fixture.write("elsewhere/config.json", "mine")
    try fixture.link("out", to: "elsewhere")
    #expect(try fixture.refusal(request(overwrites: true)).contains("symbolic link"))
    try FileManager.default.removeItem(atPath: fixture.path("out"))
    try fixture.makeDirectory("out")
    try fixture.link("out/config.json", to: "../elsewhere/config.json")
    #expect(try fixture.refusal(request(overwrites: true)).contains("symbolic link"))
    hub.replace("sub/a.json", by: HubFixture.small)
    try FileManager.default.removeItem(atPath: fixture.path("out/config.json"))
    try fixture.link("out/sub", to: "../elsewhere")
    #expect(try fixture.refusal(request(overwrites: true)).contains("out/sub: is a symbolic link"))
    #expect(try fixture.names("elsewhere") == ["config.json"])
    #expect(try fixture.text("elsewhere/config.json") == "mine")
  }
}
