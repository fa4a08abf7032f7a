import Checkpoints
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

@Suite struct HubTests {
  private func tensor(_ name: String, _ count: Int = 4) -> OutgoingTensor {
    OutgoingTensor(name: name, type: .uint8, shape: [count]) {
      try [UInt8](repeating: name.utf8.first ?? 0, count: count).withUnsafeBytes($0)
    }
  }

  /// Creates a directory of the given files with the given tensors, and an index.
  private func directory(
    _ shards: [String: [String]], index: [String: String], in scratch: TemporaryDirectory
  ) throws -> String {
    let path = scratch.path("model")
    try AtomicDirectory.write(to: path, neededBytes: 0, hasManifest: false) { directory in
      for (name, tensors) in shards {
        try directory.file(name) { try SafetensorsWriter.write(tensors.map { tensor($0) }, to: $0) }
      }
      let map = index.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
      let json: JSONValue = ["metadata": [:], "weight_map": .object(map)]
      try directory.file("model.safetensors.index.json", text: json.serialized())
    }
    return path
  }

  @Test func `reads what transformers wrote`() throws {
    let single = try HubWeights(directory: Repository.fixture("checkpoints/base"))
    let sharded = try HubWeights(directory: Repository.fixture("checkpoints/sharded"))
    #expect(single.files.count == 1)
    #expect(sharded.files.count > 1)
    #expect(Set(single.names) == Set(sharded.names))
    for name in single.names {
      let one = try #require(single[name])
      let other = try #require(sharded[name])
      #expect(one.type == other.type && one.shape == other.shape)
      #expect(one.bytes.elementsEqual(other.bytes), "\(name)")
    }
    #expect(single["nothing"] == nil)
  }

  @Test(arguments: [
    "../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", ".hidden.safetensors", "x.bin",
    "..safetensors", ".safetensors", "x\\y.safetensors", "x y.safetensors", "é.safetensors", "",
  ])
  func `refuses names that lead elsewhere`(name: String) throws {
    let scratch = try TemporaryDirectory()
    let path = try directory(["x.safetensors": ["a"]], index: ["a": name], in: scratch)
    let error = #expect(throws: ContentError.self) { try HubWeights(directory: path) }
    #expect(error?.problems.first?.item == "a")
  }

  @Test(.timeLimit(.minutes(1))) func `named pipes are not waited for`() throws {
    let scratch = try TemporaryDirectory()
    try AtomicDirectory.write(to: scratch.path("run"), neededBytes: 0) { try $0.file("state", text: "7") }
    #expect(try VerifiedDirectory(scratch.path("run")).names == ["state"])
    #expect(unlink(scratch.path("run/state")) == 0 && mkfifo(scratch.path("run/state"), 0o600) == 0)
    let error = #expect(throws: FileError.self) { _ = try VerifiedDirectory(scratch.path("run")) }
    #expect(error?.description.contains("no regular file") == true)
    #expect(mkfifo(scratch.path("model.safetensors"), 0o600) == 0)
    #expect(throws: FileError.self) { _ = try HubWeights(directory: scratch.path) }
  }

  @Test func `index and shards must agree`() throws {
    let cases: [([String: [String]], [String: String], String)] = [
      (["x.safetensors": ["a"]], ["a": "x.safetensors", "b": "x.safetensors"], "\"b\" is in no shard"),
      (["x.safetensors": ["a", "b"]], ["a": "x.safetensors"], "\"b\" is in x.safetensors but not in"),
      (
        ["x.safetensors": ["a"], "y.safetensors": ["a", "b"]],
        ["a": "x.safetensors", "b": "y.safetensors"], "\"a\" is in both"
      ),
      (
        ["x.safetensors": ["a"], "y.safetensors": ["b"]],
        ["a": "y.safetensors", "b": "x.safetensors"], "expected y.safetensors"
      ),
      ([:], [:], "weight_map"),
    ]
    for (shards, index, message) in cases {
      let scratch = try TemporaryDirectory()
      let path = try directory(shards, index: index, in: scratch)
      let error = #expect(throws: ContentError.self) { try HubWeights(directory: path) }
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }
    let scratch = try TemporaryDirectory()
    let path = try directory([:], index: ["a": "x.safetensors"], in: scratch)
    #expect(throws: FileError.self) { try HubWeights(directory: path) }
    #expect(throws: ContentError.self) { try HubWeights(directory: scratch.path) }
  }

