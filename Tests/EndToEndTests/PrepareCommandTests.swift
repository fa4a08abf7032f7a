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

    @Test func `a teacher's summaries of long documents judge models in one command`() throws {
      let fixture = try RunFixture()
      let long = (0..<3).map { Self.document("long\($0)", String(repeating: "The moon \($0) returns. ", count: 1000)) }
      try fixture.write("documents.jsonl", Self.documents + long.joined())
      let asked = try prepare(fixture, "requests", "--held-out", "--out", fixture.path("asked.jsonl"))
      #expect(asked.code == 0 && asked.errors.contains("wrote 4 requests"), "\(asked.errors)")
      let requests = try lines(fixture, "asked.jsonl")
      #expect(requests.map { $0["custom_id"]?.string } == ["long", "long0", "long1", "long2"])
      try fixture.write("answers.jsonl", #"{"id": "d0", "text": "x"}"# + "\n")
      // One is a refusal, one has thoughts, one is about no document.
      let references = [
        ("long1", "<think>so</think>\nThe moon returns. "), ("nobody", "x"),
        ("long2", "I'm sorry, but I can't do that."),
        ("long", "It returns."), ("long", "Another."),
      ]
      try fixture.write("references.jsonl", references.map(Self.document).joined())
      func pairs(_ references: String) throws -> ProcessResult {
        try prepare(
          fixture, "pairs", "--out-dir", fixture.path("data"), "--answers", fixture.path("answers.jsonl"),
          "--references", fixture.path(references))
      }
      let none = try pairs("answers.jsonl")
      #expect(none.code == 64 && none.errors.contains("none of the 1 references"), "\(none.errors)")
      let made = try pairs("references.jsonl")
      #expect(made.code == 0, "\(made.errors)")
      let found = try lines(fixture, "data/references.jsonl")
      #expect(found.map { $0["id"]?.string } == ["long", "long1"])
      #expect(found.map { $0["reference"]?.string } == ["It returns.", "The moon returns."])
      #expect(found[1]["messages"] == requests[2]["body"]?["messages"])
      // The demo's model has no room for these documents, so their ends are what it reads.
      #expect(try fixture.train(.alone, "base_model=\(Repository.path)/demo/model", "max_steps=1").code == 0)
      let judged = try fixture.shoal(
        "evaluate", "run", "--base", "--task", "rouge=data/references.jsonl", "--max-new-tokens", "4", "--out", "r.json"
      )
      #expect(judged.code == 0 && judged.output.contains("rougeLsum"), "\(judged.errors)")
      let planned = try fixture.shoal(
        "evaluate", "run", "--base", "--task", "rouge=data/references.jsonl", "--plan", "--out", "p.json")
      #expect(planned.code == 0 && planned.errors.contains("plan of all: "), "\(planned.errors)")
      #expect(planned.errors.contains(" per rank besides "))
      #expect(try fixture.names(".").filter { $0.hasPrefix("r.") || $0.hasPrefix("p.") } == ["r.base.json", "r.json"])
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
