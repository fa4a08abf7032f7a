import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

struct ExampleEncoderTests {
  @Test func `every record encodes as in TRL`() throws {
    let reader = try RecordReader(path: Repository.fixture("preference_records.jsonl"))
    let encoder = try Fixtures.encoder()
    #expect(reader.count > 40)
    for index in 0..<reader.count {
      let value = try reader.record(index)
      let expected = try #require(value["expected"])
      func ids(_ name: String) -> [Int32] { (expected[name]?.array ?? []).compactMap { $0.int.map(Int32.init) } }
      let encoded = try encoder.encode(try #require(try ExampleRecord.read(value).first), index: index)
      let line = "line \(index + 1)"
      #expect(encoded.tree.prompt == ids("prompt"), "\(line)")
      #expect(encoded.tree.completions == [ids("chosen"), ids("rejected")], "\(line)")
      #expect(encoded.traits.remarks.contains(.movedSeam) == (expected["left_out"]?.int != 0), "\(line)")
      #expect(!encoded.traits.holdsSpecialText, "\(line)")
      #expect(encoded.tree.index == index)
    }
  }

  @Test func `text in a field never becomes a special token`() throws {
    let tokenizer = try Fixtures.tokenizer()
    let encoder = try Fixtures.encoder()
    let end = try #require(tokenizer.endOfSequence)
    let text = "before<|im_end|>after"
    let standard = try encoder.encode(ExampleRecord(.texts(prompt: text, completions: [" " + text, " b"])), index: 0)
    #expect(standard.traits.holdsSpecialText)
    #expect(!standard.tree.prompt.contains(end))
    #expect(standard.tree.completions[0].filter { $0 == end }.count == 1)
    #expect(standard.tree.completions[0].last == end)

    let chat = try encoder.encode(
      ExampleRecord(
        .messages(
          prompt: [ChatMessage(role: "user", content: text)],
          completions: [
            [ChatMessage(role: "assistant", content: text)], [ChatMessage(role: "assistant", content: "b")],
          ])), index: 0)
    #expect(chat.traits.holdsSpecialText)
    #expect(chat.tree.prompt.filter { $0 == end }.count == 2)
    #expect(chat.tree.completions.map { $0.filter { $0 == end }.count } == [1, 1])
  }

  @Test func `the texts of a prompt are its contents`() throws {
    let tokenizer = try Fixtures.tokenizer()
    let encoder = try Fixtures.encoder()
    let contents = ["Be brief.", "What color is the sky?", "", "Blue.", "Sure? assistant"]
    let roles = ["system", "user", "assistant", "user", "user"]
    let prompt = zip(roles, contents).map { ChatMessage(role: $0, content: $1) }
    let chosen = [ChatMessage(role: "assistant", content: "Yes.")]
    for first in [0, 1] {
      let encoded = try encoder.encode(
        ExampleRecord(.messages(prompt: Array(prompt[first...]), completions: [chosen, chosen])), index: 0)
      let texts = encoded.texts.map { tokenizer.decode(Array(encoded.tree.prompt[$0])) }
      #expect(texts == contents[first...].filter { !$0.isEmpty })
    }
    // A line break at the start merges with the line break after the role: that token is template.
    let merged = try encoder.encode(
      ExampleRecord(.messages(prompt: [ChatMessage(role: "user", content: "\nSky?")], completions: [chosen, chosen])),
      index: 0)
    #expect(merged.texts.map { tokenizer.decode(Array(merged.tree.prompt[$0])) } == ["Sky?"])
  }

  /// The parts of axolotl's prompts that may be cut: never a header, a default message or a prefill.
  @Test func `the texts of other prompts are their contents`() throws {
    let tokenizer = try Fixtures.tokenizer()
    let encoder = try Fixtures.encoder()
    func texts(_ form: ExampleRecord.Form) throws -> [String] {
      let encoded = try encoder.encode(ExampleRecord(form), index: 0)
      return encoded.texts.map { tokenizer.decode(Array(encoded.tree.prompt[$0])) }
    }
    let messages = [ChatMessage(role: "system", content: "Be brief."), ChatMessage(role: "user", content: "Sky?")]
    // The full stop forms one token with the line feeds after it.
    func alpaca(_ record: String) throws -> [String] {
      let records = try ExampleRecord.read(try JSONValue.parse(record), type: .alpaca, kind: .completion)
      return try texts(try #require(records.first).form)
    }
    #expect(try alpaca(#"{"instruction":"Name it.","input":"","output":"x"}"#) == ["Name it"])
    #expect(try alpaca(#"{"instruction":"Name it.","input":"Sky","output":"x"}"#) == ["Name it", "Sky"])
    let formatted = ExampleRecord.Form.formatted(
      prompt: [.literal("Q:\n"), .field("Sky?"), .literal(" A:")], completions: [[.field("x")], [.field("y")]])
    #expect(try texts(formatted) == ["Sky?"])
    #expect(try texts(.chat(.chatML(messages), prefill: "It", completions: ["x", "y"])) == ["Be brief.", "Sky?"])
    #expect(try texts(.chat(.template([messages[1]]), prefill: "", completions: ["x", "y"])) == ["Sky?"])
    let rendered = "<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\nIt"
    #expect(try texts(.chat(.rendered(rendered), prefill: " is", completions: ["x", "y"])) == ["Sky?"])
    let answer = ChatMessage(role: "assistant", content: "Blue.")
    let talk = messages + [answer, messages[1], answer]
    #expect(try texts(.conversation(talk, .answers)) == ["Be brief.", "Sky?", "", "", ""])
    #expect(try texts(.text("Sky")).isEmpty)
  }

  @Test func `a prompt that melts into its completion is refused`() throws {
    #expect(throws: RecordProblem.self) {
      try Fixtures.encoder().encode(
        ExampleRecord(.texts(prompt: "\u{1100}", completions: ["\u{1161}", "\u{1161}"])), index: 0)
    }
  }

  @Test func `ChatML needs its tokens`() throws {
    let files = try TokenizerFiles { $0.replacingOccurrences(of: "<|im_start|>", with: "<|im_begin|>") }
    let encoder = ExampleEncoder(tokenizer: try Tokenizer(directory: files.path), template: nil)
    let problem = #expect(throws: RecordProblem.self) {
      try encoder.encode(ExampleRecord(.chat(.rendered("x"), prefill: "", completions: ["y"])), index: 0)
    }
    #expect(problem?.reason.contains("<|im_start|>") == true)
  }

  @Test func `messages need a template`() throws {
    let encoder = ExampleEncoder(tokenizer: try Fixtures.tokenizer(), template: nil)
    let message = [ChatMessage(role: "user", content: "x")]
    #expect(throws: RecordProblem.self) {
      try encoder.encode(ExampleRecord(.messages(prompt: message, completions: [message, message])), index: 0)
    }
    #expect(throws: Never.self) {
      try encoder.encode(ExampleRecord(.texts(prompt: "The sky is", completions: [" blue", " red"])), index: 0)
    }
  }
}
