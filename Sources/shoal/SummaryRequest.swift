// Turns a document into prompts for the model.

import Corpus
import Preparation

/// The settings that turn documents into prompts.
struct SummaryRequest {
  let tokenizer: Tokenizer
  let template: ChatTemplate
  /// Takes the place of the prompt's own system message; empty: no system message.
  let system: String?
  let prompt: PromptTemplate
  let newTokens: Int
  /// The model's context length.
  let context: Int

  /// A document as the prompts of its parts.
  struct Document {
    let path: String
    /// Tokens of the whole document.
    let tokens: Int
    let parts: [[Int32]]
  }

  private func ids(_ text: String) throws(ChatError) -> [Int32] {
    var messages = prompt.messages(about: text)
    if system != nil { messages.removeAll { $0.role == "system" } }
    return try template.encode(messages, generationPrompt: true, with: tokenizer)
  }

  func document(_ path: String, text: String) throws -> Document {
    let tokens = tokenizer.encode(text).count
    let whole = try ids(text)
    guard whole.count + newTokens > context else { return Document(path: path, tokens: tokens, parts: [whole]) }
    // When parts are joined with the prompt, they can need a token or two more than counted.
    let empty = try ids("").count
    let room = context - newTokens - empty - 16
    guard room >= 64 else {
      throw DocumentError(
        path,
        "the model's context of \(context) tokens leaves no room beside \(newTokens) for the summary: lower "
          + "--max-new-tokens")
    }
    return try Document(
      path: path, tokens: tokens,
      parts: DocumentParts(tokenizer: tokenizer, limit: room).parts(of: text).map { try ids($0) })
  }

  func excess(_ document: Document) -> DocumentError {
    DocumentError(
      document.path,
      "has \(document.tokens) tokens, which with the prompt and \(newTokens) for the summary exceed the "
        + "model's context of \(context): shorten it, or let it be summarised in \(document.parts.count) parts with "
        + "--long parts")
  }
}
