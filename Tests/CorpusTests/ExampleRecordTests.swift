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
      (#"{"prompt":"p","chosen":{"role":"user"},"rejected":"r"}"#, "chosen.content", "missing"),
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
      (#"{"chosen":[{"role":"wizard","content":"c"}],"rejected":"r"}"#, "chosen[0].role", "\"wizard\" is unknown"),
      (
        #"{"chosen":[{"role":"user","content":"c"},{"role":"user","content":[1]}],"rejected":"r"}"#,
        "chosen[1].content[0]", "a number"
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
      (#"{"prompt":"p","chosen":"c","rejected":"r","tools":7}"#, "tools", "a list of functions"),
      (#"{"prompt":"p","chosen":"c","rejected":"r","tools":"[{"}"#, "tools", "expected JSON"),
      (#"{"prompt":"p","chosen":"c","rejected":"r","chat_template_kwargs":[]}"#, "chat_template_kwargs", "a list"),
      (#"{"question":"q","chosen":"The c","rejected":"The r"}"#, "prompt", "type: chatml.intel"),
      (#"{"prompt":"p","response_0":"a","response_1":"b"}"#, "chosen", "not a pair yet"),
      (#"{"conversations":[{"from":"human","value":"q"}]}"#, "chosen", "type: sharegpt"),
      (#"{"chosen":[{"from":"gpt","value":"c"}],"rejected":"r"}"#, "chosen[0].role", "message_property_mappings"),
      (
        #"{"prompt":"p","chosen":[{"role":"assistant","content":[{"type":"image_url"}]}],"rejected":"r"}"#,
        "chosen[0].content[0]", "\"image_url\""
      ),
      (#"{"prompt":"p","chosen":[{"role":"assistant","content":null}],"rejected":"r"}"#, "chosen[0].content", "null"),
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
      (
        .chatTemplate, .completion, #"{"messages":[{"role":"bot","content":"c"}]}"#, "messages[0].role",
        "\"bot\" is unknown"
      ),
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
      (nil, .labelled, #"{"prompt":"p","completion":"c","label":"yes"}"#, "label", "a text"),
      (nil, .pair, #"{"prompt":"p","completion":"c"}"#, "chosen", "missing"),
      (nil, .completion, #"{"instruction":"i","output":"o"}"#, nil, "type: alpaca"),
      (
        nil, .labelled, #"{"messages":[{"role":"user","content":"q"}],"label":1}"#, "messages",
        "ends with the assistant"
      ),
      (.segments, .completion, #"{"segments":[{"text":"a","label":false}]}"#, "segments", "nothing to learn"),
      (.segments, .completion, #"{"segments":[{"text":"a"}]}"#, "segments[0]", "true or false"),
      (.pygmalion, .completion, #"{"conversations":[{"role":"gpt","value":"a"}]}"#, "conversations[0].role", "bot"),
      (.argillaChat, .pair, #"{"chosen":[{"role":"user","content":"p"}],"rejected":"r"}"#, "chosen", "two messages"),
      (
        .conversationPairs, .pair, #"{"chosen":[{"role":"assistant","content":"p"}],"rejected":"r"}"#, "chosen",
        "one message"
      ),
      (.conversationPairs, .completion, #"{"chosen":"c","rejected":"r"}"#, nil, "set `rl`"),
      (
        .orpoPairs, .pair, #"{"chosen":[{"role":"user","content":"p"}],"rejected":"r"}"#, "chosen", "by turns"
      ),
      (
        .chatTemplate, .pair,
        #"{"messages":"q","chosen":"c","rejected":"r","tools":[{"type":"function"}]}"#, "tools", "without `type`"
      ),
      (
        .chatTemplate, .completion,
        #"{"messages":[{"role":"assistant","content":"","tool_calls":[{"function":{"arguments":"{"}}]}]}"#,
        "messages[0].tool_calls[0].function.arguments", "expected JSON"
      ),
      (.instruction("alpaca_chat.load_qa"), .completion, #"{"question":"q"}"#, "answer", "missing"),
      (.instruction("explainchoice"), .completion, #"{"question":"q","choices":[1]}"#, "choices", "list of texts"),
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

  @Test func `ShareGPT's conversation may be JSON text`() throws {
    let list = #"[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]"#
    let text = JSONValue.object([.init("conversations", .string(list))])
    #expect(
      try ExampleRecord.read(text, type: .shareGPT)
        == ExampleRecord.read(try JSONValue.parse(#"{"conversations":\#(list)}"#), type: .shareGPT))
  }

  @Test func `types are found by name`() throws {
    for type in DatasetType.all { #expect(try DatasetType(named: type.name) == type) }
    #expect(Set(DatasetType.all.map(\.name)).count == DatasetType.all.count)
    #expect(try DatasetType(named: "chatml") == .argilla)
    let error = #expect(throws: UnknownDatasetType.self) { try DatasetType(named: "chatml.intl") }
    #expect(error?.description.contains("did you mean \"chatml.intel\"?") == true)
    for (name, advice) in [
      ("llama3.ultra", "its twin"), ("zephyr.nectar", "chatml.prompt_pairs"), ("llama2_chat", "sharegpt"),
      ("creative_acr.load_critique", "mapping"), ("jsonl", "format of files"), ("bradley_terry.llama3", "reward"),
    ] {
      let error = #expect(throws: UnknownDatasetType.self) { try DatasetType(named: name) }
      #expect(error?.description.contains(advice) == true, "\(error?.description ?? "")")
    }
  }

  @Test(
    arguments: [
      (["format": "{instruction"], "format", "alone"), (["format": "{0}"], "format", "{0}"),
      (["format": "{instruction!r}"], "format", "{instruction!r}"), (["format": "}"], "format", "alone"),
      (["no_input_format": "{input}"], "no_input_format", "{input} is unknown"),
      (["prompt_format": "{question}"], "prompt_format", "{question} is unknown"),
    ])
  func `formats with mistakes are refused`(values: [String: String], key: String, reason: String) {
    let error = #expect(throws: OwnFormatError.self) { try OwnFormat(values) }
    #expect(error?.key == key)
    #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
  }

  /// What a user may not expect is told.
  @Test(
    arguments: [
      (nil, .pair, #"{"prompt":"p","chosen":"c","rejected":"r","system":"s"}"#, .unreadSystem),
      (nil, .pair, #"{"instruction":"p","chosen":"c","rejected":"r","system":"s"}"#, .llamaFactory),
      (
        nil, .completion,
        #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":0}]}"#,
        .unreadMarks
      ),
      (.chatTemplate, .completion, #"{"messages":[{"role":"user","content":"q","train":true}]}"#, .unreadMarks),
      (.chatTemplate, .pair, #"{"messages":"q","chosen":"c","rejected":"r","system":"s"}"#, .preferenceSystem),
      (.shareGPT, .completion, #"{"conversations":[{"from":"human","value":"q"}]}"#, .shareGPT),
      (nil, .pair, #"{"prompt":"p","chosen":"c","rejected":"r","system":""}"#, nil),
      (
        nil, .completion,
        #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":1}]}"#,
        nil
      ),
    ] as [(DatasetType?, ExampleKind, String, RecordRemark?)])
  func `records are remarked on`(type: DatasetType?, kind: ExampleKind, text: String, remark: RecordRemark?) throws {
    let records = try ExampleRecord.read(try JSONValue.parse(text), type: type, kind: kind)
    #expect(records.map(\.remarks) == [Set([remark].compactMap(\.self))])
  }

  /// A data set's key makes a role of a name.
  @Test func `roles are what the data set says`() throws {
    let text = #"{"messages":[{"role":"developer","content":"d"},{"role":"observation","content":"o"}]}"#
    var fields = RecordFields()
    fields.roles = ["system": ["developer"], "observation": ["observation"]]
    let records = try ExampleRecord.read(try JSONValue.parse(text), kind: .completion, fields: fields)
    guard case .conversation(let messages, _)? = records.first?.form else { return #expect(Bool(false)) }
    #expect(messages.map(\.role) == ["system", "observation"])
  }

  /// The fields that a format reads are enough for it, also under other names.
  @Test(
    arguments: [nil, .alpaca]
      + DatasetType.all.filter { type in
        // The other instruction types, and those with lists of their own, have names that no key changes.
        if case .instruction = type { false } else { type != .segments && type != .pygmalion }
      })
  func `formats read their fields`(type: DatasetType?) throws {
    let talk = #"[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]"#
    let values: [RecordFields.Field: String] =
      [.label: "true", .messages: talk, .tools: "[]"].merging(
        [.ultra, .argillaChat, .conversationPairs, .orpoPairs].contains(type)
          ? [.chosen: talk, .rejected: talk].merging(type == .argillaChat ? [.completion: talk] : [:]) { $1 } : [:],
        uniquingKeysWith: { $1 })
    let read = DatasetType.fields(of: type)
    var fields = RecordFields()
    for field in RecordFields.Field.allCases { fields[field] = "my_" + field.rawValue }
    for kind in [ExampleKind.pair, .labelled, .completion] {
      let present = read.filter { kind == .pair ? $0 != .completion : $0 != .chosen && $0 != .rejected }
      let members = present.map { #""my_\#($0.rawValue)":\#(values[$0] ?? #""a text""#)"# }
      let text = "{" + members.joined(separator: ",") + "}"
      let records = try? ExampleRecord.read(try JSONValue.parse(text), type: type, kind: kind, fields: fields)
      #expect((records != nil) == (type?.kinds.contains(kind) ?? true), "\(kind)")
    }
  }
}
