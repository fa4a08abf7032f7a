// Renders chats as the models' own templates do: with a bounded interpreter of their Jinja text, which can produce text
// and nothing else.

package import Checkpoints
package import Jinja
import Tensors

/// A chat template. Equal templates have the same text.
package struct ChatTemplate: Sendable, Equatable {
  /// The Jinja text. It renders the same chats with transformers.
  package let jinja: String
  /// Whether chats are rendered as ChatML, whatever the default system message.
  package let isChatML: Bool
  /// The parts of chats beside contents that the text does not speak of, by their names in data.
  private let unwritten: Set<String>
  private let program: Template

  /// The file of a template in a hub directory.
  package static let fileName = TokenizerConfiguration.templateName

  static let start = "<|im_start|>"
  static let end = "<|im_end|>"

  /// Parses a template.
  /// - Throws: `TemplateError`.
  package init(jinja: String) throws(TemplateError) {
    self.jinja = jinja
    program = try Template(jinja)
    isChatML = Self.rendersChatML(program)
    unwritten = Set(Self.parts.filter { part in !part.names.contains(where: jinja.contains) }.map(\.name))
  }

  /// A template that is part of this program; a test renders each.
  init(own jinja: String) {
    guard let template = try? Self(jinja: jinja) else { preconditionFailure("no template: \(jinja)") }
    self = template
  }

  /// What a template that writes a part has in its text.
  private static let parts = [
    (name: "tools", names: ["tools"]), (name: "tool_calls", names: ["tool_calls"]),
    (name: "reasoning_content", names: ["reasoning_content", ".thinking", "'thinking'", "\"thinking\""]),
  ]

  /// Whether a chat has tools, tool calls or reasoning that the template never writes.
  func leavesOutParts(of messages: [ChatMessage], _ context: Context) -> Bool {
    guard !unwritten.isEmpty else { return false }
    return context.tools != nil && unwritten.contains("tools")
      || messages.contains { $0.parts(unwritten).contains { !$0.isNull } }
  }

  package static func == (left: Self, right: Self) -> Bool { left.jinja.utf8.elementsEqual(right.jinja.utf8) }

  // MARK: Files

  /// The template of a hub directory: chat_template.jinja, or `chat_template` of tokenizer_config.json.
  /// - Throws: `FileError`; `TokenizerError` if there is no template or a malformed one, or the tokenizer lacks its
  ///   special tokens.
  package init(directory: String, tokenizer: Tokenizer) throws {
    let configuration = try TokenizerConfiguration(directory: directory)
    guard let (text, path) = configuration.chatTemplate else {
      throw TokenizerError(
        path: configuration.path,
        reason: "there is no chat_template, and no chat_template.jinja beside; name another template, such as chatml")
    }
    try self.init(jinja: text, path: path)
    try validate(with: tokenizer)
  }

  /// The Jinja text of a hub directory's template; nil if there is none.
  /// - Throws: `FileError`, or `TokenizerError` if a file is malformed.
  package static func text(in directory: String) throws -> String? {
    try TokenizerConfiguration(directory: directory).chatTemplate?.text
  }

  /// The template in a file.
  /// - Throws: `FileError`; `TokenizerError` if it is malformed.
  package init(file path: String) throws {
    try self.init(jinja: TokenizerConfiguration.text(ofTemplate: path), path: path)
  }

  private init(jinja: String, path: String) throws(TokenizerError) {
    do {
      try self.init(jinja: jinja)
    } catch {
      throw TokenizerError(path: path, reason: "\(error)")
    }
  }

  // MARK: Rendering

  /// What a chat brings besides messages.
  package struct Context: Sendable, Equatable {
    /// The descriptions of the functions that the assistant may call.
    package var tools: JSONValue?
    /// `chat_template_kwargs`: what else the template knows by name, such as `enable_thinking`.
    package var variables: [JSONValue.Member] = []

    package init(tools: JSONValue? = nil, variables: [JSONValue.Member] = []) {
      (self.tools, self.variables) = (tools, variables)
    }
  }

  /// The rendered chat. Only what the template itself writes becomes a special token.
  /// - Parameter generationPrompt: whether to end with the header of an assistant's message.
  /// - Throws: `ChatError` if there are no messages, or if the template refuses them.
  package func pieces(
    _ messages: [ChatMessage], _ context: Context = Context(), generationPrompt: Bool, with tokenizer: Tokenizer
  ) throws(ChatError) -> [ChatPiece] {
    guard !messages.isEmpty else { throw ChatError(reason: "the chat has no messages") }
    let output: [TemplateOutput]
    do {
      output = try program.render(
        messages.map(\.json), variables(context, generationPrompt: generationPrompt), constants: tokenizer.namedTokens)
    } catch {
      throw ChatError(reason: "\(error)")
    }
    var pieces: [ChatPiece] = []
    for part in output {
      switch part.origin {
      case .data(let message):
        pieces.append(ChatPiece(text: part.text, message: message, isGenerated: part.isGenerated))
      case .template:
        pieces += tokenizer.pieces(part.text).filter { !$0.text.isEmpty }.map { piece in
          var piece = piece
          piece.isGenerated = part.isGenerated
          return piece
        }
      }
    }
    return pieces
  }

  /// As transformers gives them to templates.
  private func variables(_ context: Context, generationPrompt: Bool) -> [JSONValue.Member] {
    [
      .init("tools", context.tools ?? .null), .init("documents", .null),
      .init("add_generation_prompt", .bool(generationPrompt)),
    ] + context.variables
  }

  /// Whether the template marks what the assistant wrote.
  var marksAnswers: Bool { program.marksAnswers }

  /// The text of a chat; nil if the template refuses it.
  func text(_ messages: [ChatMessage]) -> String? {
    let output = try? program.render(messages.map(\.json), variables(Context(), generationPrompt: false))
    return output?.map(\.text).joined()
  }

  /// The ids of the rendered chat. Text inside a message never becomes a special token.
  /// - Throws: `ChatError`.
  package func encode(
    _ messages: [ChatMessage], _ context: Context = Context(), generationPrompt: Bool, with tokenizer: Tokenizer
  ) throws(ChatError) -> [Int32] {
    ChatTokens(try pieces(messages, context, generationPrompt: generationPrompt, with: tokenizer), tokenizer).ids
  }

  // MARK: Checks

  /// Whether a text holds the beginning of a rendered turn: `<|im_start|>`, a role, a line feed. A text that quotes one
  /// of the tokens alone does not.
  static func isRendered(_ text: String) -> Bool {
    var rest = text.utf8[...]
    while let start = rest.firstRange(of: Self.start.utf8) {
      rest = rest[start.upperBound...]
      let role = rest.prefix { 0x61...0x7A ~= $0 | 0x20 || $0 == UInt8(ascii: "_") }
      if 1...32 ~= role.count, role.endIndex < rest.endIndex, rest[role.endIndex] == 0x0A { return true }
    }
    return false
  }

  /// Whether a text can be part of a template: in one, every program would make special tokens of these.
  package static func isPlain(_ text: String) -> Bool { !text.contains(start) && !text.contains(end) }

  private static func rendersChatML(_ program: Template) -> Bool {
    let roles = ["system", "user", "assistant", "user", "assistant"]
    let messages = roles.enumerated().map { ChatMessage(role: $1, content: "text \($0)").json }
    let turns = roles.enumerated().map { "\(start)\($1)\ntext \($0)\(end)\n" }
    // With a question at the end, and with an answer, of which some templates make more.
    return [true, false].allSatisfy { asks in
      let count = asks ? 4 : 5
      let text = try? program.render(
        Array(messages[..<count]), [.init("add_generation_prompt", .bool(asks)), .init("tools", .null)])
      return text?.map(\.text).joined() == turns[..<count].joined() + (asks ? "\(start)assistant\n" : "")
    }
  }

  /// Checks that the tokenizer has the special tokens that the template writes around messages.
  /// - Throws: `TokenizerError` if a token is missing.
  package func validate(with tokenizer: Tokenizer) throws {
    let probe = [ChatMessage(role: "user", content: "x"), ChatMessage(role: "assistant", content: "y")]
    let outputs = [false, true].compactMap {
      try? program.render(
        Array(probe[..<($0 ? 1 : 2)]).map(\.json), variables(Context(), generationPrompt: $0),
        constants: tokenizer.namedTokens)
    }
    for part in outputs.joined() where part.origin == .template {
      for piece in tokenizer.pieces(part.text) where !piece.isSpecial {
        guard let token = piece.text.firstMatch(of: #/<\|[A-Za-z0-9_]+\|>/#)?.output else { continue }
        throw TokenizerError(
          path: tokenizer.path,
          reason: "there is no special token \(token), which the chat template needs: the template is of another "
            + "family of models; tokenizer_default is this model's own, chatml needs \(Self.start) and \(Self.end)")
      }
    }
  }
}

/// A chat that the template cannot render.
package struct ChatError: UserError {
  package let reason: String

  package var description: String { reason }
}
