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
  func `mistakes are named`(text: String, field: String?, reason: String) throws {
    let problem = #expect(throws: RecordProblem.self) { try record(text) }
    #expect(problem?.field == field)
    #expect(problem?.reason.contains(reason) == true)
  }

  @Test func `fields may have other names and others are ignored`() throws {
    var fields = RecordFields()
    fields[.prompt] = "question"
    fields[.rejected] = "worse"
    let text = #"{"question":"q","chosen":"c","worse":"w","prompt":7,"score":[1],"tools":null}"#
    #expect(try record(text, fields: fields) == ExampleRecord(.texts(prompt: "q", completions: ["c", "w"])))
  }

  @Test func `a text beside conversations is not their prompt`() throws {
    let text = #"""
      {"prompt":"Sky?","chosen":[{"role":"user","content":"Sky?"},{"role":"assistant","content":"b"}],
      "rejected":[{"role":"user","content":"Sky?"},{"role":"assistant","content":"g"}]}
      """#
    let expected = ExampleRecord.Form.messages(
      prompt: [ChatMessage(role: "user", content: "Sky?")],
      completions: [[ChatMessage(role: "assistant", content: "b")], [ChatMessage(role: "assistant", content: "g")]])
    #expect(try record(text).form == expected)
  }

  @Test func `texts are compared by code points`() throws {
    let composed = #"{"prompt":"p","chosen":"\u00e9","rejected":"e\u0301"}"#
    #expect(try !record(composed).isEqualPair)
    #expect(try record(#"{"prompt":"p","chosen":"\u00e9","rejected":"é"}"#).isEqualPair)
    guard
      case .texts(let prompt, let completions) = try record(#"{"chosen":"xe\u0301","rejected":"xe\u0300"}"#).form
    else { return #expect(Bool(false), "expected a standard record") }
    #expect(Array(prompt.unicodeScalars) == ["x", "e"])
    #expect(completions.first.map { Array($0.unicodeScalars) } == ["\u{301}"])
  }

  @Test(
    arguments: [
      (.intel, .pair, #"{"chosen":"c","rejected":"r"}"#, "question", "missing"),
      (.icr, .pair, #"{"input":"i","chosen":"c","rejected":""}"#, "rejected", "empty"),
      (.promptPairs, .pair, #"{"prompt":7,"chosen":"c","rejected":"r"}"#, "prompt", "a number"),
      (.argilla, .pair, #"{"chosen":"c","rejected":"r"}"#, "instruction", "missing"),
      (.argilla, .pair, #"{"prompt":"p","rejected":"r"}"#, "chosen_response", "missing"),
      (.ultra, .pair, #"{"prompt":"p","chosen":"c","rejected":"r"}"#, "chosen", "list of messages"),
      (
        .ultra, .pair, #"{"prompt":"p","chosen":[{"role":"user","content":"p"}],"rejected":"r"}"#, "chosen",
        "expected two messages"
      ),
      (.intelPrefilled, .pair, #"{"question":"q","prefill":1,"chosen":"c","rejected":"r"}"#, "prefill", "a number"),
      (.intel, .pair, #"{"question":"q","system":[],"chosen":"c","rejected":"r"}"#, "system", "a list"),
      (.intel, .labelled, #"{"question":"q","completion":"c"}"#, "label", "missing"),
      (.intel, .labelled, #"{"question":"q","completion":"c","label":2}"#, "label", "true or false"),
      (.intel, .completion, #"{"question":"q","chosen":"c","rejected":"r"}"#, "completion", "missing"),
      (.alpaca, .pair, #"{"instruction":"i","output":"o"}"#, nil, "type alpaca"),
      (.alpaca, .completion, #"{"instruction":"i","output":""}"#, "output", "empty"),
      (.alpaca, .completion, #"{"output":"o"}"#, "instruction", "missing"),
      (.completion, .labelled, #"{"text":"t"}"#, nil, "type completion"),
      (.completion, .completion, #"{"text":""}"#, "text", "empty"),
      (.chatTemplate, .completion, #"{"messages":[]}"#, "messages", "empty"),
      (.chatTemplate, .completion, #"{"messages":[{"role":"bot","content":"c"}]}"#, "messages[0].role", "another role"),
      (.chatTemplate, .labelled, #"{"messages":[{"role":"user","content":"c"}]}"#, nil, "no labels"),
      (
        .chatTemplate, .pair, #"{"messages":"q","chosen":{"role":"user","content":"c"},"rejected":"r"}"#, "chosen",
        "the assistant's message"
      ),
      (nil, .completion, #"{"prompt":"p","chosen":"c","rejected":"r"}"#, nil, "field_completion: chosen"),
      (nil, .completion, #"{"completion":"c"}"#, "prompt", "missing"),
      (nil, .completion, #"{"prompt":"p","completion":""}"#, "completion", "empty"),
      (nil, .completion, #"{"prompt":"","completion":"c"}"#, "prompt", "empty"),
      (nil, .completion, #"{"prompt":"p","completion":[{"role":"user","content":"c"}]}"#, "completion", "the other"),
      (nil, .labelled, #"{"prompt":"p","completion":"c"}"#, "label", "missing"),
      (nil, .labelled, #"{"prompt":"p","completion":"c","label":"true"}"#, "label", "a text"),
      (nil, .pair, #"{"prompt":"p","completion":"c"}"#, "chosen", "missing"),
      (
        nil, .completion, #"{"messages":[{"role":"assistant","content":"c","tool_calls":[{}]}]}"#,
        "messages[0].tool_calls", "not supported"
      ),
    ] as [(DatasetType?, ExampleKind, String, String?, String)])
  func `mistakes of other formats are named`(
    type: DatasetType?, kind: ExampleKind, text: String, field: String?, reason: String
  ) throws {
    let value = try JSONValue.parse(text)
    let problem = #expect(throws: RecordProblem.self) { try ExampleRecord.read(value, type: type, kind: kind) }
    #expect(problem?.field == field)
    #expect(problem?.reason.contains(reason) == true, "\(problem?.reason ?? "")")
  }

  /// Without a kind the fields decide; data that is only scored is read this way.
  @Test func `fields that are there are taken`() throws {
    func forms(_ text: String, _ type: DatasetType? = nil) throws -> [ExampleRecord] {
      try ExampleRecord.read(try JSONValue.parse(text), type: type)
    }
    #expect(
      try forms(#"{"prompt":"p","chosen":"c","rejected":"r","completion":null}"#)
        == [ExampleRecord(.texts(prompt: "p", completions: ["c", "r"]))])
    #expect(
      try forms(#"{"prompt":"p","completion":"c","label":true}"#)
        == [ExampleRecord(.texts(prompt: "p", completions: ["c"]))])
    #expect(try forms(#"{"text":"t"}"#) == [ExampleRecord(.text("t"))])
    let user = [ChatMessage(role: "user", content: "q")]
    #expect(
      try forms(#"{"question":"q","completion":"c"}"#, .intel)
        == [ExampleRecord(.chat(.chatML(user), prefill: "", completions: ["c"]))])
  }

  @Test func `types are found by name`() throws {
    for type in DatasetType.allCases { #expect(try DatasetType(named: type.rawValue) == type) }
    #expect(try DatasetType(named: "chatml") == .argilla)
    let error = #expect(throws: UnknownDatasetType.self) { try DatasetType(named: "chatml.intl") }
    let description = try #require(error).description
    #expect(description.contains("did you mean \"chatml.intel\"?"))
    for type in DatasetType.allCases { #expect(description.contains(type.rawValue)) }
    let far = #expect(throws: UnknownDatasetType.self) { try DatasetType(named: "sharegpt") }
    #expect(far?.description.contains("did you mean") == false)
  }

  /// The fields that a format reads are enough for it, also under other names.
  @Test(arguments: [nil] + DatasetType.allCases.map(Optional.some))
  func `formats read their fields`(type: DatasetType?) throws {
    let talk = #"[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]"#
    let values: [RecordFields.Field: String] =
      [.label: "true", .messages: talk].merging(
        type == .ultra ? [.chosen: talk, .rejected: talk] : [:], uniquingKeysWith: { $1 })
    let read = RecordFields.Field.read(by: type)
    var fields = RecordFields()
    for field in RecordFields.Field.allCases { fields[field] = "my_" + field.rawValue }
    for kind in [ExampleKind.pair, .labelled, .completion] {
      let present = read.filter { kind == .pair ? $0 != .completion : $0 != .chosen && $0 != .rejected }
      let members = present.map { #""my_\#($0.rawValue)":\#(values[$0] ?? #""a text""#)"# }
      let text = "{" + members.joined(separator: ",") + "}"
      let records = try? ExampleRecord.read(try JSONValue.parse(text), type: type, kind: kind, fields: fields)
      let isPossible =
        switch type {
        case .alpaca, .completion: kind == .completion
        case .chatTemplate: kind != .labelled
        default: true
        }
      #expect((records != nil) == isPossible, "\(kind)")
    }
  }
}
