// `shoal generate`: reads a prompt and prints text as it is generated.

import ArgumentParser
import Checkpoints
import Corpus
import Foundation
import Model
import Runtime
import Tensors
import Training

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Answers a prompt with a model.",
    discussion: """
      Text goes to stdout as it is made, special tokens left out. What is not given comes from the model's \
      generation_config.json, with the meanings it has in transformers: do_sample, temperature, top_k, top_p, \
      repetition_penalty, max_new_tokens, max_length, and the ids that end an answer. --temperature (above 0), --top-k and --top-p \
      switch sampling on, --greedy and --temperature 0 switch it off.

      With --file many prompts are answered at once, under mpirun by all ranks; each answer is the one that it is alone. \
      What was answered is kept in OUT.partial until all are: a command that was interrupted goes on there.

      Example: shoal generate --model models/Qwen2-0.5B-Instruct --adapter runs/dpo --prompt 'Why do shoals turn?'
      """)

  @OptionGroup var arguments: ModelArguments

  @Option(help: ArgumentHelp("What the user says; it becomes a chat of one message.", valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp(
      "A chat: a JSON array of messages, or an object with messages, tools and chat_template_kwargs.", valueName: "file"
    ))
  var messages: String?

  @Option(
    help: ArgumentHelp(
      "Many prompts: records with prompt, or with messages and what else a chat has. Goes with --out.",
      valueName: "file"))
  var file: String?

  @Option(
    help: ArgumentHelp(
      "Where the answers to --file go: a line of JSON for each, with index, text, ids and finish_reason.",
      valueName: "file"))
  var out: String?

  @Flag(help: "Replace the file that --out names.")
  var overwrite = false

  @Flag(help: "Take the prompt as it is, without the model's chat template.")
  var raw = false

  @Flag(help: "With --raw: let text that spells a special token become that token.")
  var allowSpecial = false

  @Option(
    help: ArgumentHelp(
      "The most tokens of the answer; 512 if the model says nothing, or what its context leaves.", valueName: "n"))
  var maxNewTokens: Int?

  @Flag(help: "Always take the most probable token.")
  var greedy = false

  @Option(help: ArgumentHelp("What logits are divided by.", valueName: "t"))
  var temperature: Double?

  @Option(help: ArgumentHelp("Draw from the most probable tokens that make up this share.", valueName: "p"))
  var topP: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Draw from this many of the most probable tokens; 0 or -1: all.", valueName: "k"))
  var topK: Int?

  @Option(help: ArgumentHelp("What positive logits of tokens that were there already are divided by.", valueName: "r"))
  var repetitionPenalty: Double?

  @Option(help: ArgumentHelp("Seed of all draws.", valueName: "n"))
  var seed: UInt64 = 42

  @Flag(help: "One JSON object at the end: text, ids, finish_reason, tokens_per_second and more.")
  var json = false

  func validate() throws {
    guard [prompt, messages, file].compactMap(\.self).count == 1 else {
      throw ValidationError("Give one of --prompt, --messages and --file.")
    }
    guard (file == nil) == (out == nil) else { throw ValidationError("--file and --out go together.") }
    if overwrite, out == nil { throw ValidationError("--overwrite goes with --out.") }
    if json, file != nil { throw ValidationError("--json goes without --file, whose answers are JSON.") }
    if raw, messages != nil { throw ValidationError("--raw goes without --messages.") }
    if raw, arguments.chat.areGiven {
      throw ValidationError("--raw goes without --chat-template, --system and --chat-template-kwargs.")
    }
    if allowSpecial, !raw { throw ValidationError("--allow-special needs --raw: text in a message stays text.") }
    if let maxNewTokens, !(1...1_000_000_000 ~= maxNewTokens) {
      throw ValidationError("--max-new-tokens is \(maxNewTokens), expected 1 to 1000000000.")
    }
    if let topK, topK < -1 { throw ValidationError("--top-k is \(topK), expected at least 0, or -1.") }
    if let topP, !SamplingRules.isTopP(topP) { throw ValidationError("--top-p is \(topP), expected 0 to 1.") }
    if let temperature, temperature != 0, !SamplingRules.isTemperature(temperature) {
      throw ValidationError("--temperature is \(temperature), expected 0 or a number above it.")
    }
    if let repetitionPenalty, !SamplingRules.isPenalty(repetitionPenalty) {
      throw ValidationError("--repetition-penalty is \(repetitionPenalty), expected a number above 0.")
    }
    if greedy, [temperature, topP].contains(where: { $0 != nil && $0 != 0 }) || (topK ?? 0) > 0 {
      throw ValidationError("--greedy draws nothing: it goes without --temperature, --top-p and --top-k.")
    }
  }

  func run() throws {
    if let file, let out { answer(file, into: out) }
    let model = try arguments.open()
    let (tokenizer, defaults) = (model.prompting.tokenizer, try model.prompting.generation(model.configuration))
    let ids = try promptIDs(model)
    let options = try options(defaults, prompt: ids.count, context: model.configuration.maximumPositions)
    defaults.printIgnoredKeys(draws: options.rules.draws)
    let generator = try Generator(
      model.policy(arguments.load(model)), capacity: ids.count + options.maximumNewTokens,
      threads: arguments.threadsAlone)
    let stop = StopRequest()
    stop.watchSignals { Foundation.exit(ShoalExit.failure) }
    var stream = TextStream(tokenizer)
    var output = LineOutput()
    let answer = try generator.generate(
      prompt: ids, options, isStopped: { stop.isAsked },
      onToken: { id in
        guard !json else { return }
        output.append(stream.append(id))
        try output.flush()
      })
    if json {
      output.append(Self.object(answer, tokenizer))
    } else {
      output.append(stream.finish() + "\n")
    }
    try output.flush()
    guard answer.finishReason != .interrupted else {
      Console.print("shoal: interrupted after \(answer.ids.count) tokens")
      throw ExitCode(ShoalExit.failure)
    }
  }

  private func promptIDs(_ model: OpenedModel) throws -> [Int32] {
    let encoder = PromptEncoder(model.prompting, isRaw: raw, allowsSpecial: allowSpecial)
    if let prompt {
      if encoder.takesTexts, !raw {
        Console.print(
          "the prompt is taken as it is, as in the training of \(arguments.adapter ?? arguments.model); "
            + "--chat-template makes it a chat")
      }
      return try encoder.ids(prompt)
    }
    if let notice = model.prompting.chatNotice { Console.print(notice) }
    let path = messages ?? ""
    let json = try JSONValue.read(file: path)
    do {
      return try encoder.ids(chat: json)
    } catch let error as MissingTemplate {
      throw error
    } catch {
      throw ContentError(path, "is no chat: \(error)")
    }
  }

  func options(_ defaults: GenerationDefaults, prompt: Int, context: Int) throws -> GenerationOptions {
    var rules = defaults.rules
    if temperature != nil || topP != nil || topK != nil { rules.draws = true }
    if greedy || temperature == 0 { rules.draws = false }
    if let temperature, temperature > 0 { rules.temperature = temperature }
    rules.topP = topP ?? rules.topP
    rules.topK = topK.map { max($0, 0) } ?? rules.topK
    if rules.draws {
      let given = [temperature.map { _ in "temperature" }, topP.map { _ in "top_p" }, topK.map { _ in "top_k" }]
      try defaults.checkSampling(except: given.compactMap(\.self))
    }
    rules.repetitionPenalty = repetitionPenalty ?? rules.repetitionPenalty
    // Only a number that the user gave is binding.
    let usual = defaults.maximumNewTokens ?? defaults.maximumLength.map { max($0 - prompt, 1) } ?? 512
    let new = maxNewTokens ?? min(usual, max(context - prompt, 1))
    var options = GenerationOptions(rules: rules, maximumNewTokens: new)
    options.seed = seed
    options.stopIDs = defaults.stopIDs
    return options
  }

  private static func object(_ answer: Generation, _ tokenizer: Tokenizer) -> JSONValue {
    [
      "text": .string(TextStream.text(of: answer.ids, tokenizer)),
      "ids": .array(answer.ids.map { .integer(Int64($0)) }),
      "finish_reason": .string(answer.finishReason.rawValue), "tokens_per_second": .number(answer.tokensPerSecond),
      "prompt_tokens": .integer(Int64(answer.promptTokens)),
      "prompt_tokens_per_second": .number(answer.promptTokensPerSecond),
    ]
  }
}
