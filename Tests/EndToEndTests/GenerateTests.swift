// Tests `shoal generate` from the user's side.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct GenerateTests {
    private func generate(_ fixture: RunFixture, _ arguments: [String], model: String = TinyFixture.path("model"))
      throws
      -> ProcessResult
    { try Job([Job.program, "generate", "--model", model] + arguments, in: fixture).wait() }

    private func answer(_ fixture: RunFixture, _ arguments: String..., model: String = TinyFixture.path("model")) throws
      -> JSONValue
    {
      let ending = try generate(fixture, arguments + ["--json"], model: model)
      #expect(ending.code == 0 && ending.errors.isEmpty, "\(ending.errors)")
      return try JSONValue.parse(ending.output)
    }

    private static let adapter = ["--adapter", TinyFixture.path("adapter")]

    @Test func `a prompt is one message of a chat, raw is itself`() throws {
      let fixture = try RunFixture()
      try fixture.write("chat.json", #"[{"role": "user", "content": "The sea?"}]"#)
      let asked = try answer(fixture, "--prompt", "The sea?", "--max-new-tokens", "9")
      let chat = try answer(fixture, "--messages", fixture.path("chat.json"), "--max-new-tokens", "9")
      #expect(asked["ids"] == chat["ids"] && asked["ids"]?.array?.count == 9)
      #expect(asked["finish_reason"]?.string == "length" && (asked["tokens_per_second"]?.double ?? 0) > 0)
      let raw = try answer(fixture, "--prompt", "The sea?", "--raw", "--max-new-tokens", "9")
      let count = try fixture.shoal(
        "tokenize", "--model", TinyFixture.path("model"), input: "\"The sea?\"\n"
      ).output.split(separator: ",").count
      #expect(raw["prompt_tokens"]?.int == count && asked["prompt_tokens"]?.int ?? 0 > count)
      // The same chat, written out.
      let system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
      let written = system + "<|im_start|>user\nThe sea?<|im_end|>\n<|im_start|>assistant\n"
      let special = try answer(fixture, "--prompt", written, "--raw", "--allow-special", "--max-new-tokens", "9")
      #expect(special["ids"] == asked["ids"])
      let text = try answer(fixture, "--prompt", written, "--raw", "--max-new-tokens", "9")
      #expect(text["prompt_tokens"]?.int ?? 0 > special["prompt_tokens"]?.int ?? .max)
    }

    @Test func `the stream is the text, whatever the threads`() throws {
      let fixture = try RunFixture()
      let options = ["--prompt", "The sea?", "--temperature", "1.5", "--seed", "3", "--max-new-tokens", "60"]
      let streams = try ["1", "2"].map { try generate(fixture, options + ["--threads", $0]) }
      #expect(streams[0].code == 0 && streams[0].output == streams[1].output)
      let whole = try JSONValue.parse(try generate(fixture, options + ["--json"]).output)
      #expect(streams[0].output == (whole["text"]?.string ?? "") + "\n")
      let other = try generate(fixture, options + ["--seed", "4"])
      #expect(other.output != streams[0].output)
    }

    @Test func `an adapter, merged weights and NF4`() throws {
      let fixture = try RunFixture()
      let options = ["--prompt", "a", "--raw", "--max-new-tokens", "30", "--json"]
      let adapted = try generate(fixture, options + Self.adapter)
      let plain = try generate(fixture, options)
      let merged = try fixture.shoal(
        "export", "--model", TinyFixture.path("model"), "--adapter", TinyFixture.path("adapter"), "--format", "merged",
        "--dtype", "f32", "--out", fixture.path("merged"))
      #expect(merged.code == 0, "\(merged.errors)")
      func ids(_ ending: ProcessResult) throws -> JSONValue? { try JSONValue.parse(ending.output)["ids"] }
      #expect(try ids(adapted) != ids(plain))
      #expect(try ids(generate(fixture, options, model: fixture.path("merged"))) == ids(adapted))
      // This model's rows are not whole blocks.
      let refused = try generate(fixture, options + ["--load-in-4bit"])
      #expect(refused.code == 64 && refused.errors.contains("64"), "\(refused.errors)")
      let both = try generate(fixture, options + ["--load-in-4bit", "--load-in-8bit"])
      #expect(both.code == 64 && both.errors.contains("two forms of one base: give one"), "\(both.errors)")
      // In int8: all of its answer's tokens, with and without an adapter, one prompt or several.
      let int8 = try generate(fixture, options + ["--load-in-8bit"])
      #expect(int8.code == 0, "\(int8.errors)")
      #expect(try ids(int8)?.array?.count == 30)
      let adaptedInInt8 = try generate(fixture, options + ["--load-in-8bit"] + Self.adapter)
      #expect(adaptedInInt8.code == 0, "\(adaptedInInt8.errors)")
      #expect(try ids(adaptedInInt8) != ids(int8))
      for flags in [["--no-load-in-8bit"], ["--no-load-in-4bit"], ["--no-load-in-4bit", "--no-load-in-8bit"]] {
        #expect(try ids(generate(fixture, options + flags)) == ids(plain), "\(flags)")
      }
    }

    @Test func `a model's own settings hold until flags say otherwise`() throws {
      let fixture = try RunFixture()
      let model = try fixture.copy("model", as: "own")
      let greedy = try answer(fixture, "--prompt", "a", "--max-new-tokens", "20", model: model)
      let ids = (greedy["ids"]?.array ?? []).compactMap(\.int)
      try fixture.write(
        "own/generation_config.json",
        """
        {"do_sample": true, "temperature": 3.0, "top_k": 0, "max_new_tokens": 12, "eos_token_id": [401, 402],
         "num_beams": 4}
        """)
      let own = try generate(fixture, ["--prompt", "a", "--json"], model: model)
      #expect(own.errors.contains("not supported: num_beams"))
      let drawn = try JSONValue.parse(own.output)["ids"]?.array?.compactMap(\.int) ?? []
      #expect(drawn.count <= 12 && drawn != Array(ids.prefix(drawn.count)))
      for flags in [["--greedy"], ["--temperature", "0"], ["--top-k", "1"], ["--top-p", "0"]] {
        let ending = try generate(fixture, ["--prompt", "a", "--json", "--max-new-tokens", "20"] + flags, model: model)
        #expect(try JSONValue.parse(ending.output)["ids"] == greedy["ids"], "\(flags)")
      }
      let stop = ids[5]
      try fixture.write("own/generation_config.json", "{\"eos_token_id\": [402, \(stop)]}")
      let stopped = try answer(fixture, "--prompt", "a", model: model)
      #expect(stopped["finish_reason"]?.string == "stop" && stopped["ids"]?.array?.last?.int == stop)
    }

    @Test func `a greedy answer needs no values to draw with`() throws {
      let fixture = try RunFixture()
      let usual = try answer(fixture, "--prompt", "a", "--max-new-tokens", "6")["ids"]
      let model = try fixture.copy("model", as: "own")
      let settings = #""temperature": 0.0, "top_p": 2, "top_k": -1, "min_p": 0.1, "num_beams": 3"#
      try fixture.write("own/generation_config.json", "{\"do_sample\": false, \(settings)}")
      let greedy = try generate(fixture, ["--prompt", "a", "--max-new-tokens", "6", "--json"], model: model)
      #expect(try JSONValue.parse(greedy.output)["ids"] == usual)
      try fixture.write("own/generation_config.json", "{\"do_sample\": true, \(settings)}")
      let drawn = try generate(fixture, ["--prompt", "a", "--top-p", "0.9", "--max-new-tokens", "6"], model: model)
      #expect(drawn.code == 64 && drawn.errors.contains("\"temperature\" is 0.0, expected a number above 0"))
      for arguments in [["--greedy"], ["--temperature", "0", "--top-k", "-1"], ["--greedy", "--top-k", "-1"]] {
        let ending = try generate(
          fixture, ["--prompt", "a", "--max-new-tokens", "6", "--json"] + arguments, model: model)
        #expect(try JSONValue.parse(ending.output)["ids"] == usual)
        #expect(ending.errors.contains("generation_config.json: not supported: num_beams\n"))
      }
    }

    @Test func `what cannot be done is told`() throws {
      let fixture = try RunFixture()
      try fixture.write("chat.json", #"[{"role": "user"}]"#)
      try fixture.write("half.json", #"[{"role": "user", "#)
      try fixture.write("empty.json", "[]")
      let bare = try fixture.copy("model-untied", as: "bare")
      let broken = try fixture.copy("model", as: "broken")
      try fixture.write("broken/generation_config.json", #"{"do_sample": true, "temperature": -1, "top_k": "many"}"#)
      let prompt = ["--prompt", "a"]
      let mistakes: [([String], String, String)] = [
        ([], TinyFixture.path("model"), "one of --prompt, --messages and --file"),
        (prompt + ["--messages", "x"], TinyFixture.path("model"), "one of --prompt, --messages and --file"),
        (
          ["--messages", fixture.path("chat.json"), "--raw"], TinyFixture.path("model"), "--raw goes without --messages"
        ),
        (
          ["--messages", fixture.path("chat.json")], TinyFixture.path("model"),
          "chat.json: is no chat: field \"messages[0].content\""
        ),
        (["--messages", fixture.path("half.json")], TinyFixture.path("model"), "half.json: is not valid JSON"),
        (["--messages", fixture.path("empty.json")], TinyFixture.path("model"), "the chat has no messages"),
        (["--messages", fixture.path("none.json")], TinyFixture.path("model"), "none.json"),
        (["--prompt", "", "--raw"], TinyFixture.path("model"), "the prompt is empty"),
        (prompt + ["--max-new-tokens", "600"], TinyFixture.path("model"), "600 new ones are asked for, together 6"),
        (["--prompt", String(repeating: "a ", count: 900)], TinyFixture.path("model"), "expected at most 512"),
        (prompt + ["--max-new-tokens", "0"], TinyFixture.path("model"), "--max-new-tokens is 0"),
        (prompt + ["--top-p", "1.1"], TinyFixture.path("model"), "--top-p is 1.1, expected 0 to 1"),
        (prompt + ["--top-k", "-2"], TinyFixture.path("model"), "--top-k is -2"),
        (prompt + ["--temperature", "nan"], TinyFixture.path("model"), "--temperature is nan"),
        (prompt + ["--repetition-penalty", "0"], TinyFixture.path("model"), "--repetition-penalty is 0.0"),
        (prompt + ["--greedy", "--temperature", "0.5"], TinyFixture.path("model"), "--greedy draws nothing"),
        (["--file", "x.jsonl"], TinyFixture.path("model"), "--file and --out go together"),
        (prompt + ["--allow-special"], TinyFixture.path("model"), "--allow-special needs --raw"),
        (prompt + ["--threads", "0"], TinyFixture.path("model"), "--threads is 0"),
        (prompt, bare, "tokenizer.json"), (prompt, broken, "broken/generation_config.json: 2 problems"),
        (
          prompt + ["--adapter", TinyFixture.path("adapter-untied")], TinyFixture.path("model"), "another rank or model"
        ),
        (prompt, fixture.path("nowhere"), "nowhere"),
      ]
      for (arguments, model, says) in mistakes {
        let ending = try generate(fixture, arguments, model: model)
        #expect(ending.code == 64 && ending.output.isEmpty, "\(arguments): \(ending.code) \(ending.output)")
        #expect(ending.errors.contains(says), "\(arguments): \(ending.errors)")
      }
    }

    @Test func `the last prompt that fits is answered`() throws {
      let fixture = try RunFixture()
      let base = try answer(fixture, "--prompt", "", "--max-new-tokens", "1")["prompt_tokens"]?.int ?? 0
      // Without an explicit number, the answer may use the rest of the context.
      let text = String(repeating: "!", count: 512 - base - 2)
      let full = try answer(fixture, "--prompt", text)
      #expect(full["prompt_tokens"]?.int == 510 && full["ids"]?.array?.count ?? 9 <= 2)
    }
  }
}
