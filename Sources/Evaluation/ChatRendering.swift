// Chats as the text of a prompt.

package import Corpus
import Patterns

/// Renders the chats of prompts as transformers' `apply_chat_template` does.
package struct ChatRendering: Sendable {
  private let template: ChatTemplate
  private let context: ChatTemplate.Context
  private let tokenizer: Tokenizer

  package init(_ template: ChatTemplate, _ context: ChatTemplate.Context = .init(), _ tokenizer: Tokenizer) {
    (self.template, self.context, self.tokenizer) = (template, context, tokenizer)
  }

  /// Follows the text of a message that goes on, so that its end can be found in the rendered chat.
  private static let mark = "SHOAL_ANSWER_GOES_ON "

  /// The text of a chat.
  /// - Parameter continues: whether the last message is the beginning of an answer; otherwise the chat ends with the header
  ///   of one.
  /// - Throws: `DocumentProblem` if the template refuses the chat, with its system message and without.
  func text(_ messages: [ChatMessage], continues: Bool) throws(DocumentProblem) -> String {
    do throws(DocumentProblem) {
      return try rendered(messages, continues: continues)
    } catch {
      let others = messages.filter { $0.role != "system" }
      guard others.count < messages.count, let text = try? rendered(others, continues: continues) else {
        throw error
      }
      return text
    }
  }

  private func rendered(_ messages: [ChatMessage], continues: Bool) throws(DocumentProblem) -> String {
    var messages = messages
    if continues, let last = messages.indices.last { messages[last].content += Self.mark }
    let text: String
    do throws(ChatError) {
      text = try template.pieces(messages, context, generationPrompt: !continues, with: tokenizer).map(\.text).joined()
    } catch {
      throw DocumentProblem("the chat template: \(error)")
    }
    guard continues else { return text }
    let parts = text.parts(between: Self.mark.stripped)
    guard parts.count > 1, let rest = parts.last else {
      throw DocumentProblem("the chat template does not show the beginning of the answer")
    }
    let beginning = parts.dropLast().joined(separator: Self.mark.stripped)
    return rest.utf8.first == UInt8(ascii: " ") ? beginning : beginning.strippedEnd
  }
}
