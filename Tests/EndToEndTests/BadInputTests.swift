// Mistakes of the caller give a clear error and exit code 64, and write nothing. In a world the error is printed once.

import Foundation
import TestSupport
import Testing

/// One mistake: how to make it, and its error message.
private struct Mistake: Sendable, CustomTestStringConvertible {
  let name: String
  /// A text that occurs once in the error message.
  let says: String
  /// Makes the mistake. Returns the settings that go with it.
  let make: @Sendable (RunFixture) throws -> [String]

  init(_ name: String, says: String, make: @escaping @Sendable (RunFixture) throws -> [String]) {
    (self.name, self.says, self.make) = (name, says, make)
  }

  var testDescription: String { name }

  /// A pair in the data's second line.
  static func record(_ name: String, _ line: String, says: String) -> Mistake {
    Mistake(name, says: says) { fixture in
      try fixture.write("pairs.jsonl", RunFixture.lines(1) + line + "\n" + RunFixture.lines(1))
      return []
    }
  }

  /// A changed copy of the model.
  static func model(
    _ name: String, of source: String = "model", says: String, change: @escaping @Sendable (RunFixture) throws -> Void
  ) -> Mistake {
    Mistake(name, says: says) { fixture in
      let path = try fixture.copy(source, as: "model")
      try change(fixture)
      return ["base_model=\(path)"]
    }
  }

