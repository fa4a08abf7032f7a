// From answers to files: which answer becomes what, and the same bytes every time.

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
  private func documents(_ place: Place) throws -> SourceDocuments {
    try place.documents([
      Place.document("a", Self.text), Place.document("b", Self.text), Place.document("c", Self.text + " Still."),
      Place.document("short", "Short."), Place.document("e", Self.text + " Yes."),
      Place.document("long", String(repeating: "moon ", count: 90)),
    ])
  }

  private func line(_ id: String, _ text: String) -> JSONValue { ["id": .string(id), "text": .string(text)] }

  @Test func everyAnswerIsAPairOrAReject() throws {
    let place = try Place()
    let good = Place.answer(Self.first, Self.second)
    let answers = [
      line("e", Place.answer(Self.first, Self.second, (12, 15), best: 2)), line("a", good), line("a", good),
      line("b", good), line("nobody", good), line("short", good), line("long", good), line("c", "What a text!"),
    ]
    let pairs = try PreferencePairs(
      documents: documents(place), answers: TeacherAnswer.read([try place.file("answers.jsonl", answers)]),
      prompt: .summarize(), testShare: 0)
    try pairs.write(to: place.path + "/deep/out")
    let rows = try place.lines("deep/out/train.jsonl")
    // In the order of the documents.
    #expect(rows.map { $0["id"]?.string } == ["a", "e"])
    #expect(rows[0]["chosen"]?.string == Self.first && rows[0]["rejected"]?.string == Self.second)
    #expect(rows[1]["chosen"]?.string == Self.second && rows[1]["rejected"]?.string == Self.first)
    #expect(rows[1]["chosen_score"]?.double == 15 && rows[1]["chosen_summary"]?.int == 2)
    #expect(rows[0]["question"]?.string == (try PromptTemplate.summarize().question(about: Self.text)))
    let rejects = try place.lines("deep/out/rejects.jsonl")
    #expect(rejects.map { $0["line"]?.int } == [3, 4, 5, 6, 7, 8])
    #expect(
      rejects.map { $0["reason"]?.string } == [
        "duplicate_pair", "duplicate_document", "unknown_document", "document_length", "document_length",
        "missing_summary",
      ])
    #expect(rejects[0]["text"]?.string == good)
    #expect(try place.lines("deep/out/heldout.jsonl").map { $0["id"]?.string } == ["long"])
    #expect(try place.lines("deep/out/test.jsonl").isEmpty)
    let report = try JSONValue.read(file: place.path + "/deep/out/report.json")
    #expect(report["answers"]?["read"]?.int == 8 && report["answers"]?["pairs"]?.int == 2)
    #expect(report["documents"]?["duplicates"]?.int == 1 && report["documents"]?["without_answer"]?.int == 0)
    #expect(report["pairs"]?["summary_2_chosen"]?.int == 1)
    #expect(report["answers"]?["rejected"]?["document_length"]?.int == 2)
    let differences = report["histograms"]?["score_difference"]?["counts"]?.array?.compactMap(\.int)
    // The pair that came again was compared too.
    #expect(differences?[3] == 3 && differences?.reduce(0, +) == 3)
  }

  @Test func rowsAreWhatTrainingReads() throws {
    let place = try Place()
    let answers = try place.file("answers.jsonl", [line("a", Place.answer(Self.first, Self.second))])
    let pairs = try PreferencePairs(
      documents: documents(place), answers: TeacherAnswer.read([answers]), prompt: .summarize(), testShare: 0)
    try pairs.write(to: place.path)
    let row = try #require(try place.lines("train.jsonl").first)
    let record = try #require(
      try ExampleRecord.read(row, type: DatasetType(named: "chatml.intel"), kind: .pair, fields: RecordFields()).first)
    let prompt = try PromptTemplate.summarize()
    #expect(
      record
        == ExampleRecord(
          .chat(.chatML(prompt.messages(about: Self.text)), prefill: "", completions: [Self.first, Self.second])))
  }

  /// The order of the answers and the number of runs change nothing.
  @Test func filesAreTheSameEveryTime() throws {
    let place = try Place()
    let records = (0..<60).map { Place.document(.integer(Int64($0)), Self.text + " \($0) boats.") }
    let documents = try place.documents(records)
    var answers = (0..<60).map { line("\($0)", Place.answer(Self.first + " \($0)", Self.second)) }
    func files(_ name: String) throws -> [Data] {
      let read = try TeacherAnswer.read([try place.file("answers.jsonl", answers)])
      try PreferencePairs(documents: documents, answers: read, prompt: .summarize(), testShare: 0.3)
        .write(to: "\(place.path)/\(name)")
      return try PreferencePairs.fileNames.map {
        try Data(contentsOf: URL(fileURLWithPath: "\(place.path)/\(name)/\($0)"))
      }
    }
    let files = [try files("one"), try files("one")]
    answers.reverse()
    #expect(files[0] == files[1])
    #expect(try files[0] == self.reversed(place, documents, answers))
    let (train, test) = (try place.lines("one/train.jsonl").count, try place.lines("one/test.jsonl").count)
    #expect(train + test == 60 && 5...35 ~= test, "\(test)")
  }

  private func reversed(_ place: Place, _ documents: SourceDocuments, _ answers: [JSONValue]) throws -> [Data] {
    let read = try TeacherAnswer.read([try place.file("answers.jsonl", answers)])
    try PreferencePairs(documents: documents, answers: read, prompt: .summarize(), testShare: 0.3)
      .write(to: place.path + "/reversed")
    return try PreferencePairs.fileNames.map {
      try Data(contentsOf: URL(fileURLWithPath: place.path + "/reversed/\($0)"))
    }
  }

  /// A document stays on its side when others come or go, and all its pairs are on one side.
  @Test func theSplitIsByDocument() throws {
    let place = try Place()
    let records = (0..<40).map { Place.document(.string("d\($0)"), Self.text + " \($0) boats.") }
    func tested(_ records: [JSONValue]) throws -> (train: Set<String>, test: Set<String>) {
      let documents = try place.documents(records)
      let answers = documents.documents.flatMap { document in
        ["one", "two"].map {
          TeacherAnswer(
            id: document.id, location: AnswerCaseTests.location, text: Place.answer("\(Self.first) \($0)", Self.second))
        }
      }
      try PreferencePairs(documents: documents, answers: answers, prompt: .summarize(), testShare: 0.3)
        .write(to: place.path)
      func ids(_ name: String) throws -> [String] { try place.lines(name).compactMap { $0["id"]?.string } }
      let (train, test) = (try ids("train.jsonl"), try ids("test.jsonl"))
      #expect(train.count + test.count == 2 * records.count)
      return (Set(train), Set(test))
    }
    let all = try tested(records)
    #expect(all.train.isDisjoint(with: all.test) && !all.test.isEmpty)
    let half = try tested(Array(records.prefix(20)))
    #expect(half.test == all.test.filter { half.test.union(half.train).contains($0) })
  }

  @Test func answersToOtherDocumentsAreAnError() throws {
    let place = try Place()
    let answers = try place.file("answers.jsonl", [line("x", "…"), line("y", "…")])
    let error = try #require(
      #expect(throws: NothingToDo.self) {
        try PreferencePairs(documents: documents(place), answers: TeacherAnswer.read([answers]), prompt: .summarize())
      })
    #expect(error.description.contains("none of the 2 answers is about one of the documents"))
  }

  @Test func theFilterHasItsBounds() throws {
    func reason(_ scores: (Int, Int), best: Int = 1, _ change: (inout PairFilter) -> Void = { _ in }) -> RejectReason? {
      var filter = PairFilter()
      change(&filter)
      let text = Place.answer("abcd", "abc", scores, best: best)
      return filter.outcome(TeacherAnswer(id: "a", location: AnswerCaseTests.location, text: text)).rejection?.reason
    }
    // 0.75 alike: no more than the limit.
    #expect(reason((16, 13)) == nil)
    #expect(reason((16, 13)) { $0.maximumSimilarity = 0.74 } == .similarSummaries)
    #expect(reason((16, 15)) == .closeScores && reason((16, 14)) == nil)
    #expect(reason((16, 14)) { $0.closeScores = 2 } == .closeScores)
    #expect(reason((13, 16)) == .contradiction && reason((13, 16), best: 2) == nil)
  }
}
