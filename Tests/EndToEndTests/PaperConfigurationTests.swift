// The configurations of configs/paper on a few records with the fields that their data sets have on the hub.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct PaperConfigurationTests {
    /// A record of each data set.
    private static let records = [
      "starcoder-python": #"{"max_stars_repo_path":"a.py","id":"1","content":"def shoal(N):\n  return N + 1\n"}"#,
      "openwebmath": ##"{"url":"https://example.org","text":"# Sums\n\n1 + N = N + 1 for every N.","date":"2023"}"##,
      "magicoder": #"{"instruction":"Add 1 to N.","response":"def add(n): return n + N"}"#,
      "metamathqa": #"{"type":"GSM","query":"What is N + 1?","original_question":"?","response":"The answer is N"}"#,
    ]

    private static let names = records.keys.sorted().flatMap { ["\($0)-lora", "\($0)-full"] }

    @Test func `every file is tried`() throws {
      let files = try FileManager.default.contentsOfDirectory(atPath: "\(Repository.path)/configs/paper")
      #expect(Set(files) == Set(Self.names.map { "\($0).yaml" }))
    }

    @Test(arguments: names) func `a plan is made when the data are there`(name: String) throws {
      let fixture = try RunFixture()
      let data = String(name.split(separator: "-").dropLast().joined(separator: "-"))
      let record = try #require(Self.records[data])
      try fixture.write(
        "data.jsonl", (0..<200).map { record.replacing("N", with: "\($0)") + "\n" }.joined())
      let isText = record.contains("content") || record.contains("url")
      let key = isText ? "pretraining_dataset" : "datasets"
      let result = try fixture.shoal(
        "train", "--plan", "\(Repository.path)/configs/paper/\(name).yaml", "\(key).0.path=data.jsonl",
        "\(key).0.name=",
        "base_model=\(TinyFixture.path("model"))", "gradient_accumulation_steps=4", "sequence_len=128",
        "gradient_checkpointing=false", isText ? "max_steps=8" : "num_epochs=2", isText ? "cooldown_steps=2" : "seed=1")
      try #require(result.code == 0, "\(result.errors)")
      let plan = try JSONValue.parse(result.output)
      #expect(plan["examples"]?["kept"]?.int == 200 && plan["sample_packing"]?["tokens_per_row"]?.int == 128)
    }
  }
}
