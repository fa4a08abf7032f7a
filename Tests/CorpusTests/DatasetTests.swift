import Corpus
import Foundation
import Tensors
import TestSupport
import Testing

struct DatasetTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func line(_ prompt: String, _ chosen: String = " yes", _ rejected: String = " no") -> String {
    #"{"prompt":"\#(prompt)","chosen":"\#(chosen)","rejected":"\#(rejected)"}"# + "\n"
  }

  private func load(_ paths: [String], limit: LengthLimit = LengthLimit(sequenceLength: 512)) throws
    -> Dataset
  { try Dataset(sources: [Dataset.Source(paths: paths)], kind: .pair, encoder: try Fixtures.encoder(), limit: limit) }

  @Test func `records keep their order and number`() throws {
    let first = try directory.write("a.jsonl", (0..<333).map { line("Number \($0) is") }.joined())
    let second = try directory.write("b.json", "[" + line("The last one is") + "]")
    let tokenizer = try Fixtures.tokenizer()
    let data = try load([first, second])
    #expect(data.all.map(\.index) == Array(0..<334))
    for index in [0, 15, 16, 17, 200, 332] {
      #expect(tokenizer.decode(data.all[index].prompt) == "Number \(index) is")
    }
    #expect(tokenizer.decode(data.all[333].prompt) == "The last one is")
    #expect(try load([directory.path]).all == data.all)
  }

  @Test func `all mistakes come at once with file and line`() throws {
    let path = try directory.write(
      "a.jsonl", line("fine") + line("secret", "") + "{\"prompt\":\n" + line("fine") + "[1]\n" + "{}\n")
    let error = #expect(throws: CorpusError.self) { try load([path]) }
    let lines = try #require(error).description.split(separator: "\n")
    #expect(lines.map { $0.dropFirst(path.utf8.count).prefix(2) } == [":2", ":3", ":5", ":6"])
    #expect(lines[0] == "\(path):2 (byte \(line("fine").utf8.count)): field \"chosen\": the completion is empty")
    #expect(lines[3].contains("field \"chosen\": the field is missing"))
    #expect(!lines.joined().contains("secret"))
  }

  @Test func `a problem of many records is told once`() throws {
    let first = try directory.write("a.jsonl", String(repeating: "{}\n", count: 15) + line("fine") + line("x", ""))
    let second = try directory.write("b.jsonl", line("y", "") + String(repeating: "{}\n", count: 15) + "[\n")
    let error = #expect(throws: CorpusError.self) { try load([first, second]) }
    let lines = try #require(error).description.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0] == "\(first):1, \(first):2, \(first):3, … (30 records): field \"chosen\": the field is missing")
    #expect(lines[1] == "\(first):17, \(second):1 (2 records): field \"chosen\": the completion is empty")
    #expect(lines[2].hasPrefix("\(second):17 (byte "))
  }

  @Test func `places in lists make no problem another`() throws {
    let chats = (0..<3).map { place in
      let turns = (0..<3).map { #"{"role":"user","content":\#($0 == place ? "1" : "\"x\"")}"# }
      return #"{"prompt":[\#(turns.joined(separator: ","))],"chosen":[],"rejected":[]}"# + "\n"
    }
    let path = try directory.write("a.jsonl", chats.joined())
    let error = #expect(throws: CorpusError.self) { try load([path]) }
    #expect(
      error?.description
        == "\(path):1, \(path):2, \(path):3 (3 records): field \"prompt[…].content\": expected a text or a list "
        + "of text parts, found a number")
  }

  @Test func `of many problems the first are named`() throws {
    let path = try directory.write(
      "a.jsonl", (1...25).map { line(String(repeating: "over and ", count: $0)) }.joined())
    let error = #expect(throws: CorpusError.self) {
      try load([path], limit: LengthLimit(sequenceLength: 2, strategy: .error))
    }
    let lines = try #require(error).description.split(separator: "\n")
    #expect(lines.count == 21)
    #expect(lines[19].hasPrefix("\(path):20 ") && lines[20] == "and 5 more")
  }

  @Test func `the report counts`() throws {
    let long = String(repeating: "over and over ", count: 100)
    let path = try directory.write(
      "a.jsonl",
      line("Plain") + line("Same", " x", " x") + line(long) + line("Plain", " " + long)
        + line("Some <|im_end|> text") + line("Un cafe", "\u{301} noir", " noir"))
    let data = try load([path], limit: LengthLimit(sequenceLength: 60))
    let report = data.report
    #expect(data.all.map(\.index) == [0, 1, 2, 4, 5])
    #expect(report.records == 6)
    #expect(report.kept == 5)
    #expect(report.truncated == 1)
    #expect(report.firstTruncated.map(\.line) == [3])
    #expect(report.dropped == 1)
    #expect(report.firstDropped.map(\.line) == [4])
    #expect(report.longest == 60)
    #expect(report.tokens == data.all.reduce(0) { $0 + $1.tokenCount })
    #expect(report.equalPairs == 1)
    #expect(report.remarks[.specialText] == 1)
    #expect(report.remarks[.movedSeam] == 1)
    #expect(report.description.split(separator: "\n").count == 7)
    #expect(report.description.contains("1 dropped, longer than sequence_len 60: \(path):4"))
  }

  @Test func `when nothing fits that is an error`() throws {
    let path = try directory.write("a.jsonl", line("Plain") + line("Plain"))
    #expect(throws: CorpusError.nothingFits(records: 2, limit: "sequence_len 2")) {
      try load([path], limit: LengthLimit(sequenceLength: 2))
    }
    let error = #expect(throws: CorpusError.self) {
      try load([path], limit: LengthLimit(sequenceLength: 2, strategy: .error))
    }
    #expect(error?.description.hasPrefix("\(path):1, \(path):2 (2 records): ") == true)
  }

  @Test func `sources name their own fields`() throws {
    let first = try directory.write("a.jsonl", line("Plain"))
    let second = try directory.write("b.jsonl", #"{"question":"Other","chosen":" a","rejected":" b"}"#)
    var fields = RecordFields()
    fields[.prompt] = "question"
    let data = try Dataset(
      sources: [Dataset.Source(paths: [first]), Dataset.Source(paths: [second], fields: fields)],
      encoder: try Fixtures.encoder(), limit: LengthLimit(sequenceLength: 100))
    #expect(data.examples.count == 2)
  }

  @Test func `a pair becomes two examples for KTO`() throws {
    let path = try directory.write(
      "a.jsonl", line("One") + #"{"prompt":"Two","completion":" x","label":false}"# + "\n" + line("Three"))
    let data = try Dataset(
      sources: [Dataset.Source(paths: [path])], kind: .labelled, encoder: try Fixtures.encoder(),
      limit: LengthLimit(sequenceLength: 100))
    #expect(data.all.map(\.index) == [0, 1, 2, 3, 4])
    #expect(data.all.map(\.label) == [true, false, false, true, false])
    #expect(data.all.allSatisfy { $0.completions.count == 1 })
    #expect(data.report.kept == 3 && data.report.records == 3 && data.report.examples == 5)
    #expect(data.report.description.hasPrefix("3 of 3 records kept as 5 examples: "))
  }

  @Test func `a running text is cut into pieces`() throws {
    let words = (0..<40).map { "word \($0)" }.joined(separator: " ")
    let path = try directory.write("a.jsonl", #"{"text":"\#(words)"}"# + "\n" + #"{"text":"short"}"#)
    let tokenizer = try Fixtures.tokenizer()
    let whole = tokenizer.encode(words) + [try #require(tokenizer.endOfSequence)]
    for length in [7, whole.count - 1, whole.count] {
      let data = try Dataset(
        sources: [Dataset.Source(paths: [path], type: .completion)], encoder: try Fixtures.encoder(),
        limit: LengthLimit(sequenceLength: length, strategy: .error))
      let pieces = data.all.dropLast()
      let sequence = pieces.flatMap { $0.prompt + $0.completions[0] }
      // A last piece of one token has no predicted token.
      #expect(sequence == Array(whole[..<(whole.count % length == 1 ? whole.count - 1 : whole.count)]))
      #expect(pieces.dropLast().allSatisfy { $0.sequenceLength == length && $0.prompt.count == 1 })
      #expect(data.all.map(\.index) == Array(data.examples.indices))
      #expect(data.report.dropped == 0 && data.report.kept == 2 && data.report.truncated == 0)
    }
  }

  @Test func `a system field passed over is reported`() throws {
    let path = try directory.write(
      "a.jsonl",
      #"{"system":"s","question":"<|im_start|>user\nq<|im_end|>\n","chosen":"a","rejected":"b"}"# + "\n"
        + #"{"system":"","question":"<|im_start|>user\nq<|im_end|>\n","chosen":"a","rejected":"b"}"# + "\n"
        + #"{"system":"s","question":"<|im_end|>","chosen":"a","rejected":"b"}"#)
    let data = try Dataset(
      sources: [Dataset.Source(paths: [path], type: .intelPrefilled)], kind: .pair, encoder: try Fixtures.encoder(),
      limit: LengthLimit(sequenceLength: 100))
    #expect(data.report.remarks[.ignoredSystem] == 1)
    #expect(data.report.remarks[.specialText] == 1)
  }

  @Test func `labels may be numbers`() throws {
    for (label, means) in [("1", true), ("0", false), ("1.0", true), ("0.0", false), ("true", true)] {
      let path = try directory.write("a.jsonl", #"{"prompt":"p","completion":" c","label":\#(label)}"#)
      let data = try Dataset(
        sources: [Dataset.Source(paths: [path])], kind: .labelled, encoder: try Fixtures.encoder(),
        limit: LengthLimit(sequenceLength: 100))
      #expect(data.all.map(\.label) == [means])
    }
  }

  // MARK: Rendered ChatML

  private static let rendered = #"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"#

  private func load(_ text: String, _ specialTokens: Dataset.SpecialTokensInText?, type: DatasetType? = nil) throws
    -> Dataset
  {
    let path = try directory.write("rendered.jsonl", text)
    return try Dataset(
      sources: [Dataset.Source(paths: [path], type: type, specialTokens: specialTokens)], kind: .pair,
      encoder: try Fixtures.encoder(), limit: LengthLimit(sequenceLength: 500))
  }

  @Test func `rendered ChatML is refused until the data set says what it is`() throws {
    let text = line("Plain") + line(Self.rendered) + line("Plain") + line("p", Self.rendered)
    let error = #expect(throws: CorpusError.self) { try load(text, nil) }
    let told = try #require(error).description
    let path = directory.path + "/rendered.jsonl"
    #expect(told.hasPrefix("\(path):2, \(path):4: 2 records hold rendered ChatML"))
    #expect(told.contains("special_tokens_in_text") && told.contains("parse") && told.contains("or to text"))

    let tokenizer = try Fixtures.tokenizer()
    let start = try #require(tokenizer.id(ofToken: "<|im_start|>"))
    let parsed = try load(text, .parse)
    #expect(parsed.all[1].prompt.filter { $0 == start }.count == 2)
    #expect(parsed.report.remarks[.parsedText] == 2 && parsed.report.remarks[.specialText] == nil)
    #expect(parsed.report.description.contains("2 with special tokens in a field, made from its text"))
    let plain = try load(text, .text)
    #expect(plain.all.allSatisfy { !$0.prompt.contains(start) && !$0.completions.joined().contains(start) })
    #expect(plain.report.remarks[.parsedText] == nil && plain.report.remarks[.specialText] == 2)
    #expect(tokenizer.decode(plain.all[1].prompt) == tokenizer.decode(parsed.all[1].prompt))
  }

  @Test(arguments: [
    "Ends in <|im_end|>", "<|im_start|> alone", "<|im_start|>user and more", #"<|im_start|>\nuser"#, "<|im_start|>",
    #"<|im_start|>a b\n"#,
  ])
  func `a text that quotes a special token is a text`(prompt: String) throws {
    let data = try load(line(prompt), nil)
    #expect(data.report.remarks[.specialText] == 1)
    #expect(data.report.description.contains("it stays text"))
  }

  @Test func `messages and answers may hold it too, a rendered question does not count`() throws {
    let chat =
      #"{"prompt":[{"role":"user","content":"\#(Self.rendered)"}],"chosen":[{"role":"assistant","content":"a"}],"#
      + #""rejected":[{"role":"assistant","content":"b"}]}"#
    #expect(throws: CorpusError.self) { try load(chat, nil) }
    let question = #"{"question":"\#(Self.rendered)","chosen":"a","rejected":"b"}"#
    #expect(throws: CorpusError.self) { try load(question, nil, type: .intel) }
    #expect(try load(question, nil, type: .intelPrefilled).report.remarks[.specialText] == nil)
  }

  /// A run on rendered chats is a run on chats: inference renders prompts for it.
  @Test func `parsed chats are chats`() throws {
    #expect(try load(line(Self.rendered), .parse).styles.areTexts == false)
    #expect(try load(line(Self.rendered), .text).styles.areTexts)
    #expect(try load(line("<|im_end|>"), .parse).styles.areTexts)
  }

  @Test func `a parsed prompt is cut inside its messages`() throws {
    let long =
      #"<|im_start|>user\n"# + String(repeating: "over and over ", count: 100)
      + #"<|im_end|>\n<|im_start|>assistant\n"#
    let path = try directory.write("rendered.jsonl", line(long))
    let data = try Dataset(
      sources: [Dataset.Source(paths: [path], specialTokens: .parse)], kind: .pair, encoder: try Fixtures.encoder(),
      limit: LengthLimit(sequenceLength: 40))
    let text = try Fixtures.tokenizer().decode(data.all[0].prompt)
    #expect(data.report.truncated == 1)
    #expect(text.hasPrefix("<|im_start|>user\n") && text.hasSuffix("<|im_end|>\n<|im_start|>assistant\n"))
  }

  // MARK: What is told about records

  /// Qwen2.5's template leaves out what it does not know.
  @Test func `a message that the template does not write is told`() throws {
    let text =
      #"{"messages":[{"role":"observation","content":"o"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#
    let path = try directory.write("hidden.jsonl", text)
    var source = Dataset.Source(paths: [path])
    source.fields.roles = ["observation": ["observation"]]
    let encoder = ExampleEncoder(tokenizer: try Fixtures.tokenizer(), template: .qwen25)
    for type in [DatasetType?.none, .chatTemplate] {
      source.type = type
      let report = try Dataset(
        sources: [source], kind: .completion, encoder: encoder, limit: LengthLimit(sequenceLength: 500)
      ).report
      #expect(report.remarks == [.hiddenMessage: 1])
      #expect(report.description.contains("1 with a message that the chat template does not write"))
    }
  }

  @Test func `a token that ends turns and texts has one rule`() throws {
    let tokenizer = try Fixtures.tokenizer()
    var turns = TurnTraining()
    turns.endOfTurnTokens = ["<|im_end|>"]
    try turns.validate(with: tokenizer)
    turns.endOfTurn = .all
    let conflict = #expect(throws: TokenizerError.self) { try turns.validate(with: tokenizer) }
    #expect(conflict?.reason.contains("must be the same") == true)
  }
}