  static let configuration = [
    Mistake("a misspelt key", says: "unknown key `lora_alhpa`; did you mean `lora_alpha`?") { _ in ["lora_alhpa=8"] },
    Mistake("a key that no configuration has", says: "unknown key `fruit`") { _ in ["fruit=3"] },
    Mistake("a key that paints the terminal", says: #"unknown key `\u{1B}[31mfruit`"#) { _ in ["\u{1B}[31mfruit=3"] },
    Mistake("a text for a number", says: "`lora_r`: expected a whole number") { _ in ["lora_r=many"] },
    Mistake("a share for a count", says: "`micro_batch_size`: expected a whole number") { _ in
      ["micro_batch_size=2.5"]
    },
    Mistake("a limit that no recomputing meets", says: "memory_limit: a rank needs at least") { _ in
      ["gradient_checkpointing=auto", "memory_limit=1MB"]
    },
    Mistake("a limit that nothing keeps", says: "`memory_limit` needs `gradient_checkpointing: auto`") { _ in
      ["memory_limit=1GB"]
    },
    Mistake("a list for a text", says: "`rl`: expected dpo") { _ in ["rl=[dpo]"] },
    Mistake("what is not YAML", says: "config.yaml: 1 problem") { fixture in
      try fixture.write("config.yaml", "lora_r: [1, 2\nrl: dpo\n")
      return []
    },
    Mistake("an empty configuration", says: "missing key `base_model`") { fixture in
      try fixture.write("config.yaml", "")
      return []
    },
    Mistake("an output directory below a file", says: "output_dir must be a directory that can be written") { _ in
      ["output_dir=pairs.jsonl/run"]
    },
    Mistake("no configuration", says: "config.yaml: 1 problem in the configuration\n  cannot be read") { fixture in
      try FileManager.default.removeItem(atPath: fixture.path("config.yaml"))
      return []
    },
    Mistake("no threads", says: "--threads is 0, expected at least 1") { _ in ["--threads", "0"] },
    Mistake("an unknown option", says: "Unknown option '--thread'") { _ in ["--thread=1"] },
    Mistake("no override", says: "\"rl\" is no override") { _ in ["rl"] },
    Mistake("no checkpoint", says: "nowhere: cannot list: No such file") { fixture in
      ["--resume", fixture.path("nowhere")]
    },
  ]

  static let data = [
    Mistake("no data", says: "missing.jsonl") { fixture in ["datasets.0.path=\(fixture.path("missing.jsonl"))"] },
    .record("half a line", #"{"prompt": "a", "chosen": "b""#, says: "pairs.jsonl:2 "),
    .record("a line of another kind", "[1, 2]", says: "pairs.jsonl:2 "),
    .record("no rejected", #"{"prompt": "a", "chosen": "b"}"#, says: "pairs.jsonl:2 "),
    .record("a number for a text", #"{"prompt": "a", "chosen": 5, "rejected": "c"}"#, says: "field \"chosen\""),
    .record("an empty completion", #"{"prompt": "a", "chosen": "", "rejected": "c"}"#, says: "field \"chosen\""),
    .record(
      "a name twice", #"{"prompt": "a", "prompt": "b", "chosen": "b", "rejected": "c"}"#, says: "pairs.jsonl:2 "),
    Mistake("no records", says: "pairs.jsonl") { fixture in
      try fixture.write("pairs.jsonl", "")
      return []
    },
    Mistake("all held out", says: "val_set_size") { _ in ["val_set_size=\(RunFixture.pairs)"] },
  ]

  static let model = [
    Mistake("no model", says: "nomodel") { fixture in ["base_model=\(fixture.path("nomodel"))"] },
    .model("truncated weights", says: "model.safetensors") { fixture in
      try fixture.edit("model/model.safetensors") { $0.removeLast($0.count / 3) }
    },
    .model("a header longer than the file", says: "model.safetensors") { fixture in
      try fixture.edit("model/model.safetensors") { $0[6] = 0x7F }
    },
    .model("a header that is not JSON", says: "model.safetensors") { fixture in
      try fixture.edit("model/model.safetensors") { $0[8] = UInt8(ascii: "[") }
    },
    .model("a header that lies about a shape", says: "model.embed_tokens.weight") { fixture in
      try fixture.replace("[407,48]", by: "[407,49]", in: "model/model.safetensors")
    },
    .model("a header that lies about offsets", says: "model.embed_tokens.weight") { fixture in
      try fixture.replace("[0,39072]", by: "[2,39074]", in: "model/model.safetensors")
    },
    .model("an index that leaves the directory", of: "model-untied", says: "../x.safetensors") { fixture in
      try fixture.replace(
        "\"model-00002-of-00002.safetensors\"", by: "\"../x.safetensors\"", in: "model/model.safetensors.index.json")
    },
    .model("generation settings that are not JSON", says: "generation_config.json: is not valid JSON") { fixture in
      try fixture.edit("model/generation_config.json") { $0.removeLast(2) }
    },
    .model("no weights", says: "holds no weights") { fixture in
      try FileManager.default.removeItem(atPath: fixture.path("model/model.safetensors"))
    },
    .model("ids beyond the vocabulary", says: "the largest token id is 407, but the model has only 407 embedding rows")
    { fixture in
      let more = (403...407).map {
        ",{\"id\":\($0),\"content\":\"<|\($0)|>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
          + "\"normalized\":false,\"special\":true}"
      }
      try fixture.replace("],\"normalizer\"", by: more.joined() + "],\"normalizer\"", in: "model/tokenizer.json")
    },
    .model("another family", says: "model_type") { fixture in
      try fixture.replace("\"qwen2\"", by: "\"phi3\"", in: "model/config.json")
    },
    Mistake("an adapter of another rank", says: "adapter/adapter_model.safetensors: holds 42 tensors") { fixture in
      let path = try fixture.copy("adapter", as: "adapter")
      try fixture.replace("\"r\": 4", by: "\"r\": 8", in: "adapter/adapter_config.json")
      return ["lora_model_dir=\(path)"]
    },
    Mistake("an adapter of another model", says: "adapter_model.safetensors: 2 problems") { _ in
      ["lora_model_dir=\(TinyFixture.path("adapter-untied"))"]
    },
  ]
}

extension EndToEnd {
  @Suite struct BadInputTests {
    private func requireToldOnce(_ mistake: Mistake, _ world: World, prefix: String) throws {
      let fixture = try RunFixture()
      let ending = try fixture.start(world, mistake.make(fixture)).wait()
      #expect(ending.code == 64, "\(ending.errors)")
      #expect(ending.errors.components(separatedBy: mistake.says).count == 2, "\(ending.errors)")
      #expect(ending.errors.contains(prefix))
      #expect(!fixture.exists("run"))
      #expect(ending.output.isEmpty)
    }

    @Test(arguments: Mistake.configuration + Mistake.data + Mistake.model)
    fileprivate func `a mistake is told and nothing is written`(mistake: Mistake) throws {
      try requireToldOnce(mistake, .alone, prefix: "shoal: ")
    }

    /// A few of them: mpirun takes a second to end a job whose exit code is not 0.
    @Test(
      arguments: (Mistake.configuration + Mistake.data + Mistake.model).filter {
        [
          "a misspelt key", "no threads", "an empty completion", "truncated weights", "an adapter of another rank",
        ].contains($0.name)
      })
    fileprivate func `a mistake is told once in a world`(mistake: Mistake) throws {
      try requireToldOnce(mistake, World(ranks: 2), prefix: "[rank 0] ")
    }

    @Test func `different models on different ranks are refused`() throws {
      let fixture = try RunFixture()
      for host in ["a", "b"] {
        try FileManager.default.createDirectory(atPath: fixture.path(host), withIntermediateDirectories: true)
        _ = try fixture.copy("model", as: "\(host)/model")
      }
      try fixture.damage("b/model/model.safetensors")
      let command = [Job.program, "train", fixture.path("config.yaml"), "base_model=model"]
      func run() throws -> ProcessResult {
        try Job(
          ["mpirun", "--quiet", "--oversubscribe", "-n", "1", "--wdir", fixture.path("a")] + command
            + [":", "-n", "1", "--wdir", fixture.path("b")] + command, in: fixture
        ).wait()
      }
      let unlike = try run()
      #expect(unlike.code == 64)
      #expect(unlike.errors.contains("the ranks are not alike"))
      #expect(unlike.errors.components(separatedBy: "base_model content").count == 2)
      // Only one rank fails to open it.
      try FileManager.default.removeItem(atPath: fixture.path("b/model/model.safetensors"))
      let missing = try run()
      #expect(missing.code == 64)
      #expect(missing.errors.contains("[rank 1] "))
      #expect(!fixture.exists("run"))
    }

    @Test func `score and export refuse adapters of other models`() throws {
      let fixture = try RunFixture()
      let (model, adapter) = (TinyFixture.path("model"), TinyFixture.path("adapter-untied"))
      let endings = [
        try fixture.shoal(
          "score", "--model", model, "--adapter", adapter, "--data", fixture.path("pairs.jsonl"), "--out",
          fixture.path("out")),
        try fixture.shoal(
          "export", "--model", model, "--adapter", adapter, "--format", "merged", "--out", fixture.path("out")),
        try fixture.shoal(
          "export", "--model", model, "--adapter", adapter, "--format", "adapter", "--out", fixture.path("out")),
      ]
      for ending in endings {
        #expect(ending.code == 64)
        #expect(ending.errors.contains("an adapter of another rank or model?"))
      }
      #expect(!fixture.exists("out"))
    }

    @Test func `odd but legal input gets a notice`() throws {
      let fixture = try RunFixture()
      let same = #"{"prompt": "a", "chosen": " the same", "rejected": " the same"}"# + "\n"
      try fixture.write("pairs.jsonl", same + RunFixture.lines(3))
      let ending = try fixture.train(World(ranks: 3), "wandb_project=x", "flash_attention=true")
      #expect(ending.code == 0, "\(ending.errors)")
      for notice in [
        "1 with chosen equal to rejected", "3 ranks, but a step has at most",
        "without effect here: wandb_project, flash_attention",
      ] { #expect(ending.errors.components(separatedBy: notice).count == 2, "\(notice): \(ending.errors)") }
    }
  }
}
