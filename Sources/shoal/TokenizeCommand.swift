// `shoal tokenize`: JSON lines in, JSON lines out, for scripts and for comparison with other tokenizers.

import ArgumentParser
import Checkpoints
import Corpus
import Model
import Tensors

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Turns text into token ids, or back.",
    discussion: """
      Reads one JSON value per line and writes one JSON value per line. Only the tokenizer's files of the \
      model directory are needed. The ids of a text are those of transformers' tokenizer(text): if the \
      tokenizer puts a token before every text, as Llama 3's does, it is there. A chat has what its template writes.

      Example: echo '"Hello, world"' | shoal tokenize --model models/Qwen2-0.5B-Instruct
      """)

  @Option(help: ArgumentHelp("A directory with tokenizer.json, or a name of the hub.", valueName: "dir"))
  var model: String

  @Option(help: ArgumentHelp("An adapter, of which the template and the end of sequence hold.", valueName: "dir"))
  var adapter: String?

  @Flag(
    help:
      "Lines are JSON arrays of messages, or objects with messages, tools and chat_template_kwargs, rendered with the model's chat template."
  )
  var chat = false

  @OptionGroup var chatArguments: ChatArguments

  @Flag(help: "With --chat: add the header of the assistant's answer.")
  var generationPrompt = false

  @Flag(help: "Lines are JSON arrays of ids, decoded to JSON strings.")
  var decode = false

  @Flag(help: "Let text that spells a special token become that token.")
  var allowSpecial = false

  func validate() throws {
    if decode, chat || allowSpecial { throw ValidationError("--decode goes with no other option.") }
    if chat, allowSpecial {
      throw ValidationError("--chat goes without --allow-special: text in a message stays text.")
    }
    if !chat, chatArguments.areGiven {
      throw ValidationError("--chat-template, --system and --chat-template-kwargs need --chat.")
    }
    if generationPrompt, !chat { throw ValidationError("--generation-prompt needs --chat.") }
  }

  func run() throws {
    let prompting = try Prompting(
      model: HubCache.directory(of: model, for: .tokenizer),
      adapter: adapter.map { try HubCache.directory(of: $0, for: .adapter) }, chatArguments.choice)
    let tokenizer = prompting.tokenizer
    let template = chat ? try prompting.template() : nil
    var input = LineInput()
    var output = LineOutput()
    while let line = try input.next(beforeWaiting: { try output.flush() }) {
      do {
        // Any text is valid here, including the character NUL.
        let value = try JSONValue.parse(line, by: .anyText)
        if decode {
          output.append(.string(tokenizer.decode(try Self.ids(value, tokenizer))))
        } else if let template {
          let chat = try ChatRequest(value)
          output.append(
            try template.encode(chat.messages, chat.context, generationPrompt: generationPrompt, with: tokenizer))
        } else {
          guard let text = value.string else { throw InputProblem("expected a JSON string") }
          output.append(tokenizer.encodeWhole(text, allowSpecial: allowSpecial))
        }
      } catch {
        try output.flush()
        throw LineError(line: input.lineNumber, reason: Self.reason(error))
      }
    }
    try output.flush()
  }

  private static func ids(_ value: JSONValue, _ tokenizer: Tokenizer) throws -> [Int32] {
    guard let elements = value.array else { throw InputProblem("expected a JSON array of ids") }
    return try elements.map { element in
      guard let id = element.int, 0..<tokenizer.vocabularyBound ~= id else {
        throw InputProblem(
          "\(element.serialized().prefix(80)) is no id of this tokenizer, expected 0 to "
            + "\(tokenizer.vocabularyBound - 1)")
      }
      return Int32(id)
    }
  }

  private static func reason(_ error: any Error) -> String {
    // The input is a single line, so the byte offset is enough.
    (error as? JSONSyntaxError).map { "not valid JSON at byte \($0.byteOffset): \($0.reason)" } ?? "\(error)"
  }
}
