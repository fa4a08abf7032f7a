// Scores, merged models and adapters: each command reads the output of the others.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct ExportTests {
    private let model = TinyFixture.path("model")
    private let adapter = TinyFixture.path("adapter")

    /// The output lines of `shoal score`.
    private func score(
      _ fixture: RunFixture, model: String, adapter: String? = nil, launcher: [String] = [Job.program]
    ) throws -> [JSONValue] {
      let out = "scores-\(UUID().uuidString).jsonl"
      let extra = adapter.map { ["--adapter", $0] } ?? []
      let ending = try Job(
        launcher + ["score", "--model", model, "--data", fixture.path("pairs.jsonl"), "--out", fixture.path(out)]
          + extra,
        in: fixture
      ).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      return try fixture.text(out).split(separator: "\n").map { try JSONValue.parse(String($0)) }
    }

    /// The largest difference of a log-prob per token.
    private func distance(_ some: [JSONValue], _ others: [JSONValue]) throws -> Double {
      try #require(some.count == others.count)
      var largest = 0.0
      for (one, other) in zip(some, others) {
        for name in ["chosen", "rejected"] {
          let tokens = try #require(one[name]?["tokens"]?.int)
          #expect(tokens == other[name]?["tokens"]?.int)
          let (a, b) = (try #require(one[name]?["logp"]?.double), try #require(other[name]?["logp"]?.double))
          largest = max(largest, abs(a - b) / Double(tokens))
        }
      }
      return largest
    }

    @Test func `scores have a line per example`() throws {
      let fixture = try RunFixture()
      let lines = try score(fixture, model: model, adapter: adapter)
      #expect(lines.map { $0["index"]?.int } == (0..<RunFixture.pairs).map { $0 })
      for line in lines {
        #expect(line.members?.map(\.name) == ["index", "chosen", "rejected"])
        for name in ["chosen", "rejected"] {
          #expect(line[name]?.members?.map(\.name) == ["logp", "tokens"])
          #expect(try #require(line[name]?["logp"]?.double) < 0)
          #expect(try #require(line[name]?["tokens"]?.int) > 0)
        }
      }
      #expect(try score(fixture, model: model, adapter: adapter, launcher: World(ranks: 3).launcher) == lines)
      // The adapter makes a difference; otherwise the tests below prove nothing.
      #expect(try distance(lines, score(fixture, model: model)) > 0.01)
    }

    @Test func `a merged model scores as base and adapter`() throws {
      let fixture = try RunFixture()
      let expected = try score(fixture, model: model, adapter: adapter)
      for (type, shards, tolerance) in [("f32", "5GB", 1e-5), ("f32", "100KB", 1e-5), ("bf16", "50KB", 0.05)] {
        let out = fixture.path("merged-\(type)-\(shards)")
        let ending = try fixture.shoal(
          "export", "--model", model, "--adapter", adapter, "--format", "merged", "--out", out, "--dtype", type,
          "--max-shard-size", shards)
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(try distance(score(fixture, model: out), expected) < tolerance, "\(type) \(shards)")
        let names = try fixture.names("merged-\(type)-\(shards)")
        for name in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"] {
          #expect(names.contains(name))
        }
        #expect(names.contains("model.safetensors.index.json") == (shards != "5GB"))
        let files = names.filter { $0.hasSuffix(".safetensors") }.count
        #expect(shards == "5GB" ? files == 1 : files > 1)
        let configuration = try JSONValue.parse(fixture.text("merged-\(type)-\(shards)/config.json"))
        #expect(configuration["dtype"]?.string == (type == "f32" ? "float32" : "bfloat16"))
      }
    }

    @Test func `an adapter merges into the original or the dequantized weights`() throws {
      let fixture = try RunFixture()
      let nf4 = TinyFixture.nf4Directory
      let model = ["--format", "merged", "--model", "\(nf4)/model", "--adapter", "\(nf4)/adapter"]
      var files: [String: Data] = [:]
      for (name, flag) in [
        ("default", []), ("original", ["--merge-into", "original"]), ("dequantized", ["--merge-into", "dequantized"]),
      ] {
        let arguments = ["export", "--out", fixture.path(name), "--dtype", "f32"] + model + flag
        let ending = try Job([Job.program] + arguments, in: fixture).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        files[name] = try Data(contentsOf: URL(fileURLWithPath: fixture.path("\(name)/model.safetensors")))
      }
      #expect(files["default"] == files["original"])
      #expect(files["default"] != files["dequantized"])
      let narrow = try fixture.shoal(
        "export", "--model", self.model, "--format", "merged", "--merge-into", "dequantized", "--out", fixture.path("x")
      )
      #expect(narrow.code == 64 && narrow.errors.contains("expected a multiple of 64"), "\(narrow.errors)")
      let adapterOnly = try fixture.shoal(
        "export", "--model", self.model, "--adapter", adapter, "--format", "adapter", "--merge-into", "original",
        "--out", fixture.path("x"))
      #expect(adapterOnly.code == 64 && adapterOnly.errors.contains("--merge-into is for"), "\(adapterOnly.errors)")
    }

    @Test func `an adapter of a base in 8 bits merges into the original or into int8's weights`() throws {
      let fixture = try RunFixture()
      let adapter = try fixture.copy("adapter", as: "adapter")
      let origin: JSONValue = [
        "base_model": .string(model), "base_sha256": "another", "base_form": "int8", "prompts": "chat",
        "eos_token": .null,
      ]
      try fixture.write("adapter/training.json", origin.serialized())
      func export(_ name: String, _ flags: String...) throws -> (weights: Data, errors: String) {
        let arguments = ["--format", "merged", "--model", model, "--adapter", adapter, "--dtype", "f32"] + flags
        let ending = try Job([Job.program, "export", "--out", fixture.path(name)] + arguments, in: fixture).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        return (try Data(contentsOf: URL(fileURLWithPath: fixture.path("\(name)/model.safetensors"))), ending.errors)
      }
      let usual = try export("usual")
      #expect(
        usual.errors.contains("was trained on a base in 8 bits (int8) and is merged into the original weights; "))
      let original = try export("original", "--merge-into", "original")
      #expect(original.errors.contains("was trained on a base in 8 bits (int8), but \(model) is used as stored"))
      let dequantized = try export("dequantized", "--merge-into", "dequantized")
      #expect(!dequantized.errors.contains("in 8 bits"), "\(dequantized.errors)")
      #expect(usual.weights == original.weights && usual.weights != dequantized.weights)
      let expected = try score(fixture, model: fixture.path("original"))
      // Small, as 8 bits are; NF4 has no place for this model's rows.
      let distance = try distance(score(fixture, model: fixture.path("dequantized")), expected)
      #expect(distance > 1e-6 && distance < 0.05, "\(distance)")
    }

    @Test func `without an adapter the base itself is written`() throws {
      let fixture = try RunFixture()
      let out = fixture.path("base")
      #expect(try fixture.shoal("export", "--model", model, "--format", "merged", "--out", out).code == 0)
      #expect(try score(fixture, model: out) == score(fixture, model: model))
    }

    @Test func `a run's adapter scores as its export`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.train(.alone, "learning_rate=1e-2").code == 0)
      let out = fixture.path("adapter")
      let ending = try fixture.shoal(
        "export", "--model", model, "--adapter", fixture.path("run"), "--format", "adapter", "--out", out)
      #expect(ending.code == 0, "\(ending.errors)")
      let expected = try score(fixture, model: model, adapter: fixture.path("run"))
      #expect(try score(fixture, model: model, adapter: out) == expected)
      #expect(try distance(expected, score(fixture, model: model)) > 0.001)
    }

    @Test func `nothing is overwritten`() throws {
      let fixture = try RunFixture()
      try FileManager.default.createDirectory(atPath: fixture.path("out"), withIntermediateDirectories: true)
      try fixture.write("out/mine.txt", "mine")
      for format in ["merged", "adapter"] {
        let ending = try fixture.shoal(
          "export", "--model", model, "--adapter", adapter, "--format", format, "--out", fixture.path("out"))
        #expect(ending.code == 64)
        #expect(ending.errors.contains("out: cannot write a new directory: File exists"))
      }
      #expect(try fixture.names("out") == ["mine.txt"])
      let nowhere = try fixture.shoal(
        "score", "--model", model, "--data", fixture.path("pairs.jsonl"), "--out", fixture.path("no/out.jsonl"))
      #expect(nowhere.code == 64)
      #expect(nowhere.errors.contains("/no: cannot write to the directory"))
    }

    @Test(arguments: ["train", "score", "tokenize", "export"])
    func `help has an example`(command: String) throws {
      let ending = try RunFixture().shoal(command, "--help")
      #expect(ending.code == 0)
      #expect(ending.output.contains("Example:"))
      #expect(ending.output.contains("shoal \(command) "))
      #expect(ending.errors.isEmpty)
    }

    @Test func `the version is told and unknown commands are refused`() throws {
      let fixture = try RunFixture()
      let version = try fixture.shoal("--version")
      #expect(version.code == 0)
      #expect(version.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
      let unknown = try fixture.shoal("knit")
      #expect(unknown.code == 64)
      #expect(unknown.errors.contains("'knit'"))
    }
  }
}
