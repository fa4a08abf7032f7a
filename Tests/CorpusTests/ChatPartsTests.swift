import Checkpoints
import Corpus
import TestSupport
import Testing

/// What a chat has beside roles and contents.
struct ChatPartsTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test func `parts that the template does not write are told`() throws {
    let calls =
      #"{"role":"assistant","content":"c","tool_calls":[{"type":"function","function":{"name":"f","arguments":{}}}]}"#
    let thoughts = #"{"role":"assistant","content":"a","thinking":"t"}"#
    let user = #"{"role":"user","content":"q"}"#
    let lines = [
      #"{"messages":[\#(user),\#(calls)]}"#, #"{"messages":[\#(user),\#(thoughts)]}"#,
      #"{"messages":[\#(user),{"role":"assistant","content":"a"}],"tools":[{"name":"f"}]}"#,
      #"{"messages":[\#(user),{"role":"assistant","content":"a","tool_calls":null,"reasoning":null}]}"#,
    ]
    let path = try directory.write("parts.jsonl", lines.joined(separator: "\n"))
    func remarks(_ template: ChatTemplate) throws -> [RecordRemark: Int] {
      let encoder = ExampleEncoder(tokenizer: try Fixtures.tokenizer(), template: template)
      return try Dataset(
        sources: [Dataset.Source(paths: [path])], kind: .completion, encoder: encoder,
        limit: LengthLimit(sequenceLength: 500)
      ).report.remarks
    }
    #expect(try remarks(.chatML)[.unwrittenPart] == 3)
    #expect(try remarks(.qwen25)[.unwrittenPart] == 1, "it has no reasoning")
    #expect(try remarks(.qwen3)[.unwrittenPart] == nil)
  }

  /// Qwen3's template writes an empty thought into the last answer alone.
  @Test func `an answer of tool calls alone is trained, whatever follows`() throws {
    let calls = ChatMessage(role: "assistant", content: "")
    var silent = calls
    silent.hasContent = false
    let answer = ChatMessage(role: "assistant", content: "It is 22.")
    let tokenizer = try Fixtures.tokenizer()
    let encoder = ExampleEncoder(tokenizer: tokenizer, template: .qwen3)
    for var call in [calls, silent] {
      call.others = [
        .init("tool_calls", [["type": "function", "function": ["name": "f", "arguments": ["x": 1]]]])
      ]
      let messages = [
        ChatMessage(role: "user", content: "q"), call, ChatMessage(role: "tool", content: "22"), answer,
      ]
      let encoded = try encoder.encode(ExampleRecord(.conversation(messages, .answers)), index: 0)
      let tokens = encoded.tree.completions[0]
      var trained: [Int32] = []
      for place in tokens.indices where !encoded.tree.unscored.joined().contains(where: { $0.contains(place) }) {
        trained.append(tokens[place])
      }
      let text = tokenizer.decode(trained)
      #expect(text.contains("<tool_call>") && text.contains("It is 22."), "\(text)")
      #expect(!text.contains("tool_response") && !text.contains("user"), "\(text)")
    }
    // Nothing can be learnt of an empty one.
    let encoded = try encoder.encode(
      ExampleRecord(
        .conversation(
          [ChatMessage(role: "user", content: "q"), calls, ChatMessage(role: "user", content: "r"), answer], .answers)),
      index: 0)
    #expect(tokenizer.decode(encoded.tree.completions[0]).contains("It is 22."))
  }

  /// A table has every member in every row.
  @Test func `what a row has not is no part of tools and calls`() throws {
    func record(_ null: String) -> String {
      #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"c","tool_calls":[{"function":{"name":"f","arguments":{"a":1\#(null)}}}]}],"tools":[{"name":"f"\#(null)}]}"#
    }
    let encoder = ExampleEncoder(tokenizer: try Fixtures.tokenizer(), template: .qwen25)
    for type in [DatasetType?.none, .chatTemplate] {
      let trees = try [record(""), record(#","b":null"#)].map { text in
        try ExampleRecord.read(try JSONValue.parse(text), type: type).map { try encoder.encode($0, index: 0).tree }
      }
      #expect(trees[0] == trees[1] && trees[0].count == 1)
    }
    let request = try ChatRequest(try JSONValue.parse(record(#","b":null"#)))
    #expect(request.context.tools?.serialized().contains("null") == true, "who asks means what is said")
  }

  /// As in transformers 5.23.
  @Test func `reasoning has several names`() throws {
    let tokenizer = try Fixtures.tokenizer()
    func text(_ name: String) throws -> String {
      var answer = ChatMessage(role: "assistant", content: "a")
      answer.others = [.init(name, "because")]
      return try ChatTemplate.qwen3.pieces(
        [ChatMessage(role: "user", content: "q"), answer], .init(), generationPrompt: false, with: tokenizer
      ).map(\.text).joined()
    }
    #expect(try text("reasoning_content").contains("<think>\nbecause\n</think>"))
    #expect(try text("thinking") == text("reasoning_content") && text("reasoning") == text("thinking"))
  }
}
