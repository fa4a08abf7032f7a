// What a run was trained with reaches inference: through the run, its checkpoints and every export.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct InferenceTests {
    /// Data of one format and the keys of its run.
    struct Format: CustomTestStringConvertible, Sendable {
      let name: String
      var settings: [String] = []
      var type: String?
      /// `N` is replaced by the record's number.
      let record: String
      /// A chat's prompt as the records have it; nil for texts.
      let prompt: String?
      var rl = "dpo"

      var testDescription: String { name }

      func lines(_ numbers: ClosedRange<Int>) -> String {
        let words = ["tide", "net", "moon", "river", "stone", "wind", "summer"]
        return numbers.map { record.replacing("N", with: "\($0) \(words[$0 % words.count])") + "\n" }.joined()
      }
    }

    private static let pair =
      #""chosen": [{"role": "assistant", "content": "It turns N."}], "rejected": [{"role": "assistant", "content": "No N"}]"#
    private static let messages = #"{"prompt": [{"role": "user", "content": "Why N?"}], \#(pair)}"#
    private static let user = "<|im_start|>user\nThe sea?<|im_end|>\n<|im_start|>assistant\n"
    private static func system(_ text: String) -> String { "<|im_start|>system\n\(text)<|im_end|>\n" }

    static let formats = [
      Format(name: "texts", record: #"{"prompt": "Why N?", "chosen": " It turns N.", "rejected": " No"}"#, prompt: nil),
      Format(
        name: "texts with another end", settings: ["special_tokens.eos_token=<|endoftext|>"],
        record: #"{"prompt": "Why N?", "chosen": " It turns N.", "rejected": " No"}"#, prompt: nil),
      Format(name: "messages", record: messages, prompt: system("You are a helpful assistant.") + user),
      Format(name: "ChatML", settings: ["chat_template=chatml"], record: messages, prompt: user),
      Format(
        name: "Qwen2.5 with a system message",
        settings: ["chat_template=qwen_25", #"default_system_message="It's \"so\" {{ x }} \\ {% y %}\nthen é""#],
        record: messages, prompt: system("It's \"so\" {{ x }} \\ {% y %}\nthen é") + user),
      Format(
        name: "a system message in every record",
        record:
          #"{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why N?"}], \#(pair)}"#,
        prompt: system("Be brief.") + user),
      Format(
        name: "chatml.intel", type: "chatml.intel",
        record: #"{"question": "Why N?", "chosen": "It turns N.", "rejected": "No N"}"#, prompt: user),
      Format(
        name: "chatml.intel_prefilled", type: "chatml.intel_prefilled",
        record:
          #"{"system": "Be brief.", "question": "Why N?", "prefill": "It's:\n", "chosen": "turning N.", "rejected": "No"}"#,
        prompt: system("Be brief.") + user + "It's:\n"),
      Format(
        name: "chatml.icr", type: "chatml.icr",
        record: #"{"system": "Be brief.", "input": "Why N?", "chosen": "It turns N.", "rejected": "No N"}"#,
        prompt: system("Be brief.") + user),
      Format(
        name: "chatml.argilla", type: "chatml.argilla",
        record: #"{"instruction": "Why N?", "chosen_response": "It turns N.", "rejected_response": "No N"}"#,
        prompt: user),
      Format(
        name: "chatml.prompt_pairs", type: "chatml.prompt_pairs",
        record: #"{"prompt": "Why N?", "chosen": "It turns N.", "rejected": "No N"}"#, prompt: user),
      Format(
        name: "chatml.ultra", type: "chatml.ultra",
        record:
          #"{"prompt": "Why N?", "chosen": [{"role": "user", "content": "Why N?"}, {"role": "assistant", "content": "So"}], "rejected": [{"role": "user", "content": "Why N?"}, {"role": "assistant", "content": "No"}]}"#,
        prompt: user),
      Format(
        name: "chat_template pairs", type: "chat_template",
        record:
          #"{"messages": [{"role": "user", "content": "Why N?"}], "chosen": {"role": "assistant", "content": "So"}, "rejected": {"role": "assistant", "content": "No"}}"#,
        prompt: system("You are a helpful assistant.") + user),
      Format(
        name: "chat_template conversations", settings: ["default_system_message=Hush."], type: "chat_template",
        record:
          #"{"messages": [{"role": "user", "content": "Why N?"}, {"role": "assistant", "content": "It turns N."}]}"#,
        prompt: system("Hush.") + user, rl: ""),
      Format(
        name: "conversations",
        record:
          #"{"messages": [{"role": "user", "content": "Why N?"}, {"role": "assistant", "content": "It turns N."}]}"#,
        prompt: system("You are a helpful assistant.") + user, rl: ""),
      Format(
        name: "alpaca", type: "alpaca", record: #"{"instruction": "Why N?", "output": "It turns N."}"#, prompt: nil,
        rl: ""),
      Format(name: "running text", record: #"{"text": "Why N? It turns N."}"#, prompt: nil, rl: ""),
    ]

    /// A run of a format on a base that stops at another token than chats end in.
    private func trained(_ format: Format, steps: Int = 3) throws -> RunFixture {
      let fixture = try RunFixture(pairs: 1)
      let base = try fixture.copy("model", as: "base")
      try fixture.write("base/generation_config.json", #"{"eos_token_id": 400, "temperature": 0.5}"#)
      try fixture.write("train.jsonl", format.lines(1...6))
      try fixture.write("held.jsonl", format.lines(11...14))
      let type = format.type.map { [$0] } ?? []
      let ending = try fixture.start(
        .alone,
        ["base_model=\(base)", "datasets=[{path: train.jsonl\(type.map { ", type: \($0)" }.joined())}]"]
          + [
            "test_datasets=[{path: held.jsonl\(type.map { ", type: \($0)" }.joined())}]", "max_steps=\(steps)",
            "save_steps=\(steps)",
          ]
          + ["rl=\(format.rl)", "learning_rate=1e-2", "lora_dropout=0"] + format.settings
      ).wait()
      #expect(ending.code == 0, "\(ending.errors)")
      return fixture
    }

    private func export(_ fixture: RunFixture, _ format: String, as name: String, _ flags: String...) throws {
      let arguments = ["export", "--model", fixture.path("base"), "--adapter", fixture.path("run")]
      let ending = try Job(
        [Job.program] + arguments + ["--format", format, "--out", fixture.path(name)] + flags, in: fixture
      ).wait()
      #expect(ending.code == 0, "\(ending.errors)")
    }

    /// Where the trained model is: flags for it.
    private static func models(_ fixture: RunFixture, steps: Int = 3) -> [[String]] {
      let base = ["--model", fixture.path("base"), "--adapter"]
      return [
        base + [fixture.path("run")], base + [fixture.path("run/checkpoint-\(steps)")],
        base + [fixture.path("adapter")],
        ["--model", fixture.path("merged")],
      ]
    }

    @Test(arguments: formats)
    func `evaluation, scores and answers are the same everywhere`(format: Format) throws {
      let fixture = try trained(format)
      try export(fixture, "merged", as: "merged", "--dtype", "f32")
      try export(fixture, "adapter", as: "adapter")
      let last = try #require(fixture.metrics().last { $0["eval_loss"] != nil })
      var answers: [JSONValue?] = []
      for (place, flags) in Self.models(fixture).enumerated() {
        let out = fixture.path("scores-\(place).jsonl")
        let arguments = ["score"] + flags + ["--data", fixture.path("held.jsonl"), "--out", out]
        let scored = try Job(
          [Job.program] + arguments + (format.type.map { ["--type", $0] } ?? []), in: fixture
        ).wait()
        #expect(scored.code == 0, "\(scored.errors)")
        let lines = try fixture.text("scores-\(place).jsonl").split(separator: "\n").map {
          try JSONValue.parse(String($0))
        }
        #expect(lines.count == 4)
        for name in format.rl == "dpo" ? ["chosen", "rejected"] : ["completion"] {
          let sums = lines.compactMap { $0[name]?["logp"]?.double }
          let tokens = lines.compactMap { $0[name]?["tokens"]?.int }.reduce(0, +)
          let evaluated =
            format.rl == "dpo"
            ? try #require(last["eval_logps/\(name)"]?.double) * 4 / Double(tokens)
            : -(try #require(last["eval_loss"]?.double))
          #expect(abs(sums.reduce(0, +) / Double(tokens) - evaluated) < 1e-5, "\(flags) \(name)")
        }

        let asked = ["--prompt", "The sea?", "--greedy", "--json", "--max-new-tokens", "20"]
        let answer = try Job([Job.program, "generate"] + flags + asked, in: fixture).wait()
        #expect(answer.code == 0, "\(answer.errors)")
        #expect(answer.errors.contains("the prompt is taken as it is") == (format.prompt == nil), "\(answer.errors)")
        if format.prompt == nil {
          try fixture.write("chat.json", #"[{"role": "user", "content": "a"}]"#)
          let chat = ["--messages", fixture.path("chat.json"), "--max-new-tokens", "1"]
          let told = try Job([Job.program, "generate"] + flags + chat, in: fixture).wait()
          #expect(told.errors.contains("was trained on plain texts, and this is a chat"), "\(told.errors)")
        }
        let json = try JSONValue.parse(answer.output)
        answers.append(["ids": json["ids"] ?? .null, "prompt": json["prompt_tokens"] ?? .null])
        if let prompt = format.prompt {
          let chat = try Job(
            [Job.program, "tokenize"] + flags + ["--chat", "--generation-prompt"], in: fixture,
            input: #"[{"role": "user", "content": "The sea?"}]"# + "\n"
          ).wait()
          let text = try fixture.shoal(
            "tokenize", "--model", fixture.path("base"), "--decode", input: chat.output
          ).output
          #expect(try JSONValue.parse(text).string == prompt, "\(flags)")
        }
      }
      #expect(Set(answers.map { $0?.serialized() }).count == 1, "\(answers)")
    }

    @Test func `a base that was tuned on chats stops where their turns end`() throws {
      let format = Format(
        name: "",
        record: #"{"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So"}]}"#,
        prompt: nil, rl: "")
      let fixture = try trained(format, steps: 60)
      try export(fixture, "merged", as: "merged", "--dtype", "f32")
      try export(fixture, "adapter", as: "adapter")
      for flags in Self.models(fixture, steps: 60) {
        let answer = try Job(
          [Job.program, "generate"] + flags + ["--prompt", "Why?", "--greedy", "--json"], in: fixture
        ).wait()
        let json = try JSONValue.parse(answer.output)
        #expect(json["finish_reason"]?.string == "stop" && json["text"]?.string == "So", "\(answer.output)")
      }
      for file in [
        "run/generation_config.json", "run/checkpoint-60/generation_config.json", "merged/generation_config.json",
      ] {
        let json = try JSONValue.parse(fixture.text(file))
        #expect(json["eos_token_id"] == [400, 402] && json["temperature"] == 0.5, "\(file)")
      }
    }

    @Test func `flags choose another template and another system message`() throws {
      let fixture = try trained(try #require(Self.formats.first { $0.name == "ChatML" }))
      try fixture.write("none.jinja", fixture.text("run/chat_template.jinja"))
      func tokens(_ arguments: String...) throws -> String {
        let chat = try Job(
          [Job.program, "tokenize", "--model", fixture.path("base"), "--chat"] + arguments, in: fixture,
          input: #"[{"role": "user", "content": "The sea?"}]"# + "\n"
        ).wait()
        #expect(chat.code == 0, "\(chat.errors)")
        let ids = try fixture.shoal("tokenize", "--model", fixture.path("base"), "--decode", input: chat.output)
        return try JSONValue.parse(ids.output).string ?? ""
      }
      let (run, user) = (fixture.path("run"), "<|im_start|>user\nThe sea?<|im_end|>\n")
      #expect(try tokens("--adapter", run) == user)
      #expect(try tokens("--adapter", run, "--system", "Hush.") == Self.system("Hush.") + user)
      #expect(try tokens("--system", "") == user)
      #expect(try tokens("--chat-template", fixture.path("none.jinja")) == user)
      let helpful = Self.system("You are a helpful assistant.") + user
      #expect(try tokens() == helpful)
      #expect(try tokens("--adapter", run, "--chat-template", "tokenizer_default") == helpful)

      let generate = ["generate", "--model", fixture.path("base"), "--adapter", run, "--prompt", "a"]
      let said = try Job([Job.program] + generate + ["--max-new-tokens", "1"], in: fixture).wait()
      #expect(
        said.errors.contains("chats are rendered as \(run) was trained: ChatML, no system message"), "\(said.errors)")
      let unknown = try Job([Job.program] + generate + ["--chat-template", "chatlm"], in: fixture).wait()
      #expect(
        unknown.code == 64 && unknown.errors.contains("expected one of tokenizer_default, chatml"), "\(unknown.errors)")
    }

    @Test func `an adapter on another base is told`() throws {
      let fixture = try trained(try #require(Self.formats.first { $0.name == "messages" }))
      let other = try fixture.copy("model", as: "other")
      var config = try fixture.text("other/config.json")
      config = config.replacing("\"rms_norm_eps\": 1e-06", with: "\"rms_norm_eps\": 2e-06")
      try fixture.write("other/config.json", config)
      let warning = "was trained on another base: \(fixture.path("base"))"
      let flags = ["--model", other, "--adapter", fixture.path("run")]
      let generated = try Job(
        [Job.program, "generate"] + flags + ["--prompt", "a", "--max-new-tokens", "1"], in: fixture
      ).wait()
      #expect(generated.code == 0 && generated.errors.contains(warning), "\(generated.errors)")
      let scored = try Job(
        [Job.program, "score"] + flags + ["--data", fixture.path("held.jsonl"), "--out", fixture.path("s.jsonl")],
        in: fixture
      ).wait()
      #expect(scored.code == 0 && scored.errors.contains(warning), "\(scored.errors)")
      let exported = try Job(
        [Job.program, "export"] + flags + ["--format", "merged", "--out", fixture.path("merged")], in: fixture
      ).wait()
      #expect(exported.code == 0 && exported.errors.contains(warning), "\(exported.errors)")
      let trained = try fixture.start(
        .alone, ["base_model=\(other)", "lora_model_dir=\(fixture.path("run"))", "output_dir=again", "max_steps=1"]
      ).wait()
      #expect(trained.code == 0 && trained.errors.contains(warning), "\(trained.errors)")
    }
  }
}
