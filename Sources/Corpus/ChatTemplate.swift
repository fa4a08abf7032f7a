// Renders chats as the models' own templates do. A template is a program, and Shoal runs none: it recognises the known
// templates by their text and renders them itself.

import Tensors

/// A message of a chat.
package struct ChatMessage: Sendable, Equatable {
  package var role: String
  package var content: String

  package init(role: String, content: String) {
    (self.role, self.content) = (role, content)
  }
}

/// A ChatML template: each message is `<|im_start|>role`, a line feed, the content, `<|im_end|>` and a line feed.
package struct ChatTemplate: Sendable {
  /// ChatML without a default system message.
  package static let chatML = ChatTemplate(defaultSystemMessage: nil)
  /// The template of Qwen2 Instruct.
  package static let qwen2 = ChatTemplate(defaultSystemMessage: "You are a helpful assistant.")
  /// The template of Qwen2.5 Instruct; without tools it differs from Qwen2's only in the default message.
  package static let qwen25 = ChatTemplate(
    defaultSystemMessage: "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    roles: ["system", "user", "assistant"])

  /// Rendered first if a chat does not begin with a system message.
  package var defaultSystemMessage: String?
  /// The roles that the template renders; nil: any role.
  private let roles: [String]?

  static let start = "<|im_start|>"
  static let end = "<|im_end|>"

  private init(defaultSystemMessage: String?, roles: [String]? = nil) {
    (self.defaultSystemMessage, self.roles) = (defaultSystemMessage, roles)
  }

  /// The template of a hub directory: chat_template.jinja, or `chat_template` of tokenizer_config.json.
  /// - Throws: `FileError`; `TokenizerError` if there is no template, Shoal does not know it, or the tokenizer lacks
  ///   its special tokens.
  package init(directory: String, tokenizer: Tokenizer) throws {
    let configuration = try TokenizerConfiguration(directory: directory)
    guard let (text, path) = configuration.chatTemplate else {
      throw TokenizerError(
        path: configuration.path,
        reason: "there is no chat_template, and no chat_template.jinja beside; chats need that of Qwen2 or "
          + "Qwen2.5")
    }
    guard let template = Self(jinja: text) else {
      throw TokenizerError(
        path: path,
        reason: "the chat template is not one that Shoal knows (Qwen2's, Qwen2.5's, ChatML's); templates "
          + "are programs and are not run")
    }
    self = template
    try validate(with: tokenizer)
  }

  /// Recognises a template by its text; any default system message is accepted.
  init?(jinja: String) {
    // Jinja drops one final line feed.
    let text = jinja.utf8.last == 0x0A ? String(jinja.dropLast()) : jinja
    // In these two templates all line feeds are inside string literals, where the escape has the same meaning.
    let plain = text.replacing(#"\n"#, with: "\n")
    if plain.utf8.elementsEqual(KnownTemplates.chatML.utf8) {
      self = .chatML
    } else if let message = KnownTemplates.defaultSystemMessage(of: plain, in: KnownTemplates.qwen2) {
      self = .qwen2
      defaultSystemMessage = message
    } else if let message = KnownTemplates.defaultSystemMessage(of: text, in: KnownTemplates.qwen25) {
      self = .qwen25
      defaultSystemMessage = message
    } else {
      return nil
    }
  }

  /// Checks that the tokenizer has the template's special tokens.
  /// - Throws: `TokenizerError` if a token is missing.
  package func validate(with tokenizer: Tokenizer) throws {
    for token in [Self.start, Self.end] where tokenizer.id(ofToken: token) == nil {
      throw TokenizerError(
        path: tokenizer.path, reason: "there is no special token \(token), which the chat template needs")
    }
  }

  /// Checks that the template renders these messages.
  /// - Throws: `ChatError` if there are no messages, or if a message has a role that the template does not know.
  package func validate(_ messages: [ChatMessage]) throws(ChatError) {
    guard !messages.isEmpty else { throw ChatError(reason: "the chat has no messages") }
    guard let roles else { return }
    for (index, message) in messages.enumerated() where !roles.contains(message.role) {
      throw ChatError(
        reason: "message \(index) has the role \"\(message.role.prefix(80))\", expected one of "
          + roles.joined(separator: ", "))
    }
  }

  /// The rendered chat.
  /// - Parameter generationPrompt: whether to end with the header of an assistant's message.
  package func pieces(_ messages: [ChatMessage], generationPrompt: Bool) -> [ChatPiece] {
    var pieces: [ChatPiece] = []
    func append(_ message: ChatMessage) {
      pieces += [
        .special(Self.start), .text(message.role + "\n" + message.content), .special(Self.end), .text("\n"),
      ]
    }
    if let defaultSystemMessage, messages.first?.role != "system" {
      append(ChatMessage(role: "system", content: defaultSystemMessage))
    }
    messages.forEach(append)
    if generationPrompt { pieces += [.special(Self.start), .text("assistant\n")] }
    return pieces
  }

  /// The ids of the rendered chat. Text inside a message never becomes a special token.
  package func encode(
    _ messages: [ChatMessage], generationPrompt: Bool, with tokenizer: Tokenizer
  ) -> [Int32] {
    pieces(messages, generationPrompt: generationPrompt).flatMap { piece in
      switch piece {
      case .special(let token): tokenizer.encode(token, allowSpecial: true)
      case .text(let text): tokenizer.encode(text)
      }
    }
  }
}

/// A chat that the template cannot render.
package struct ChatError: UserError {
  package let reason: String

  package var description: String { reason }
}
