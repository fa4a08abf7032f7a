// Data in formats that say what they are: trained on, scored and shown.

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

    @Test func aNamedFormatTrains() throws {
      let place = try Workplace()
      try place.write("pairs.jsonl", Self.intel)
      let settings = ["datasets.0.type=chatml.intel", "max_steps=1"]
      let ending = try place.start(World(ranks: 2), settings).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(place.metrics().compactMap { $0["loss"]?.double }.first == log(2))
      // The same data without its format is refused: TRL's have a prompt.
      let wrong = try place.train(.alone, "output_dir=other")
      #expect(wrong.code == 64 && wrong.errors.contains("expected a prompt"))
      #expect(!place.exists("other"))
    }

    @Test func oneCompletionIsScoredAsInAPair() throws {
      let place = try Workplace()
      let single = Workplace.lines(4).replacing(/, "rejected": "[^"]*"/, with: "")
        .replacingOccurrences(of: "\"chosen\"", with: "\"completion\"")
      try place.write("pairs.jsonl", Workplace.lines(4))
      try place.write("single.jsonl", single)
      func scores(_ data: String) throws -> [JSONValue] {
        let ending = try place.shoal(
          "score", "--model", TinyFixture.path("model"), "--data", place.path(data), "--out", place.path("out.jsonl"))
        #expect(ending.code == 0, "\(ending.errors)")
        return try place.text("out.jsonl").split(separator: "\n").map { try JSONValue.parse(String($0)) }
      }
      let (pairs, alone) = (try scores("pairs.jsonl"), try scores("single.jsonl"))
      #expect(alone.count == 4 && alone.allSatisfy { $0["chosen"] == nil && $0["completion"]?["logp"] != nil })
      #expect(alone.map { $0["completion"] } == pairs.map { $0["chosen"] })
      let unknown = try place.shoal(
        "score", "--model", TinyFixture.path("model"), "--data", place.path("pairs.jsonl"), "--out", "out", "--type",
        "chatml.intell")
      #expect(unknown.code == 64 && unknown.errors.contains("did you mean \"chatml.intel\"?"))
    }

    @Test func examplesAreShownTokenByToken() throws {
      let place = try Workplace()
      try place.write("pairs.jsonl", Self.intel)
      let ending = try place.train(.alone, "datasets.0.type=chatml.intel", "--show-examples", "1")
      #expect(ending.code == 0, "\(ending.errors)")
      let lines = ending.output.split(separator: "\n").map(String.init)
      #expect(lines.first == "example 1, record 0")
      #expect(lines.filter { $0.hasPrefix("— prompt, ") }.count == 1)
      #expect(lines.filter { $0.hasPrefix("— in the loss, completion ") }.count == 2)
      #expect(ending.output.contains("⟨<|im_start|>⟩") && !ending.output.contains("\u{1B}"))
      #expect(!place.exists("run"))
    }
  }
}
