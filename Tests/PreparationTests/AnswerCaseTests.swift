// The table of teachers' answers (Tests/Fixtures/answers.json): each becomes a pair or a reject with its reason.

import Checkpoints
import Corpus
import Foundation
import Preparation
import TestSupport
import Testing

/// One answer and its expected result.
struct AnswerCase: Sendable, CustomTestStringConvertible {
  let name: String
  let answer: String
  let isCutShort: Bool
  let reject: String?
  let scores: [Double]
  let best: Int?
  let summaries: [String]

  var testDescription: String { name }

  static let all: [AnswerCase] = {
    let cases = (try? JSONValue.read(file: Repository.fixture("answers.json")))?["cases"]?.array ?? []
    return cases.map { value in
      AnswerCase(
        name: value["name"]?.string ?? "", answer: texts(value["answer"]).joined(separator: "\n"),
        isCutShort: value["cut_short"]?.bool ?? false, reject: value["reject"]?.string,
        scores: value["scores"]?.numbers ?? [], best: value["best"]?.int, summaries: texts(value["summaries"]))
    }
  }()

  private static func texts(_ value: JSONValue?) -> [String] { (value?.array ?? []).compactMap(\.string) }
}

@Suite struct AnswerCaseTests {
  static let location = RecordLocation(file: "answers.jsonl", line: 1, byte: 0)

  private func outcome(_ text: String, isCutShort: Bool = false) -> PairFilter.Outcome {
    var answer = TeacherAnswer(id: "a", location: Self.location, text: text)
    answer.isCutShort = isCutShort
    return PairFilter().outcome(answer)
  }

  @Test func `the table is there`() { #expect(AnswerCase.all.count >= 100) }

  /// The table has every reason that an answer itself can cause.
  @Test func `every reason has a case`() {
    let elsewhere: Set<RejectReason> = [
      .unknownDocument, .duplicateDocument, .documentLength, .noAnswer, .tooLong, .duplicatePair,
    ]
    let reasons = Set(AnswerCase.all.compactMap(\.reject))
    for reason in RejectReason.allCases where !elsewhere.contains(reason) {
      #expect(reasons.contains(reason.rawValue), "\(reason)")
    }
  }

  @Test(arguments: AnswerCase.all) func `an answer lands where it should`(answer: AnswerCase) throws {
    let outcome = outcome(answer.answer, isCutShort: answer.isCutShort)
    #expect(outcome.rejection?.reason.rawValue == answer.reject, "\(outcome.rejection?.detail ?? "")")
    guard answer.reject == nil else { return }
    let judged = try #require(outcome.judged)
    #expect(judged.scores == answer.scores)
    #expect(judged.best + 1 == answer.best)
    #expect(judged.texts == answer.summaries)
  }

  @Test func `an answer beyond all measure is rejected`() {
    #expect(outcome(String(repeating: "x", count: 1 << 18)).rejection?.reason != .tooLong)
    // As many different characters as possible: the comparison would need a table of their number squared.
    let text = String(String.UnicodeScalarView((0x4E00...0x9FFF).compactMap { Unicode.Scalar(UInt32($0)) }))
    let summary = String(repeating: text, count: 20)
    let outcome = outcome("Summary 1: \(summary)\nSummary 2: \(summary)\n")
    #expect(outcome.rejection?.reason == .tooLong && outcome.judged == nil)
  }

  /// No prefix of an answer crashes, and an answer without its last line or more is not a pair.
  @Test func `every cut of an answer is rejected`() throws {
    let whole = try #require(AnswerCase.all.first)
    #expect(whole.reject == nil)
    let end = whole.answer.unicodeScalars.count - "1".count
    for length in 0..<end {
      let cut = String(String.UnicodeScalarView(whole.answer.unicodeScalars.prefix(length)))
      #expect(outcome(cut).rejection != nil, "\(length)")
    }
  }

  /// Answers mixed with lines of others and answers with changed bytes have an outcome, without a crash.
  @Test func `no mixture crashes`() {
    var random = Draws(key: 7)
    let lines = AnswerCase.all.flatMap { $0.answer.split(separator: "\n", omittingEmptySubsequences: false) }
    var outcomes: Set<String> = []
    for _ in 0..<2000 {
      var text = (0..<12).map { _ in lines[random.index(lines.count)] }.joined(separator: "\n")
      if random.index(2) == 0, !text.isEmpty {
        var scalars = Array(text.unicodeScalars)
        scalars[random.index(scalars.count)] = "\u{301}"
        text = String(String.UnicodeScalarView(scalars))
      }
      outcomes.insert(outcome(text).rejection?.reason.rawValue ?? "pair")
    }
    #expect(outcomes.count > 8, "\(outcomes)")
  }
}
