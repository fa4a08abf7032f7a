import Corpus
import Testing
import Training

/// The keys of a data set that say what its records are.
@Suite struct RecordKeyTests {
  private func source(_ lines: String..., rl: String = "") throws -> Dataset.Source {
    let run = try read(lines, rl: rl)
    // What is written reads back.
    #expect(try configuration(run.resolvedYAML).datasets == run.datasets)
    return run.datasets[0]
  }

  private func yaml(_ lines: [String], rl: String) -> String {
    "base_model: m\nadapter: lora\nlearning_rate: 1e-4\noutput_dir: o\nrl: \(rl)\ndatasets:\n  - path: a.jsonl\n"
      + lines.map { "    \($0)\n" }.joined()
  }

  private func read(_ lines: [String], rl: String = "") throws -> RunConfiguration {
    try configuration(yaml(lines, rl: rl))
  }

  @Test func `roles may be any`() throws {
    let fields = try source(
      "type: chat_template", "roles: {user: human, assistant: [gpt, bot], tool: [observation], developer: [developer]}"
    ).fields
    #expect(
      fields.roles == [
        "user": ["human"], "assistant": ["gpt", "bot"], "tool": ["observation"], "developer": ["developer"],
      ])
  }

  @Test func `parts of messages have any names`() throws {
    let fields = try source(
      "type: chat_template", "message_property_mappings: {role: from, content: value, name: who}"
    ).fields
    #expect(fields.role == "from" && fields.content == "value" && fields.properties == ["name": "who"])
    let older = try source(
      "type: chat_template", "message_field_role: from", "message_field_content: value")
    #expect(older.fields.role == "from" && older.fields.content == "value" && older.fields.properties.isEmpty)
    let found = problems(
      yaml(["message_field_role: a", "message_property_mappings: {role: b}"], rl: ""))
    #expect(found.count == 1 && found[0].contains("another name of `message_property_mappings.role`"))
  }

  @Test func `what is trained is said by keys`() throws {
    let turns = try source(
      "type: chat_template", "roles_to_train: []", "train_on_eos: false", "train_on_eot: last",
      "message_field_training: train", "message_field_training_detail: detail", "drop_system_message: true",
      "split_thinking: true", "field_thinking: thoughts"
    ).fields
    #expect(turns.turns.roles == [] && turns.turns.endOfSequence == TurnTraining.Ends.none)
    #expect(turns.turns.endOfTurn == .last && turns.training == "train" && turns.trainingDetail == "detail")
    #expect(turns.dropsSystemMessage && turns.splitsThinking && turns.thinking == "thoughts")
    #expect(
      try source("type: chat_template", "roles_to_train: [gpt]", "train_on_eos: all").fields.turns.roles == ["gpt"])
    #expect(problems(yaml(["type: chat_template", "train_on_eos: some"], rl: "")).count == 1)
    // Another type does not have them.
    let other = try read(["type: alpaca", "roles_to_train: [user]"])
    #expect(other.datasets[0].fields.turns.roles == ["assistant"])
    #expect(other.ignoredKeys.contains("datasets.0.roles_to_train"))
  }

  @Test func `eot_tokens are the run's`() throws {
    let run = try configuration(yaml(["type: chat_template"], rl: "") + "eot_tokens: [\"<|im_end|>\"]\n")
    #expect(run.datasets[0].fields.turns.endOfTurnTokens == ["<|im_end|>"])
    #expect(try configuration(run.resolvedYAML) == run)
  }

  @Test func `sharegpt has keys of its own`() throws {
    let source = try source("type: sharegpt", "conversation: chatml", "field_human: q", "field_model: a")
    #expect(source.type == .shareGPT && source.template == .named(.chatml))
    #expect(source.fields.roles == ["user": ["human", "user", "q"], "assistant": ["gpt", "assistant", "a"]])
    // The run's own template comes first, and data sets without one do not count.
    let named = try configuration(
      yaml(["type: sharegpt", "conversation: chatml"], rl: "") + "chat_template: qwen_25\n")
    #expect(named.chatTemplate == .named(.qwen25))
    let mixed = try configuration(
      yaml(["type: sharegpt", "conversation: chatml"], rl: "") + "  - {path: b.jsonl, type: alpaca}\n")
    #expect(mixed.chatTemplate == .named(.chatml))
    let older = try self.source("type: sharegpt:chat", "roles: {input: [human], output: [gpt]}")
    #expect(older.fields.roles == ["user": ["human"], "assistant": ["gpt"]])
    let run = try read(["type: sharegpt.load_role", "conversation: llama-3", "strict: false", "system_prompt: x"])
    #expect(
      run.ignoredKeys.sorted() == [
        "datasets.0.conversation (chat_template renders)", "datasets.0.strict", "datasets.0.system_prompt",
      ])
  }

  @Test func `a type may be a mapping`() throws {
    let own = try source(
      "type:", "  field_prompt: q", "  prompt_format: \"Q: {prompt}\"", "  chosen_format: \"\"", rl: "dpo")
    #expect(
      own.type == .own(try OwnFormat(["field_prompt": "q", "prompt_format": "Q: {prompt}", "chosen_format": ""])))
    #expect(problems(yaml(["type:", "  formatt: x"], rl: "")).first?.contains("did you mean `format`?") == true)
    #expect(problems(yaml(["type:", "  format: \"{prompt}\""], rl: "")).first?.contains("{prompt} is unknown") == true)
    #expect(problems(yaml(["type:", "  format: 7"], rl: "")).first?.contains("expected text") == true)
    // Keys of another objective.
    let mixed = try read(["type:", "  field_prompt: q", "  format: x"], rl: "dpo")
    #expect(mixed.ignoredKeys == ["datasets.0.type.format"])
    #expect(problems(yaml(["type:", "  format: x"], rl: "dpo")).count == 1)
  }

  @Test(
    arguments: [
      ("dpo", "completion", "nothing that is preferred"), ("dpo", "alpaca", "nothing that is preferred"),
      ("kto", "input_output", "nothing that is preferred"), ("kto", "chat_template", "no labels"),
      ("", "chat_template.argilla_chat", "set `rl`"), ("orpo", "sharegpt", "nothing that is preferred"),
    ])
  func `a type must have what the objective learns from`(rl: String, type: String, reason: String) {
    let batch = rl == "kto" ? "\nmicro_batch_size: 2\n" : ""
    let found = problems(yaml(["type: \(type)"], rl: rl) + batch)
    #expect(found.count == 1 && found[0].contains(reason) && found[0].contains("datasets.0.type"), "\(found)")
  }
}
