import Corpus
import Foundation
import TestSupport
import Testing

/// What is left out of the data, and what a report says of records that were probably not meant so.
struct DatasetReportTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func line(_ prompt: String, _ chosen: String = " yes", _ rejected: String = " no") -> String {
    #"{"prompt":"\#(prompt)","chosen":"\#(chosen)","rejected":"\#(rejected)"}"# + "\n"
  }

  // MARK: What is left out

  private func load(_ path: String, omitting omissions: DataOmissions, kind: ExampleKind = .pair) throws -> Dataset {
    try Dataset(
      sources: [Dataset.Source(paths: [path])], kind: kind, encoder: try Fixtures.encoder(),
      limit: LengthLimit(sequenceLength: 512), omitting: omissions)
  }

  @Test func `records with mistakes are left out, up to a number`() throws {
    let path = try directory.write(
      "a.jsonl", line("One") + "{\n" + line("Two", "") + line("Three") + "{}\n" + line("Four"))
    let data = try load(path, omitting: DataOmissions(mistakes: 3, equalPairs: false))
    #expect(data.all.map(\.index) == [0, 3, 5])
    #expect(data.mistakes.map(\.location.line) == [2, 3, 5])
    #expect(data.report.records == 6 && data.report.kept == 3 && data.report.skipped == 3)
    let few = #expect(throws: CorpusError.self) {
      try load(path, omitting: DataOmissions(mistakes: 2, equalPairs: false))
    }
    let lines = try #require(few).description.split(separator: "\n")
    #expect(lines.count == 4 && lines[3] == "3 of 6 records have mistakes: skip_bad_records allows 2")
    var omissions = DataOmissions(mistakes: 5, equalPairs: false)
    omissions.taken = 3
    let more = #expect(throws: CorpusError.self) { try load(path, omitting: omissions) }
    #expect(more?.description.hasSuffix("skip_bad_records allows 5, and 3 were left out before") == true)
    let none = #expect(throws: CorpusError.self) {
      try load(path, omitting: DataOmissions(mistakes: 0, equalPairs: false))
    }
    #expect(none?.description.hasSuffix("3 of 6 records have mistakes: skip_bad_records: 3 leaves as many out") == true)
    // Where nothing is right, the data are of another kind.
    let wrong = try directory.write("b.jsonl", "{}\n{}\n")
    let all = #expect(throws: CorpusError.self) {
      try load(wrong, omitting: DataOmissions(mistakes: 9, equalPairs: false))
    }
    #expect(all?.description.contains("(2 records): field \"chosen\"") == true)
  }

  /// Nothing of a long text is lost without being told.
  @Test func `long texts are divided, and the report says so`() throws {
    let words = (0..<60).map { "word \($0)" }.joined(separator: " ")
    let path = try directory.write("a.jsonl", #"{"text":"short"}"# + "\n" + #"{"text":"\#(words)"}"# + "\n")
    func load(_ limit: LengthLimit) throws -> Dataset {
      try Dataset(
        sources: [Dataset.Source(paths: [path], type: .completion)], kind: .completion, encoder: try Fixtures.encoder(),
        limit: limit, omitting: DataOmissions(mistakes: 0, equalPairs: false))
    }
    let whole = try #require(try load(LengthLimit(sequenceLength: 4096)).all.last)
    let length = whole.sequenceLength
    // Of every strategy the pieces are the text; a single last token is told.
    for (limit, lost) in [(length / 3 + 1, 0), ((length - 1) / 2, (length - 1) % 2 == 0 ? 1 : 0), (length - 1, 1)] {
      for strategy in ExcessLengthStrategy.allCases {
        let data = try load(LengthLimit(sequenceLength: limit, strategy: strategy))
        let pieces = data.all.dropFirst().map { $0.prompt + $0.completions[0] }
        #expect(Array(pieces.joined()) == Array((whole.prompt + whole.completions[0]).dropLast(lost)))
        #expect(pieces.allSatisfy { $0.count <= limit } && data.report.kept == 2)
        #expect(data.report.divided == 1 && data.report.pieces == pieces.count && data.report.singleTokens == lost)
        let text = data.report.description
        #expect(text.contains("1 longer than sequence_len \(limit) divided into \(pieces.count) pieces"), "\(text)")
        #expect(text.contains("1 end in a single token that nothing predicts") == (lost == 1), "\(text)")
      }
    }
  }

  @Test func `pairs of equals are counted, and left out where that is asked`() throws {
    let path = try directory.write("a.jsonl", line("One") + line("Two", " x", " x") + line("Three"))
    for (kind, made) in [(ExampleKind.pair, 1), (.labelled, 2)] {
      let all = try load(path, omitting: DataOmissions(mistakes: 0, equalPairs: false), kind: kind)
      #expect(all.examples.count == 3 * made && all.report.equalPairs == 1 && all.report.kept == 3)
      #expect(
        all.report.description.contains(
          "\n1 with chosen equal to rejected: they prefer nothing (drop_equal_pairs: true leaves them out)"))
      let some = try load(path, omitting: DataOmissions(mistakes: 0, equalPairs: true), kind: kind)
      #expect(some.examples.count == 2 * made && some.report.equalPairs == 1 && some.report.kept == 2)
      #expect(some.report.dropped == 0)
      #expect(
        some.report.description.contains("\n1 with chosen equal to rejected: they prefer nothing and are left out"))
    }
    let equal = try directory.write("b.jsonl", line("Two", " x", " x"))
    let error = #expect(throws: CorpusError.self) {
      try load(equal, omitting: DataOmissions(mistakes: 0, equalPairs: true))
    }
    #expect(error?.description.contains("1 with chosen equal to rejected (drop_equal_pairs), of 1 records") == true)
  }

  // MARK: What was probably not meant

  private func report(_ record: String, type: DatasetType? = nil, kind: ExampleKind = .pair) throws -> DatasetReport {
    let path = try directory.write("\(record.hashValue).jsonl", record)
    return try Dataset(
      sources: [Dataset.Source(paths: [path], type: type)], kind: kind, encoder: try Fixtures.encoder(),
      limit: LengthLimit(sequenceLength: 512)
    ).report
  }

  private static func turn(_ role: String, _ text: String) -> String { #"{"role":"\#(role)","content":"\#(text)"}"# }

  @Test func `plain texts for a model with a chat template are told`() throws {
    #expect(try report(line("One")).remarks[.bareText] == 1)
    #expect(try report(#"{"prompt":"One","completion":" two"}"#, kind: .completion).remarks[.bareText] == 1)
    #expect(try report(line("One"), type: .promptPairs).remarks[.bareText] == nil)
    #expect(try report(#"{"text":"One two"}"#, type: .completion, kind: .completion).remarks[.bareText] == nil)
    let path = try directory.write("a.jsonl", line("One"))
    let bare = ExampleEncoder(tokenizer: try Fixtures.tokenizer(), template: nil)
    let data = try Dataset(
      sources: [Dataset.Source(paths: [path])], kind: .pair, encoder: bare, limit: LengthLimit(sequenceLength: 512))
    #expect(data.report.remarks[.bareText] == nil)
  }

  @Test func `a system field that is not read is told`() throws {
    let texts = #"{"system":"Be honest.","prompt":"One","chosen":" a","rejected":" b"}"#
    #expect(try report(texts).remarks[.unreadSystem] == 1)
    #expect(try report(texts, type: .promptPairs).remarks[.unreadSystem] == nil)
    #expect(try report(texts.replacing("Be honest.", with: "")).remarks[.unreadSystem] == nil)
    let chat = #"{"system":"Be honest.","messages":[\#(Self.turn("user", "One")),\#(Self.turn("assistant", "a"))]}"#
    #expect(try report(chat, type: .chatTemplate, kind: .completion).remarks[.unreadSystem] == nil)
    #expect(try report(chat, kind: .completion).remarks[.unreadSystem] == 1)
  }

  @Test func `a prompt that holds an answer is told`() throws {
    let (question, answer) = (Self.turn("user", "One"), Self.turn("assistant", "a"))
    func record(_ messages: String) -> String {
      #"{"messages":[\#(messages)],"chosen":[\#(question),\#(answer)],"rejected":[\#(question),\#(Self.turn("assistant", "b"))]}"#
    }
    #expect(try report(record("\(question),\(answer)"), type: .chatTemplate).remarks[.answeredPrompt] == 1)
    #expect(try report(record(question), type: .chatTemplate).remarks[.answeredPrompt] == nil)
  }

  @Test func `a prompt that answers repeat is told`() throws {
    let (question, answer, other) = (Self.turn("user", "One"), Self.turn("assistant", "a"), Self.turn("assistant", "b"))
    let twice = #"{"prompt":[\#(question)],"chosen":[\#(question),\#(answer)],"rejected":[\#(question),\#(other)]}"#
    #expect(try report(twice).remarks[.repeatedPrompt] == 1)
    #expect(try report(twice.replacing("[\(question),", with: "[")).remarks[.repeatedPrompt] == nil)
    // Without a prompt field it is what the conversations have in common.
    #expect(try report(twice.replacing(#""prompt":[\#(question)],"#, with: "")).remarks[.repeatedPrompt] == nil)
    #expect(try report(line("One", "One two", "One three")).remarks[.repeatedPrompt] == 1)
    #expect(try report(line("One", "One two", "Two")).remarks[.repeatedPrompt] == nil)
  }
}
