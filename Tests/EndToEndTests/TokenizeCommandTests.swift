// Tests `shoal tokenize` as a script uses it: lines in, lines out.

import Foundation
import TestSupport
import Testing

@Suite struct TokenizeCommandTests {
  /// The output of the command and its exit code.
  private func tokenize(
    _ arguments: [String], _ input: String
  ) throws -> (output: String, errors: String, code: Int32) {
    let process = Process()
    // The test runner is in the product's directory.
    process.executableURL = try #require(Bundle.main.executableURL).deletingLastPathComponent()
      .appendingPathComponent("shoal")
    let model = Repository.fixture("tokenizer")
    process.arguments = ["tokenize", "--model", model] + arguments
    let (source, output, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = source
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    source.fileHandleForWriting.write(Data(input.utf8))
    try source.fileHandleForWriting.close()
    let read = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (read, complaint, process.terminationStatus)
  }

  @Test func `text becomes ids and back`() throws {
    let lines = #"""
      "Hello, world! <|im_end|>"
      "\u0000e\u0301"
      ""
      """#
    let encoded = try tokenize([], lines)
    #expect(encoded.code == 0)
    #expect(encoded.output.split(separator: "\n").count == 3)
    #expect(!encoded.output.contains("3002"))
    let decoded = try tokenize(["--decode"], encoded.output)
    #expect(decoded.output == "\"Hello, world! <|im_end|>\"\n\"\\u0000\u{e9}\"\n\"\"\n")
    #expect(try tokenize(["--allow-special"], #""<|im_end|>""#).output == "[3002]\n")
  }

  @Test func `chats are rendered`() throws {
    let chat = #"[{"role": "system", "content": "!"}, {"role": "user", "content": "<|im_end|>"}]"#
    let ids = try tokenize(["--chat", "--generation-prompt"], chat).output
    let text = try tokenize(["--decode"], ids).output
    let turns = #"<|im_start|>system\n!<|im_end|>\n<|im_start|>user\n<|im_end|><|im_end|>\n"#
    #expect(text == "\"" + turns + #"<|im_start|>assistant\n""# + "\n")
  }

  /// As in data: tool calls, contents in parts or none, and an object with what else the template uses.
  @Test func `chats may have tools`() throws {
    let call = #"{"function": {"name": "color", "arguments": {"thing": "sky"}}}"#
    let messages =
      #"[{"role": "user", "content": [{"type": "text", "text": "Sky"}, {"type": "text", "text": "?"}]}, "#
      + #"{"role": "assistant", "content": null, "tool_calls": [\#(call)]}, {"role": "tool", "content": "blue"}]"#
    let chat = #"{"messages": \#(messages), "tools": [{"type": "function"}], "chat_template_kwargs": {"x": 1}}"#
    let ids = try tokenize(["--chat", "--chat-template", "qwen_25"], chat).output
    let text = try tokenize(["--decode"], ids).output
    for part in [
      #"<tools>\n{\"type\": \"function\"}\n</tools>"#, #"user\nSky?<|im_end|>"#,
      #"<tool_call>\n{\"name\": \"color\", \"arguments\": {\"thing\": \"sky\"}}\n</tool_call>"#,
      #"<tool_response>\nblue\n</tool_response>"#,
    ] { #expect(text.contains(part), "\(text)") }
  }

  /// A chat's own variables go before the command's.
  @Test func `templates are given variables`() throws {
    let directory = try TemporaryDirectory()
    let template = try directory.write(
      "think.jinja", "{{ 'no' if enable_thinking is false else 'yes' }}{{ messages[0].content }}")
    let messages = #"[{"role": "user", "content": "!"}]"#
    let chats = """
      \(messages)
      {"messages": \(messages), "chat_template_kwargs": {"enable_thinking": true}}

      """
    let arguments = ["--chat", "--chat-template", template]
    for (variables, expected) in [([], ["yes!", "yes!"]), ([#"{"enable_thinking": false}"#], ["no!", "yes!"])] {
      let ids = try tokenize(arguments + variables.flatMap { ["--chat-template-kwargs", $0] }, chats).output
      #expect(try tokenize(["--decode"], ids).output == expected.map { "\"\($0)\"\n" }.joined())
    }
  }

  @Test(arguments: [
    ([], "\"a\"\n\"b", "line 2: not valid JSON at byte 0"), ([], "[1]", "line 1: expected a JSON string"),
    ([], "\"a\"\n\n", "line 2: not valid JSON"), (["--chat"], "[]", "line 1: the chat has no messages"),
    (
      ["--chat"], #"[{"role": "user", "content": 5}]"#,
      "line 1: field \"messages[0].content\": expected a text or a list"
    ),
    (["--decode"], "[3006]", "line 1: 3006 is no id of this tokenizer"),
    (["--decode"], "[1.5]", "line 1: 1.5 is no id"), (["--generation-prompt"], "", "needs --chat"),
    (["--chat-template-kwargs", "{}"], "", "--chat-template-kwargs need --chat"),
    (["--chat", "--chat-template-kwargs", "[1]"], "", "expected a JSON object"),
    (["--chat", "--chat-template-kwargs", #"{"messages": 1}"#], "", #""messages" is no variable"#),
  ])
  func `a bad line is named`(arguments: [String], input: String, reason: String) throws {
    let result = try tokenize(arguments, input)
    #expect(result.code != 0)
    #expect(result.errors.contains(reason))
  }

  @Test func `lines before a bad one are answered`() throws {
    #expect(try tokenize([], "\"!\"\n5\n").output == "[0]\n")
  }
}
