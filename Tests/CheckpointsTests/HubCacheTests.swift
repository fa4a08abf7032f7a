// Names of the hub in the cache that huggingface_hub keeps.

import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct HubCacheTests: TestDirectory {
  private let directory: TemporaryDirectory
  var path: String { directory.path }
  private let commits = ["0123456789012345678901234567890123456789", "01234aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]

  init() throws {
    directory = try TemporaryDirectory()
    for (place, commit) in commits.enumerated() {
      try snapshot(
        of: "models--own--tiny", commit,
        [
          "config.json": "{}", "tokenizer.json": "{}", "model.safetensors": "\(place)",
        ])
    }
    try makeDirectory("models--own--tiny/refs/refs/pr")
    try write("models--own--tiny/refs/main", commits[0])
    try write("models--own--tiny/refs/refs/pr/1", commits[1] + "\n")
  }

  /// A snapshot whose files are links to blobs.
  private func snapshot(of folder: String, _ commit: String, _ files: [String: String]) throws {
    try makeDirectory("\(folder)/snapshots/\(commit)")
    try makeDirectory("\(folder)/blobs")
    for (name, text) in files {
      let blob = SHA256.text(of: Array(text.utf8))
      try write("\(folder)/blobs/\(blob)", text)
      try link("\(folder)/snapshots/\(commit)/\(name)", to: "../../blobs/\(blob)")
    }
  }

  private func find(
    _ name: String, _ kind: HubName.Kind = .model, revision: String? = nil, for content: HubCache.Content = .model
  ) throws -> String {
    let found = try HubCache(path).snapshot(of: #require(HubName(name, kind)), revision: revision, for: content)
    return String(found.dropFirst(path.count + 1))
  }

  private func refusal(
    _ name: String, _ kind: HubName.Kind = .model, revision: String? = nil, for content: HubCache.Content = .model
  ) -> String {
    do { return "no error: \(try find(name, kind, revision: revision, for: content))" } catch { return "\(error)" }
  }

  @Test func `branches, tags, commits and their beginnings are found`() throws {
    let snapshots = commits.map { "models--own--tiny/snapshots/\($0)" }
    #expect(try find("own/tiny") == snapshots[0])
    #expect(try find("own/tiny", revision: "main") == snapshots[0])
    #expect(try find("own/tiny", revision: "refs/pr/1") == snapshots[1])
    #expect(try find("own/tiny", revision: commits[1]) == snapshots[1])
    #expect(try find("own/tiny", revision: "01234a") == snapshots[1])
    for wrong in ["01234", "0123", "v1", "../main", "refs/pr", ""] {
      #expect(refusal("own/tiny", revision: wrong).contains("has no revision \"\(wrong)\" (it has main, refs/pr/1"))
    }
  }

  @Test func `what is not there is told with its command`() throws {
    #expect(
      refusal("Qwen/Qwen2-0.5B-Instruct").hasSuffix(
        "does not have this model: download it with `shoal fetch Qwen/Qwen2-0.5B-Instruct`"))
    #expect(refusal("own/tiny", revision: "v1").hasSuffix("`shoal fetch own/tiny --revision v1`"))
    #expect(refusal("a/b", .dataset, revision: "a'b").hasSuffix(#"`shoal fetch a/b --dataset --revision 'a'\''b'`"#))
  }

  @Test func `a snapshot that lacks something is not whole`() throws {
    try snapshot(of: "models--own--tokens", commits[0], ["tokenizer.json": "{}"])
    try makeDirectory("models--own--tokens/refs")
    try write("models--own--tokens/refs/main", commits[0])
    #expect(try find("own/tokens", for: .tokenizer).hasSuffix(commits[0]))
    #expect(
      refusal("own/tokens").contains("is not complete: it lacks config.json, model.safetensors: complete it with"))

    let index = #"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#
    try snapshot(
      of: "models--own--shards", commits[0],
      [
        "config.json": "{}", "tokenizer.json": "{}", "model.safetensors.index.json": index,
        "model-00001-of-00002.safetensors": "x",
      ])
    try makeDirectory("models--own--shards/refs")
    try write("models--own--shards/refs/main", commits[0])
    #expect(refusal("own/shards").contains("it lacks model-00002-of-00002.safetensors: complete"))
    try write("models--own--shards/blobs/abc.1234.incomplete", "")
    #expect(refusal("own/shards").contains("; a download was begun and did not end: complete it"))

    // A link whose blob is gone.
    let blob = SHA256.text(of: Array("0".utf8))
    try FileManager.default.removeItem(atPath: path("models--own--tiny/blobs/\(blob)"))
    #expect(refusal("own/tiny").contains("it lacks model.safetensors"))
    #expect(refusal("own/tiny", for: .adapter).contains("it lacks adapter_config.json, adapter_model.safetensors"))
  }

  @Test func `blobs without a snapshot are a download that did not end`() throws {
    try makeDirectory("datasets--own--pairs/blobs")
    try write("datasets--own--pairs/blobs/abc", "x")
    #expect(
      refusal("own/pairs", .dataset, revision: commits[0], for: .dataset).contains(
        "datasets--own--pairs: a download was begun and did not end: complete it with"))
  }

  @Test func `a data set is whole when no download is under way`() throws {
    let folder = "datasets--own--pairs"
    try makeDirectory("\(folder)/blobs")
    try write("\(folder)/blobs/abc.incomplete", "x")
    #expect(refusal("own/pairs", .dataset, for: .dataset).contains("a download was begun and did not end"))
    try snapshot(of: folder, commits[0], ["train.jsonl": "{}"])
    try makeDirectory("\(folder)/refs")
    try write("\(folder)/refs/main", commits[0])
    #expect(
      refusal("own/pairs", .dataset, for: .dataset).contains(
        "complete it with `shoal fetch own/pairs --dataset`, or remove that file if"))
    // What another start of the download completed.
    try write("\(folder)/blobs/abc", "x")
    #expect(try find("own/pairs", .dataset, for: .dataset) == "\(folder)/snapshots/\(commits[0])")
    try makeDirectory("\(folder)/snapshots/\(commits[0])/data")
    try link("\(folder)/snapshots/\(commits[0])/data/gone.parquet", to: "../../../blobs/none")
    #expect(refusal("own/pairs", .dataset, for: .dataset).contains("it lacks data/gone.parquet"))
  }

  @Test func `names that the hub can have`() {
    for name in ["gpt2", "own/name", "Qwen/Qwen2-0.5B-Instruct", "a_b/c.d_e", "_x/y"] {
      #expect(HubName(name)?.text == name, "\(name)")
    }
    for name in [
      "", "/", "a/", "/a", "./a", "../a", "a/b/c", "a--b", "a..b", "-a/b", "a/b.", "a/b.git", "a b", "é/x", "~/x",
      String(repeating: "a", count: 97),
    ] { #expect(HubName(name) == nil, "\(name)") }
    #expect(HubName("own/x", .dataset)?.folder == "datasets--own--x")
  }

  @Test func `the environment says where the cache is`() {
    func cache(_ variables: [String: String]) -> String? { HubPlaces { variables[$0] }.cache }
    #expect(cache([:]) == nil)
    #expect(cache(["HOME": "/h"]) == "/h/.cache/huggingface/hub")
    #expect(cache(["HOME": "/h", "XDG_CACHE_HOME": "/x"]) == "/x/huggingface/hub")
    #expect(cache(["HOME": "/h", "XDG_CACHE_HOME": "/x", "HF_HOME": "~/hf"]) == "/h/hf/hub")
    #expect(cache(["HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old/"]) == "/old")
    #expect(cache(["HF_HUB_CACHE": "$A/${B}/$C", "A": "/a", "B": "b", "HUGGINGFACE_HUB_CACHE": "/old"]) == "/a/b/$C")
    #expect(HubPlaces { ["HF_HOME": "/hf"][$0] }.token == "/hf/token")
    #expect(HubPlaces { ["HF_HOME": "/hf", "HF_TOKEN_PATH": "/t"][$0] }.token == "/t")
  }

  @Test func `a local directory of the name wins`() throws {
    #expect(try HubCache.directory(of: path("models--own--tiny"), for: .model) == path("models--own--tiny"))
    #expect(try HubCache.directory(of: "./no/such/directory", for: .dataset) == "./no/such/directory")
  }
}
