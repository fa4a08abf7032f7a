// Reads a file of prompts and chats.

import Checkpoints
import Corpus
import Model
import Tensors

/// Prompts of a file as token ids, in order.
struct PromptFile {
  let prompts: [[Int32]]

  /// - Parameters:
  ///   - isRaw: whether texts are taken as they are.
  ///   - allowSpecial: whether text that spells a special token becomes that token.
  /// - Throws: `FileError`, `CorpusError`, `ContentError` with the record's place; `MissingTemplate`.
  init(_ path: String, _ prompting: Prompting, isRaw: Bool, allowSpecial: Bool) throws {
    let reader = try RecordReader(path: path)
    let takesTexts = isRaw || prompting.takesTexts
    let template = takesTexts ? nil : try prompting.template()
    prompts = try (0..<reader.count).map { index in
      func mistake(_ text: String) -> ContentError { ContentError(path, "\(reader.location(index)): \(text)") }
      let record: JSONValue
      do { record = try reader.record(index) } catch { throw ContentError(path, "\(error)") }
      switch (record["prompt"], record["messages"]) {
      case (let prompt?, nil):
        guard let text = prompt.string else {
          throw mistake("prompt is \(prompt.serialized().prefix(40)), expected a text")
        }
        if takesTexts { return prompting.tokenizer.encodeBeginning(text, allowSpecial: allowSpecial) }
        let chat = try template ?? prompting.template()
        return try chat.encode(
          [ChatMessage(role: "user", content: text)], generationPrompt: true, with: prompting.tokenizer)
      case (nil, _?):
        if isRaw { throw mistake("has messages, expected a prompt: --raw takes texts") }
        let chat: ChatRequest
        do { chat = try ChatRequest(record) } catch { throw mistake("is no chat: \(error)") }
        let chosen = try template ?? prompting.template()
        return try chosen.encode(chat.messages, chat.context, generationPrompt: true, with: prompting.tokenizer)
      default: throw mistake("expected either prompt or messages")
      }
    }
  }
}
