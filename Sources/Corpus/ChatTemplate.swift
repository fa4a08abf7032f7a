// Renders chats as the models' own templates do. A template is a program, and Shoal runs none: it recognises the known
// templates by their text and renders them itself.

import Tensors

/// A message of a chat.
package struct ChatMessage: Sendable, Equatable {
  package var role: String
  package var content: String

  package init(role: String, content: String) { (self.role, self.content) = (role, content) }
}

/// A ChatML template: each message is `<|im_start|>role`, a line feed, the content, `<|im_end|>` and a line feed.
package struct ChatTemplate: Sendable, Equatable {
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
  /// The beginning of every answer: it follows the header of the assistant's message.
  package var prefill = ""
  /// The roles that the template renders; nil: any role.
  private let roles: [String]?

  /// The file of a template in a hub directory.
  package static let fileName = TokenizerConfiguration.templateName

  static let start = "<|im_start|>"
  static let end = "<|im_end|>"

  /// A template by its name in a configuration or an argument.
  package enum Name: String, Sendable, CaseIterable {
    /// The one of the model's own directory.
    case tokenizerDefault = "tokenizer_default"
    case chatml
    case qwen
    case qwen25 = "qwen_25"

    /// nil for the model's own.
    package var template: ChatTemplate? {
      switch self {
      case .tokenizerDefault: nil
      case .chatml: .chatML
      case .qwen: .qwen2
      case .qwen25: .qwen25
      }
    }
  }

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
    try self.init(jinja: text, path: path)
    try validate(with: tokenizer)
  }

  /// The Jinja text of a hub directory's template, known or not; nil if there is none.
  /// - Throws: `FileError`, or `TokenizerError` if a file is malformed.
  package static func text(in directory: String) throws -> String? {
    try TokenizerConfiguration(directory: directory).chatTemplate?.text
  }

  /// The template in a file.
  /// - Throws: `FileError`; `TokenizerError` if Shoal does not know it.
  package init(file path: String) throws {
    try self.init(jinja: TokenizerConfiguration.text(ofTemplate: path), path: path)
  }

  private init(jinja: String, path: String) throws(TokenizerError) {
    guard let template = Self(jinja: jinja) else {
      throw TokenizerError(
        path: path,
        reason: "the chat template is not one that Shoal knows (Qwen2's, Qwen2.5's, ChatML's); templates "
          + "are programs and are not run")
    }
    self = template
  }

  /// Recognises a template by its text; any default system message and any prefill are accepted.
  init?(jinja: String) {
    if let found = KnownTemplate.chatML.match(jinja) {
      self = .chatML
      prefill = found.prefill
    } else if let found = KnownTemplate.qwen2.match(jinja) {
      self = .qwen2
      (defaultSystemMessage, prefill) = (found.message, found.prefill)
    } else if let found = KnownTemplate.qwen25.match(jinja) {
      self = .qwen25
      (defaultSystemMessage, prefill) = (found.message, found.prefill)
    } else {
      return nil
    }
  }

  /// A Jinja template that renders every chat as this one does.
  /// - Precondition: default system message and prefill pass `isPlain`.
  package var jinja: String {
    guard let defaultSystemMessage else { return KnownTemplate.chatML.text(message: "", prefill: prefill) }
    let family = roles == nil ? KnownTemplate.qwen2 : .qwen25
    return family.text(message: defaultSystemMessage, prefill: prefill)
  }

  /// The template in a few words.
  package var summary: String {
    let system =
      defaultSystemMessage.map { "the system message \(Self.quoted($0)) by default" } ?? "no system message by default"
    return "ChatML, \(system)" + (prefill.isEmpty ? "" : ", answers begin with \(Self.quoted(prefill))")
  }

  private static func quoted(_ text: String) -> String {
    let line = text.replacing("\n", with: " ")
    return "\"\(line.prefix(80))\(line.count > 80 ? "…" : "")\""
  }

  /// Whether a text can be part of a template: in one, every program would make special tokens of these.
  package static func isPlain(_ text: String) -> Bool { !text.contains(start) && !text.contains(end) }

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
    if generationPrompt { pieces += [.special(Self.start), .text("assistant\n" + prefill)] }
    return pieces
  }

  /// The ids of the rendered chat. Text inside a message never becomes a special token.
  package func encode(_ messages: [ChatMessage], generationPrompt: Bool, with tokenizer: Tokenizer) -> [Int32] {
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
