// Tests `shoal prepare` from the user's side: documents to requests, answers to pairs, pairs to training.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct PrepareCommandTests {
    private static let model = TinyFixture.path("model")
    private static let limits = ["--min-tokens", "20", "--max-tokens", "80"]

    private static func document(_ id: String, _ text: String) -> String {
      JSONValue.object([.init("id", .string(id)), .init("text", .string(text))]).serialized() + "\n"
    }

    /// Five documents for pairs (one of them twice), a short one and a long one.
    private static let documents =
      (0..<5).map { document("d\($0)", "The tide turns \($0) times a day, and the shoal turns with it; nobody leads.") }
      .joined() + document("again", "The tide turns 1 times a day,\nand the shoal turns with it; nobody leads.")
      + document("short", "A stone.") + document("long", String(repeating: "The moon returns. ", count: 1000))

    private static func answer(_ scores: (Int, Int), best: Int) -> String {
      "**Summary 1:**\nThe tide turns the shoal, which nobody leads.\n**Total score:** \(scores.0)/18\n"
        + "**Summary 2:**\nFish swim.\n**Total score:** \(scores.1)/18\n**Best summary:** \(best)"
    }

    private func prepare(_ fixture: RunFixture, _ arguments: String...) throws -> ProcessResult {
      try Job(
        [Job.program, "prepare"] + arguments + ["--documents", fixture.path("documents.jsonl")]
          + ["--model", Self.model] + Self.limits, in: fixture
      ).wait()
    }

    private func lines(_ fixture: RunFixture, _ name: String) throws -> [JSONValue] {
      try fixture.text(name).split(separator: "\n").map { try JSONValue.parse(String($0)) }
    }

    /// A teacher's answers to the requests, in the format of a batch interface.
    private func answers(to requests: [JSONValue]) -> String {
      let texts = [
        Self.answer((16, 12), best: 1), Self.answer((9, 14), best: 2), Self.answer((14, 13), best: 1),
        "I'm sorry, but I can't do that.", Self.answer((16, 12), best: 2),
      ]
      return zip(requests, texts).map { request, text in
        let body: JSONValue = ["choices": [["message": ["role": "assistant", "content": .string(text)]]]]
        let line: JSONValue = [
          "id": "r", "custom_id": request["custom_id"] ?? .null, "response": ["status_code": 200, "body": body],
          "error": .null,
        ]
        return line.serialized() + "\n"
      }.joined()
    }

    @Test func `documents become pairs that train`() throws {
      let fixture = try RunFixture()
      try fixture.write("documents.jsonl", Self.documents)
      let asked = try prepare(fixture, "requests", "--out", fixture.path("requests.jsonl"))
      #expect(asked.code == 0 && asked.output.isEmpty, "\(asked.errors)")
      #expect(asked.errors.contains("wrote 5 requests"))
      let requests = try lines(fixture, "requests.jsonl")
      #expect(requests.map { $0["custom_id"]?.string } == ["d0", "d1", "d2", "d3", "d4"])

      try fixture.write("answers.jsonl", answers(to: requests))
      let command = ["--answers", fixture.path("answers.jsonl"), "--test-share", "0"]
      let made = try prepare(
        fixture, "pairs", "--out-dir", fixture.path("data"), command[0], command[1], command[2], "0")
      #expect(made.code == 0 && made.output.isEmpty, "\(made.errors)")
      #expect(made.errors.contains("5 read, 2 pairs, 3 rejected"))
      let rows = try lines(fixture, "data/train.jsonl")
      #expect(rows.map { $0["chosen"]?.string } == ["The tide turns the shoal, which nobody leads.", "Fish swim."])
      #expect(
        try lines(fixture, "data/rejects.jsonl").map { $0["reason"]?.string }
          == ["close_scores", "refusal", "contradiction"])
      #expect(try lines(fixture, "data/heldout.jsonl").map { $0["id"]?.string } == ["long"])
      #expect(
        try fixture.names("data") == ["heldout.jsonl", "rejects.jsonl", "report.json", "test.jsonl", "train.jsonl"])

      let trained = try fixture.train(
        .alone, "datasets.0.path=data/train.jsonl", "datasets.0.type=chatml.intel", "max_steps=1")
      #expect(trained.code == 0, "\(trained.errors)")

      // Existing files are kept unless --overwrite is given; then the result is the same.
      let files = try fixture.names("data").map { try fixture.bytes("data/\($0)") }
      let refused = try prepare(fixture, "pairs", "--out-dir", fixture.path("data"), command[0], command[1])
      #expect(refused.code == 64 && refused.errors.contains("add --overwrite"))
      let again = try prepare(
        fixture, "pairs", "--overwrite", "--out-dir", fixture.path("data"), command[0], command[1], command[2], "0")
      #expect(again.code == 0 && again.errors == made.errors)
      #expect(try fixture.names("data").map { try fixture.bytes("data/\($0)") } == files)
    }

    @Test func `mistakes are told and nothing is written`() throws {
      let fixture = try RunFixture()
      try fixture.write("documents.jsonl", Self.documents)
      try fixture.write("bad.jsonl", #"{"id": "d0", "text": "x"}"# + "\n" + #"{"id": "d1"}"# + "\n")
      try fixture.write("others.jsonl", #"{"id": "nobody", "text": "x"}"#)
      func pairs(_ answers: String, _ arguments: String...) throws -> ProcessResult {
        try Job(
          [Job.program, "prepare", "pairs", "--documents", fixture.path("documents.jsonl"), "--model", Self.model]
            + ["--out-dir", fixture.path("data"), "--answers", fixture.path(answers)] + Self.limits + arguments,
          in: fixture
        ).wait()
      }
      for (ending, says) in [
        (try pairs("bad.jsonl"), "bad.jsonl:2 "), (try pairs("others.jsonl"), "none of the 1 answers"),
        (try pairs("missing.jsonl"), "missing.jsonl"), (try pairs("bad.jsonl", "--test-share", "1"), "--test-share"),
        (try pairs("others.jsonl", "--prompt", fixture.path("bad.jsonl")), "bad.jsonl: the prompt"),
        (try prepare(fixture, "requests", "--out", fixture.path("no/requests.jsonl")), "cannot write to the directory"),
      ] {
        #expect(ending.code == 64, "\(ending.errors)")
        #expect(ending.errors.contains(says), "\(ending.errors)")
      }
      #expect(!fixture.exists("data") && !fixture.exists("no"))
      try fixture.write("documents.jsonl", Self.documents + "{\"id\": 1}\n" + Self.document("d1", "Another text."))
      let wrong = try prepare(fixture, "requests", "--out", fixture.path("requests.jsonl"))
      #expect(wrong.code == 64 && wrong.errors.contains("documents.jsonl:9 "), "\(wrong.errors)")
      #expect(wrong.errors.contains("documents.jsonl:10 ") && !fixture.exists("requests.jsonl"))
    }

    @Test func `help is there`() throws {
      let fixture = try RunFixture()
      for arguments in [["prepare"], ["prepare", "--help"], ["prepare", "pairs", "--help"]] {
        let ending = try Job([Job.program] + arguments, in: fixture).wait()
        #expect(ending.code == 0 && ending.output.contains("Example: shoal prepare"), "\(ending.errors)")
      }
    }
  }
}
