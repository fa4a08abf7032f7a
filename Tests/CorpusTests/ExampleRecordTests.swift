import Checkpoints
import Corpus
import Testing

struct ExampleRecordTests {
  private func record(_ text: String, fields: RecordFields = RecordFields()) throws -> ExampleRecord {
    let records = try ExampleRecord.read(try JSONValue.parse(text), kind: .pair, fields: fields)
    try #require(records.count == 1)
    return records[0]
  }

  @Test(
    arguments: [
      (#"{"prompt":"p","chosen":"c"}"#, "rejected", "missing"),
      (#"{"prompt":"p","rejected":"c"}"#, "chosen", "missing"),
      (#"{"prompt":"p","chosen":"c","rejected":null}"#, "rejected", "null"),
      (#"{"prompt":7,"chosen":"c","rejected":"r"}"#, "prompt", "a number"),
      (#"{"prompt":"p","chosen":{"role":"user"},"rejected":"r"}"#, "chosen", "an object"),
      (#"{"prompt":"p","chosen":"","rejected":"r"}"#, "chosen", "empty"),
      (#"{"prompt":"p","chosen":"c","rejected":""}"#, "rejected", "empty"),
      (#"{"prompt":"","chosen":"c","rejected":"r"}"#, "prompt", "empty"),
      (#"{"chosen":"c","rejected":"r"}"#, nil, "no common start"),
      (#"{"chosen":"c ","rejected":"r "}"#, nil, "no common start"),
      (#"{"chosen":"a","rejected":"ab"}"#, nil, "no common start"),
      (#"{"chosen":"","rejected":""}"#, "chosen", "empty"),
      (#"{"chosen":[],"rejected":"r"}"#, "chosen", "list of messages is empty"),
      (#"{"chosen":["m"],"rejected":"r"}"#, "chosen[0]", "a text"),
      (#"{"chosen":[{"role":"user"}],"rejected":"r"}"#, "chosen[0].content", "missing"),
      (#"{"chosen":[{"content":"user"}],"rejected":"r"}"#, "chosen[0].role", "missing"),
      (#"{"chosen":[{"role":"wizard","content":"c"}],"rejected":"r"}"#, "chosen[0].role", "another role"),
      (
        #"{"chosen":[{"role":"user","content":"c"},{"role":"user","content":[1]}],"rejected":"r"}"#,
        "chosen[1].content", "a list"
      ),
      (#"{"prompt":"p","chosen":"c","rejected":[{"role":"user","content":"c"}]}"#, "rejected", "the other"),
      (
        #"{"prompt":[{"role":"user","content":"c"}],"chosen":"c","rejected":"r"}"#, "chosen",
        "found a text"
      ),
      (
        #"{"chosen":[{"role":"assistant","content":"c"}],"rejected":[{"role":"assistant","content":"r"}]}"#,
        nil, "no common start"
      ),
      (
        #"""
        {"prompt":[{"role":"user","content":"c"}],"chosen":[{"role":"assistant","content":""}],
        "rejected":[{"role":"assistant","content":"r"}]}
        """#, "chosen", "empty"
      ),
      (#"{"prompt":"p","chosen":"c","rejected":"r","tools":[{}]}"#, "tools", "not supported"),
    ] as [(String, String?, String)])
  func mistakes(text: String, field: String?, reason: String) throws {
    let problem = #expect(throws: RecordProblem.self) { try record(text) }
    #expect(problem?.field == field)
    #expect(problem?.reason.contains(reason) == true)
  }

  @Test func fieldsMayHaveOtherNamesAndOthersAreIgnored() throws {
    var fields = RecordFields()
    fields[.prompt] = "question"
    fields[.rejected] = "worse"
    let text = #"{"question":"q","chosen":"c","worse":"w","prompt":7,"score":[1],"tools":null}"#
    #expect(try record(text, fields: fields) == ExampleRecord(.texts(prompt: "q", completions: ["c", "w"])))
  }

  @Test func aTextBesideConversationsIsNotTheirPrompt() throws {
    let text = #"""
      {"prompt":"Sky?","chosen":[{"role":"user","content":"Sky?"},{"role":"assistant","content":"b"}],
      "rejected":[{"role":"user","content":"Sky?"},{"role":"assistant","content":"g"}]}
      """#
    let expected = ExampleRecord.Form.messages(
      prompt: [ChatMessage(role: "user", content: "Sky?")],
      completions: [[ChatMessage(role: "assistant", content: "b")], [ChatMessage(role: "assistant", content: "g")]])
    #expect(try record(text).form == expected)
  }

  @Test func textsAreComparedByCodePoints() throws {
    let composed = #"{"prompt":"p","chosen":"\u00e9","rejected":"e\u0301"}"#
    #expect(try !record(composed).isEqualPair)
    #expect(try record(#"{"prompt":"p","chosen":"\u00e9","rejected":"é"}"#).isEqualPair)
    guard
      case .texts(let prompt, let completions) = try record(#"{"chosen":"xe\u0301","rejected":"xe\u0300"}"#).form
    else { return #expect(Bool(false), "expected a standard record") }
    #expect(Array(prompt.unicodeScalars) == ["x", "e"])
    #expect(completions.first.map { Array($0.unicodeScalars) } == ["\u{301}"])
  }
}
