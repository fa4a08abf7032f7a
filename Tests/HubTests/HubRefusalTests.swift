// What a hub refuses, what is refused of a hub, and how the user is told.

import Checkpoints
import Foundation
import Hub
import TestSupport
import Testing

@Suite struct HubRefusalTests {
  private let fixture: HubFixture
  private var hub: LocalHub { fixture.hub }

  init() throws { fixture = try HubFixture() }

  @Test func `a gated repository needs consent`() throws {
    let fields = ["X-Error-Code": "GatedRepo", "X-Error-Message": "Access to own/tiny is restricted, hf_secret."]
    hub.fail("", .status(403, fields), .status(401, fields))
    let told = try fixture.refusal()
    #expect(
      told.contains("open \(hub.endpoint)/own/tiny in a browser and accept with the account of the token in HF_TOKEN"))
    #expect(told.contains("the hub says: Access to own/tiny is restricted"))
    #expect(!told.contains("hf_secret"), "the token is in no message")
    #expect(try fixture.refusal(token: nil).contains("then set HF_TOKEN to a token of it"))
  }

  @Test func `who is not known is told what to set`() throws {
    hub.fail("", .status(401), .status(401, body: "{\"error\": \"Invalid credentials\"}"))
    #expect(try fixture.refusal(token: nil).contains("check the name, or set HF_TOKEN to a token that may read it"))
    #expect(try fixture.refusal().contains("does not accept the token in HF_TOKEN for it"))
    #expect(hub.requests.count == 2, "nothing is tried again that cannot change")
  }

  @Test func `a name or a revision that is not there`() throws {
    let absent = try HubRequest("own/other")
    #expect(try fixture.refusal(absent, token: nil).contains("has no such model, or it is private: then set HF_TOKEN"))
    #expect(try fixture.refusal(absent).contains("has no such model that your token may read; check the name"))
    #expect(try fixture.refusal(fixture.request(revision: "v9")).contains("has no branch, tag or commit \"v9\""))
    hub.fail("config.json", .status(404))
    #expect(try fixture.refusal().contains("config.json: \(hub.endpoint) answers with 404"))
  }

  @Test func `what passes is tried again`() throws {
    hub.fail("", .status(429, ["Retry-After": "0.2"]), .status(500), .status(502))
    var waits: [Double] = []
    try fixture.run { if case .retrying(_, let seconds) = $0 { waits.append(seconds) } }
    #expect(waits == [0.2, 0.02, 0.02])
    hub.fail("", .status(429, ["Retry-After": "nan"]))
    try fixture.run { if case .retrying(_, let seconds) = $0 { waits.append(seconds) } }
    #expect(waits.last == 0.02)
    hub.fail("", .status(429, ["Retry-After": "9999"]))
    try fixture.run { if case .retrying(_, let seconds) = $0 { waits.append(seconds) } }
    #expect(waits.last == 0.3, "no hub makes it wait for ever")
  }

  @Test func `a hub that is not there`() throws {
    hub.close()
    #expect(try fixture.refusal().contains("given up after 4 attempts"))
  }

  @Test func `a server that knows names alone is enough`() throws {
    hub.fail("", .status(404))
    try fixture.run()
    #expect(hub.requests.map(\.path).prefix(2).allSatisfy { $0.hasPrefix("/api/models/own/tiny/revision/main") })
  }

  @Test func `what is no hub`() throws {
    hub.fail("", .status(200, body: "<html>"))
    #expect(try fixture.refusal().contains("does not answer as the hub does; check HF_ENDPOINT"))
    hub.list([["rfilename": "a.json", "size": -1]])
    #expect(try fixture.refusal().contains("does not answer as the hub does"))
    let hash = JSONValue.string(LocalHub.commit)
    hub.list((0..<20).map { ["rfilename": .string("\($0).json"), "size": .integer(1 << 60), "blobId": hash] })
    #expect(try fixture.refusal().contains("cannot write 2305843009213693952 bytes where"))
  }

  @Test(arguments: [
    "../x.json", "/etc/x.json", "a/../../x.json", "a//x.json", "a\u{1B}[31m.json", "a\\x.json", ".", ".git/x.json",
  ])
  func `a name that leads elsewhere is refused`(name: String) throws {
    hub.list([["rfilename": .string(name), "size": 3]])
    #expect(try fixture.refusal().contains("nothing was downloaded"))
    #expect(hub.requests.count == 1)
    #expect(try fixture.names().isEmpty)
  }

  @Test func `redirects end`() throws {
    let own = "/own/tiny/resolve/\(LocalHub.commit)/config.json"
    // Enough for attempts that fail for another reason too.
    for _ in 0..<100 { hub.fail("config.json", .redirect(own)) }
    let text = try fixture.refusal()
    #expect(text.contains("redirects in a circle"), "\(text)")
    let other = try HubFixture()
    other.hub.fail("config.json", .redirect("file:///etc/passwd"))
    #expect(try other.refusal().contains("redirects in a circle, or to what is no address"))
  }

  @Test func `addresses`() throws {
    let hub = try #require(HubAddress("https://Hub.Example/base/api?x=1"))
    #expect(hub.origin == "https://hub.example:443")
    #expect(hub.shown == "https://hub.example")
    #expect(hub.redirect(to: "/a")?.text == "https://hub.example/a")
    #expect(hub.redirect(to: "b?y")?.text == "https://hub.example/base/b?y")
    #expect(hub.redirect(to: "//other/c")?.text == "https://other/c")
    #expect(hub.redirect(to: "https://other:8443/d")?.origin == "https://other:8443")
    #expect(hub.redirect(to: "http://hub.example/d") == nil, "https is not left")
    #expect(HubAddress("http://[::1]:80/x")?.host == "[::1]")
    for text in ["ftp://x", "http://", "http://user@host", "http://h:0", "http://h:x", "http://h/\u{7}", "x"] {
      #expect(HubAddress(text) == nil, "\(text)")
    }
    #expect(HubAddress.escaped("data/a b%é#.json") == "data/a%20b%25%C3%A9%23.json")
  }

  @Test func `what the environment says`() throws {
    try fixture.write("token", " hf_file\n")
    let file = try fixture.settings(token: nil)
    #expect(file.token == "hf_file")
    #expect(file.tokenSource == fixture.path("token"))
    #expect(try fixture.settings(["HF_TOKEN_PATH": fixture.path("none")]).token == "hf_secret")
    #expect(try fixture.settings(token: nil, ["HUGGING_FACE_HUB_TOKEN": "hf_old"]).token == "hf_old")
    #expect(file.cache?.path == fixture.path("hub"))
    #expect(throws: HubMistake.offline("HF_HUB_OFFLINE")) { try fixture.settings(["HF_HUB_OFFLINE": "1"]) }
    #expect(throws: HubMistake.token(source: "HF_TOKEN")) { try fixture.settings(token: "hf_a\nhf_b") }
    #expect(throws: HubMistake.endpoint) { try fixture.settings(["HF_ENDPOINT": "huggingface.co"]) }
    #expect(throws: HubMistake.noName("../x")) { try HubRequest("../x") }
    #expect(throws: HubMistake.noRevision("a..b")) { try HubRequest("own/tiny", revision: "a..b") }
  }

  @Test func `what is taken of a repository`() throws {
    func taken(_ kind: HubName.Kind, _ names: [String], _ globs: [String] = []) throws -> [String] {
      let name = try #require(HubName("own/tiny", kind))
      let list = names.map { "{\"rfilename\": \"\($0)\"}" }.joined(separator: ",")
      let listing = try HubListing(
        Array("{\"siblings\": [\(list)]}".utf8), commit: LocalHub.commit, of: name, revision: "main", at: "hub")
      return try HubSelection(name: name, globs: globs).files(of: listing).map(\.path)
    }
    let model = [
      "README.md", "config.json", "merges.txt", "model.safetensors", "pytorch_model.bin", "modeling_x.py",
      "tokenizer.model", "chat_template.jinja", "onnx/model.onnx",
    ]
    #expect(
      try taken(.model, model) == [
        "config.json", "merges.txt", "model.safetensors", "tokenizer.model", "chat_template.jinja",
      ])
    #expect(try taken(.model, model, ["onnx/", "*.md"]) == ["README.md", "onnx/model.onnx"])
    #expect(
      try taken(.dataset, ["README.md", "data/a.parquet", "b.jsonl.gz", "c.csv", "load.py", "d.tar"]) == [
        "README.md", "data/a.parquet", "b.jsonl.gz", "c.csv",
      ])
    #expect(throws: HubMistake.self) { try taken(.model, ["config.json", "pytorch_model-00001-of-00002.bin"]) }
    #expect(try taken(.model, ["config.json", "tokenizer.json"]).count == 2)
    #expect(throws: HubMistake.self) { try taken(.model, model, ["*.gguf"]) }
  }
}
