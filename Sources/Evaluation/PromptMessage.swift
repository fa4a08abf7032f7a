// A prompt in parts: as text, or as a chat.

import Corpus

/// A part of a prompt.
struct PromptMessage: Sendable, Equatable {
  enum Role: String, Sendable { case system, user, assistant }

  var role: Role
  var content: String
  /// What follows it in a text, and is not in a chat.
  var delimiter = ""

  var text: String { content + delimiter }
  var byteCount: Int { content.utf8.count + delimiter.utf8.count }
}

/// How prompts are put together.
enum PromptText {
  /// Two texts with a delimiter between them, unless one is empty or there is white space already.
  static func joined(_ prefix: String, _ suffix: String, by delimiter: String = " ") -> String {
    if prefix.isEmpty || suffix.isEmpty { return prefix + suffix }
    return needsDelimiter(prefix, suffix) ? prefix + delimiter + suffix : prefix + suffix
  }

  /// Whether neither text has white space where they meet.
  static func needsDelimiter(_ prefix: String, _ suffix: String) -> Bool {
    !prefix.isEmpty && !prefix.endsWithSpace && !suffix.startsWithSpace
  }

  /// The messages of a chat.
  /// - Parameter asTurns: whether examples are turns of their own. Otherwise all but a system message and the beginning of
  ///   an answer is one message of the user.
  static func chat(_ messages: [PromptMessage], asTurns: Bool) -> [ChatMessage] {
    func message(_ message: PromptMessage) -> ChatMessage {
      ChatMessage(role: message.role.rawValue, content: message.content)
    }
    if asTurns { return messages.map(message) }
    var rest = messages[...]
    var chat: [ChatMessage] = []
    if rest.first?.role == .system, let system = rest.popFirst() { chat.append(message(system)) }
    let answer = rest.last?.role == .assistant ? rest.popLast() : nil
    if let last = rest.indices.last { rest[last].delimiter = "" }
    chat.append(ChatMessage(role: PromptMessage.Role.user.rawValue, content: rest.map(\.text).joined()))
    return chat + (answer.map { [message($0)] } ?? [])
  }
}
