// Data in formats that declare their type: trained on, scored and shown.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct FormatTests {
    private static let intel = """
      {"system": "Be brief.", "question": "What turns at night?", "chosen": "The tide.", "rejected": "A stone."}
      {"system": "", "question": "Who leads the shoal?", "chosen": "Nobody.", "rejected": "The blue fish leads."}

      """

    @Test func `a named format trains`() throws {
      let fixture = try RunFixture()
      try fixture.write("pairs.jsonl", Self.intel)
      let settings = ["datasets.0.type=chatml.intel", "max_steps=1"]
      let ending = try fixture.start(World(ranks: 2), settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(fixture.metrics().compactMap { $0["loss"]?.double }.first == log(2))
      // The same data without its format is refused, because TRL's formats have a prompt.
      let wrong = try fixture.train(.alone, "output_dir=other")
      #expect(wrong.code == 64 && wrong.errors.contains("that is type: chatml.intel"))
      #expect(!fixture.exists("other"))
    }

    @Test func `one completion is scored as in a pair`() throws {
      let fixture = try RunFixture()
      let single = RunFixture.lines(4).replacing(/, "rejected": "[^"]*"/, with: "")
        .replacingOccurrences(of: "\"chosen\"", with: "\"completion\"")
      try fixture.write("pairs.jsonl", RunFixture.lines(4))
      try fixture.write("single.jsonl", single)
      func scores(_ data: String) throws -> [JSONValue] {
        let ending = try fixture.shoal(
          "score", "--model", TinyFixture.path("model"), "--data", fixture.path(data), "--out",
          fixture.path("out-\(data)"))
        #expect(ending.code == 0, "\(ending.errors)")
        return try fixture.text("out-\(data)").split(separator: "\n").map { try JSONValue.parse(String($0)) }
      }
      let (pairs, alone) = (try scores("pairs.jsonl"), try scores("single.jsonl"))
      #expect(alone.count == 4 && alone.allSatisfy { $0["chosen"] == nil && $0["completion"]?["logp"] != nil })
      #expect(alone.map { $0["completion"] } == pairs.map { $0["chosen"] })
      let unknown = try fixture.shoal(
        "score", "--model", TinyFixture.path("model"), "--data", fixture.path("pairs.jsonl"), "--out", "out", "--type",
        "chatml.intell")
      #expect(unknown.code == 64 && unknown.errors.contains("did you mean \"chatml.intel\"?"))
    }

    @Test func `rendered ChatML is refused or parsed, in training and in scores`() throws {
      let fixture = try RunFixture()
      let head = #"<|im_start|>user\nWhat turns?<|im_end|>\n<|im_start|>assistant\n"#
      try fixture.write("pairs.jsonl", #"{"prompt": "\#(head)", "chosen": "The tide.", "rejected": "A stone."}"#)
      let refused = try fixture.train(.alone, "max_steps=1")
      #expect(refused.code == 64 && refused.errors.contains("pairs.jsonl:1: a record holds rendered ChatML"))
      #expect(!fixture.exists("run"))
      let trained = try fixture.train(.alone, "max_steps=1", "datasets.0.special_tokens_in_text=parse")
      #expect(trained.code == 0 && trained.errors.contains("1 with special tokens in a field"), "\(trained.errors)")
      func tokens(_ arguments: String...) throws -> (code: Int32, errors: String, count: Int?) {
        let out = fixture.path("\(arguments.last ?? "none").jsonl")
        let ending = try Job(
          [Job.program, "score", "--model", TinyFixture.path("model"), "--data", fixture.path("pairs.jsonl")]
            + ["--out", out] + arguments, in: fixture
        ).wait()
        let line = try? String(contentsOfFile: out, encoding: .utf8)
        return (ending.code, ending.errors, try line.flatMap { try JSONValue.parse($0)["chosen"]?["tokens"]?.int })
      }
      let asked = try tokens()
      #expect(asked.code == 64 && asked.errors.contains("--special-tokens-in-text"))
      let (parsed, plain) = (
        try tokens("--special-tokens-in-text", "parse"), try tokens("--special-tokens-in-text", "text")
      )
      #expect(parsed.code == 0 && parsed.count != nil && plain.code == 0 && plain.count != nil)
    }

    @Test func `examples are shown token by token`() throws {
      let fixture = try RunFixture()
      try fixture.write("pairs.jsonl", Self.intel)
      let ending = try fixture.train(.alone, "datasets.0.type=chatml.intel", "--show-examples", "1")
      #expect(ending.code == 0, "\(ending.errors)")
      let lines = ending.output.split(separator: "\n").map(String.init)
      #expect(lines.first == "example 1, record 0")
      #expect(lines.filter { $0.hasPrefix("— prompt, ") }.count == 1)
      #expect(lines.filter { $0.hasPrefix("— in the loss, completion ") }.count == 2)
      #expect(ending.output.contains("⟨<|im_start|>⟩") && !ending.output.contains("\u{1B}"))
      #expect(!fixture.exists("run"))
    }
  }
}
