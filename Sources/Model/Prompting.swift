// How a command addresses a model: as its adapter was trained, or as the caller says.

package import Checkpoints
package import Corpus
import Tensors

/// Tokenizer, chat template and the ids that end answers. What an adapter brings goes before what the model brings.
package struct Prompting: Sendable {
  /// What the caller says about chats.
  package struct Choice: Sendable {
    /// A template's name, or the path of a Jinja file.
    package var template: String?
    /// The system message of chats that have none; empty: no system message.
    package var system: String?
    /// What templates know by name, for chats that bring none of their own.
    package var variables: [JSONValue.Member]

    package init(template: String? = nil, system: String? = nil, variables: [JSONValue.Member] = []) {
      (self.template, self.system, self.variables) = (template, system, variables)
    }
  }

  package let tokenizer: Tokenizer
  /// What is known about the training of the adapter, or of the model that an adapter was merged into.
  package let origin: AdapterOrigin?
  /// What the user should know.
  package private(set) var notices: [String] = []
  private let model: String
  private let adapter: String?
  private let found: Result<ChatTemplate, any Error>
  private let isTemplateChosen: Bool

  /// - Parameters:
  ///   - model: a directory with a tokenizer.
  ///   - adapter: an adapter's directory.
  /// - Throws: `FileError`, `TokenizerError`, `ContentError`; a missing or malformed template is an error of `template()`.
  package init(model: String, adapter: String?, _ choice: Choice = Choice()) throws {
    (self.model, self.adapter, isTemplateChosen) = (model, adapter, choice.template != nil)
    let origin = try AdapterOrigin(directory: adapter ?? model)
    let ending = try origin?.endOfSequence ?? adapter.flatMap { try Tokenizer.endOfSequence(in: $0) }
    let tokenizer = try Tokenizer(directory: model, endOfSequence: ending)
    (self.origin, self.tokenizer) = (origin, tokenizer)
    found = try Self.template(model: model, adapter: adapter, choice, tokenizer)
    guard let adapter, choice.template == nil, let template = try? found.get() else { return }
    var base = try? ChatTemplate(directory: model, tokenizer: tokenizer)
    if let system = choice.system { base = try base?.withDefaultSystem(system) }
    base = try base?.withVariables(choice.variables)
    if template != base { notices.append("chats are rendered as \(adapter) was trained: \(template.summary)") }
  }

  private static func template(
    model: String, adapter: String?, _ choice: Choice, _ tokenizer: Tokenizer
  ) throws -> Result<ChatTemplate, any Error> {
    let found: Result<ChatTemplate, any Error>
    if let name = choice.template {
      found = .success(try ChatTemplate(ChatTemplate.Choice(name), directory: model, tokenizer: tokenizer))
    } else {
      let source = try adapter.flatMap { try ChatTemplate.text(in: $0) == nil ? nil : $0 } ?? model
      found = Result { try ChatTemplate(directory: source, tokenizer: tokenizer) }
    }
    guard choice.system != nil || !choice.variables.isEmpty else { return found }
    return Result {
      var template = try found.get()
      if let system = choice.system { template = try template.withDefaultSystem(system) }
      return try template.withVariables(choice.variables)
    }
  }

  /// The template of chats.
  /// - Throws: `MissingTemplate` if there is none, or a malformed one.
  package func template() throws -> ChatTemplate {
    do {
      return try found.get()
    } catch {
      throw MissingTemplate(reason: "\(error)")
    }
  }

  /// The template of chats in data, which bring prefills of their own; nil if there is none.
  package var dataTemplate: ChatTemplate? {
    try? found.get().withPrefill("")
  }

  /// What the user should know about a chat.
  package var chatNotice: String? {
    takesTexts ? "\(adapter ?? model) was trained on plain texts, and this is a chat" : nil
  }

  /// Whether a prompt is taken as it is, because all prompts of the training were texts.
  package var takesTexts: Bool { origin?.prompts == .text && !isTemplateChosen }

  /// The model's generation settings, with the adapter's ids that end answers.
  /// - Throws: `FileError`, `ContentError`.
  package func generation(_ configuration: ModelConfiguration) throws -> GenerationDefaults {
    var defaults = try GenerationDefaults(directory: model, configuration)
    guard let adapter else { return defaults }
    if HubFiles.exists("\(adapter)/\(GenerationDefaults.name)") {
      defaults.stopIDs.formUnion(try GenerationDefaults(directory: adapter, configuration).stopIDs)
    } else if try Tokenizer.endOfSequence(in: adapter) != nil, let id = tokenizer.endOfSequence {
      defaults.stopIDs.insert(id)
    }
    return defaults
  }
}

/// Chats without a template.
package struct MissingTemplate: UserError {
  package let reason: String

  package var description: String { "\(reason); --chat-template gives another one" }
}
