// From answers to files: the result of each answer, and the same bytes every time.

import Checkpoints
import Corpus
import Foundation
import Preparation
import TestSupport
import Testing

@Suite struct PreferencePairsTests {
  static let text = SourceDocumentsTests.text
  static let first = "The shoal turns with the tide, and nobody leads it."
  static let second = "Fish move together."

  /// Documents a, c, e for pairs, b with the text of a, "short", and "long", which is held out.
  private func documents(_ fixture: PreparationFixture) throws -> SourceDocuments {
    try fixture.documents([
      PreparationFixture.document("a", Self.text), PreparationFixture.document("b", Self.text),
      PreparationFixture.document("c", Self.text + " Still."),
      PreparationFixture.document("short", "Short."), PreparationFixture.document("e", Self.text + " Yes."),
      PreparationFixture.document("long", String(repeating: "moon ", count: 90)),
    ])
  }

  private func line(_ id: String, _ text: String) -> JSONValue { ["id": .string(id), "text": .string(text)] }

  @Test func `every answer is a pair or a reject`() throws {
    let fixture = try PreparationFixture()
    let good = PreparationFixture.answer(Self.first, Self.second)
    let answers = [
      line("e", PreparationFixture.answer(Self.first, Self.second, (12, 15), best: 2)), line("a", good),
      line("a", good),
      line("b", good), line("nobody", good), line("short", good), line("long", good), line("c", "What a text!"),
    ]
    let pairs = try PreferencePairs(
      documents: documents(fixture), answers: TeacherAnswer.read([try fixture.write("answers.jsonl", answers)]),
      prompt: .summarize(), testShare: 0)
    try pairs.write(to: fixture.path("deep/out"))
    let rows = try fixture.lines("deep/out/train.jsonl")
    // In the order of the documents.
    #expect(rows.map { $0["id"]?.string } == ["a", "e"])
    #expect(rows[0]["chosen"]?.string == Self.first && rows[0]["rejected"]?.string == Self.second)
    #expect(rows[1]["chosen"]?.string == Self.second && rows[1]["rejected"]?.string == Self.first)
    #expect(rows[1]["chosen_score"]?.double == 15 && rows[1]["chosen_summary"]?.int == 2)
    #expect(rows[0]["question"]?.string == (try PromptTemplate.summarize().question(about: Self.text)))
    let rejects = try fixture.lines("deep/out/rejects.jsonl")
    #expect(rejects.map { $0["line"]?.int } == [3, 4, 5, 6, 7, 8])
    #expect(
      rejects.map { $0["reason"]?.string } == [
        "duplicate_pair", "duplicate_document", "unknown_document", "document_length", "document_length",
        "missing_summary",
      ])
    #expect(rejects[0]["text"]?.string == good)
    #expect(try fixture.lines("deep/out/heldout.jsonl").map { $0["id"]?.string } == ["long"])
    #expect(try fixture.lines("deep/out/test.jsonl").isEmpty)
    let report = try JSONValue.read(file: fixture.path("deep/out/report.json"))
    #expect(report["answers"]?["read"]?.int == 8 && report["answers"]?["pairs"]?.int == 2)
    #expect(report["documents"]?["duplicates"]?.int == 1 && report["documents"]?["without_answer"]?.int == 0)
    #expect(report["pairs"]?["summary_2_chosen"]?.int == 1)
    #expect(report["answers"]?["rejected"]?["document_length"]?.int == 2)
    let differences = report["histograms"]?["score_difference"]?["counts"]?.array?.compactMap(\.int)
    // The repeated pair was compared too.
    #expect(differences?[3] == 3 && differences?.reduce(0, +) == 3)
  }

  @Test func `rows are what training reads`() throws {
    let fixture = try PreparationFixture()
    let answers = try fixture.write("answers.jsonl", [line("a", PreparationFixture.answer(Self.first, Self.second))])
    let pairs = try PreferencePairs(
      documents: documents(fixture), answers: TeacherAnswer.read([answers]), prompt: .summarize(), testShare: 0)
    try pairs.write(to: fixture.path)
    let row = try #require(try fixture.lines("train.jsonl").first)
    let record = try #require(
      try ExampleRecord.read(row, type: DatasetType(named: "chatml.intel"), kind: .pair, fields: RecordFields()).first)
    let prompt = try PromptTemplate.summarize()
    #expect(
      record
        == ExampleRecord(
          .chat(.chatML(prompt.messages(about: Self.text)), prefill: "", completions: [Self.first, Self.second])))
  }

  /// The order of the answers and the number of runs do not change the files.
  @Test func `files are the same every time`() throws {
    let fixture = try PreparationFixture()
    let records = (0..<60).map { PreparationFixture.document(.integer(Int64($0)), Self.text + " \($0) boats.") }
    let documents = try fixture.documents(records)
    var answers = (0..<60).map { line("\($0)", PreparationFixture.answer(Self.first + " \($0)", Self.second)) }
    func files(_ name: String) throws -> [Data] {
      let read = try TeacherAnswer.read([try fixture.write("answers.jsonl", answers)])
      let pairs = try PreferencePairs(documents: documents, answers: read, prompt: .summarize(), testShare: 0.3)
      try pairs.write(to: fixture.path("\(name)"))
      return try pairs.fileNames.map {
        try Data(contentsOf: URL(fileURLWithPath: fixture.path("\(name)/\($0)")))
      }
    }
    let files = [try files("one"), try files("one")]
    answers.reverse()
    #expect(files[0] == files[1])
    #expect(try files[0] == self.reversed(fixture, documents, answers))
    let (train, test) = (try fixture.lines("one/train.jsonl").count, try fixture.lines("one/test.jsonl").count)
    #expect(train + test == 60 && 5...35 ~= test, "\(test)")
  }

  private func reversed(_ fixture: PreparationFixture, _ documents: SourceDocuments, _ answers: [JSONValue]) throws
    -> [Data]
  {
    let read = try TeacherAnswer.read([try fixture.write("answers.jsonl", answers)])
    let pairs = try PreferencePairs(documents: documents, answers: read, prompt: .summarize(), testShare: 0.3)
    try pairs.write(to: fixture.path("reversed"))
    return try pairs.fileNames.map {
      try Data(contentsOf: URL(fileURLWithPath: fixture.path("reversed/\($0)")))
    }
  }

  /// A document stays in its split when others are added or removed. All its pairs are in the same split.
  @Test func `the split is by document`() throws {
    let fixture = try PreparationFixture()
    let records = (0..<40).map { PreparationFixture.document(.string("d\($0)"), Self.text + " \($0) boats.") }
    func tested(_ records: [JSONValue]) throws -> (train: Set<String>, test: Set<String>) {
      let documents = try fixture.documents(records)
      let answers = documents.documents.flatMap { document in
        ["one", "two"].map {
          TeacherAnswer(
            id: document.id, location: AnswerCaseTests.location,
            text: PreparationFixture.answer("\(Self.first) \($0)", Self.second))
        }
      }
      try PreferencePairs(documents: documents, answers: answers, prompt: .summarize(), testShare: 0.3)
        .write(to: fixture.path)
      func ids(_ name: String) throws -> [String] { try fixture.lines(name).compactMap { $0["id"]?.string } }
      let (train, test) = (try ids("train.jsonl"), try ids("test.jsonl"))
      #expect(train.count + test.count == 2 * records.count)
      return (Set(train), Set(test))
    }
    let all = try tested(records)
    #expect(all.train.isDisjoint(with: all.test) && !all.test.isEmpty)
    let half = try tested(Array(records.prefix(20)))
    #expect(half.test == all.test.filter { half.test.union(half.train).contains($0) })
  }

  @Test func `answers to other documents are an error`() throws {
    let fixture = try PreparationFixture()
    let answers = try fixture.write("answers.jsonl", [line("x", "…"), line("y", "…")])
    let error = try #require(
      #expect(throws: EmptyInput.self) {
        try PreferencePairs(documents: documents(fixture), answers: TeacherAnswer.read([answers]), prompt: .summarize())
      })
    #expect(error.description.contains("none of the 2 answers is about one of the documents"))
  }

  @Test func `the filter has its bounds`() throws {
    func reason(_ scores: (Int, Int), best: Int = 1, _ change: (inout PairFilter) -> Void = { _ in }) -> RejectReason? {
      var filter = PairFilter()
      change(&filter)
      let text = PreparationFixture.answer("abcd", "abc", scores, best: best)
      return filter.outcome(TeacherAnswer(id: "a", location: AnswerCaseTests.location, text: text)).rejection?.reason
    }
    // Similarity 0.75: not above the limit.
    #expect(reason((16, 13)) == nil)
    #expect(reason((16, 13)) { $0.maximumSimilarity = 0.74 } == .similarSummaries)
    #expect(reason((16, 15)) == .closeScores && reason((16, 14)) == nil)
    #expect(reason((16, 14)) { $0.closeScores = 2 } == .closeScores)
    #expect(reason((13, 16)) == .contradiction && reason((13, 16), best: 2) == nil)
  }
}
