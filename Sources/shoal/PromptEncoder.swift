// Prompts as token ids: texts as they are, or chats as the model's template renders them.

import Checkpoints
import Corpus
import Model
import Runtime

/// Encodes the prompts of a command.
struct PromptEncoder {
  /// Whether texts are taken as they are, because the caller or the adapter's training says so.
  let takesTexts: Bool
  private let prompting: Prompting
  private let allowsSpecial: Bool

  /// - Parameters:
  ///   - isRaw: whether texts are taken as they are.
  ///   - allowsSpecial: whether text that spells a special token becomes that token.
  init(_ prompting: Prompting, isRaw: Bool, allowsSpecial: Bool) {
    (self.prompting, self.allowsSpecial) = (prompting, allowsSpecial)
    takesTexts = isRaw || prompting.takesTexts
  }

  /// - Throws: `MissingTemplate`; `ChatError` if the template refuses the chat.
  func ids(_ text: String) throws -> [Int32] {
    if takesTexts { return prompting.tokenizer.encodeBeginning(text, allowSpecial: allowsSpecial) }
    return try ids([ChatMessage(role: "user", content: text)], ChatTemplate.Context())
  }

  /// - Parameter chat: a list of messages, or an object with `messages` and what else a chat has.
  /// - Throws: `MissingTemplate`; `RecordProblem` for what is no chat, `ChatError`.
  func ids(chat: JSONValue) throws -> [Int32] {
    // Without a template no chat is wrong.
    _ = try prompting.template()
    let request = try ChatRequest(chat)
    return try ids(request.messages, request.context)
  }

  private func ids(_ messages: [ChatMessage], _ context: ChatTemplate.Context) throws -> [Int32] {
    try prompting.template().encode(messages, context, generationPrompt: true, with: prompting.tokenizer)
  }

  /// The prompts of a file, in order.
  /// - Throws: `FileError`, `CorpusError`, `ContentError` with the record's place; `MissingTemplate`.
  func prompts(ofFile path: String) throws -> [[Int32]] {
    let reader = try RecordReader(path: path)
    return try (0..<reader.count).map { index in
      func mistake(_ text: String) -> ContentError { ContentError(path, "\(reader.location(index)): \(text)") }
      let record: JSONValue
      do { record = try reader.record(index) } catch { throw ContentError(path, "\(error)") }
      let prompt: [Int32]
      do {
        switch (record["prompt"], record["messages"]) {
        case (let value?, nil):
          guard let text = value.string else {
            throw mistake("prompt is \(value.serialized().prefix(40)), expected a text")
          }
          prompt = try ids(text)
        case (nil, _?): prompt = try ids(chat: record)
        default: throw mistake("expected either prompt or messages")
        }
      } catch let error as RecordProblem {
        throw mistake("is no chat: \(error)")
      } catch let error as ChatError {
        throw mistake("\(error)")
      }
      guard !prompt.isEmpty else { throw mistake("the prompt is empty") }
      return prompt
    }
  }
}