  /// The hub's cache: snapshots/COMMIT/model.safetensors -> ../../blobs/HASH.
  @Test func `follows the links of the Hub's cache`() throws {
    let scratch = try TemporaryDirectory()
    let files = FileManager.default
    try files.createDirectory(atPath: scratch.path("blobs"), withIntermediateDirectories: true)
    try files.createDirectory(atPath: scratch.path("snapshots/c"), withIntermediateDirectories: true)
    try AtomicFile.write(to: scratch.path("blobs/1f")) { try SafetensorsWriter.write([tensor("a")], to: $0) }
    try files.createSymbolicLink(
      atPath: scratch.path("snapshots/c/model.safetensors"), withDestinationPath: "../../blobs/1f")
    #expect(try HubWeights(directory: scratch.path("snapshots/c")).names == ["a"])
  }

  @Test func `splits as the Hub does`() {
    // Expected values from huggingface_hub's split_state_dict_into_shards_factory.
    #expect(ShardedExport.shards(ofBytes: [6, 6, 2, 6, 2, 2], limit: 10) == [[0], [1, 2], [3, 4, 5]])
    #expect(ShardedExport.shards(ofBytes: [2, 20, 2, 9], limit: 10) == [[1], [0, 2], [3]])
    #expect(ShardedExport.shards(ofBytes: [5, 5], limit: 10) == [[0, 1]])
    #expect(ShardedExport.shards(ofBytes: [20], limit: 10) == [[0]])
  }

  @Test func `reads sizes as the Hub does`() {
    #expect(ByteCount.bytes("5GB") == 5_000_000_000)
    #expect(ByteCount.bytes("1.5 mb") == 1_500_000)
    #expect(ByteCount.bytes("300KB") == 300_000)
    #expect(ByteCount.bytes("1TB") == 1_000_000_000_000)
    for text in ["", "GB", "5", "5GiB", "-5GB", "+5GB", "infGB", "nanGB", "1e3KB", "0KB", "9999999999TB"] {
      #expect(ByteCount.bytes(text) == nil, "\(text)")
    }
  }

  @Test func `writes shards that read back`() throws {
    let scratch = try TemporaryDirectory()
    let tensors = (0..<7).map { tensor("\($0)", 100 + $0) }
    for (limit, count) in [(1000, 1), (250, 4), (50, 7)] {
      let path = scratch.path("out-\(limit)")
      try AtomicDirectory.write(to: path, neededBytes: 0, permissions: .umask, hasManifest: false) {
        try ShardedExport.write(tensors, shardBytes: limit, to: $0)
      }
      let weights = try HubWeights(directory: path)
      #expect(weights.files.count == count)
      #expect(weights.names.sorted() == tensors.map(\.name))
      #expect(weights["6"]?.bytes.count == 106)
      if count > 1 {
        let index = try JSONValue.read(file: path + "/model.safetensors.index.json")
        #expect(index["metadata"]?["total_size"] == 721)
        #expect(index["weight_map"]?["0"]?.string == "model-00001-of-0000\(count).safetensors")
      }
    }
  }

  @Test func `carries files over`() throws {
    let scratch = try TemporaryDirectory()
    try AtomicDirectory.write(to: scratch.path("out"), neededBytes: 0, hasManifest: false) {
      try HubFiles.copy(HubFiles.configuration, from: Repository.fixture("checkpoints/base"), $0.file)
    }
    #expect(try scratch.names("out") == ["config.json", "generation_config.json"])
    #expect(
      try JSONValue.read(file: scratch.path("out/config.json"))
        == JSONValue.read(file: Repository.fixture("checkpoints/base/config.json")))
  }
}
