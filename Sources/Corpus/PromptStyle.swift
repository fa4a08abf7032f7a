// How the records of a data set address the model, so that inference can do the same.

/// How one record addresses the model.
package struct PromptStyle: Sendable, Equatable {
  package enum Frame: String, Sendable, Codable {
    /// Plain text.
    case text
    /// ChatML without a default system message, whatever the model's template.
    case chatML
    /// The run's template.
    case template
  }

  package var frame: Frame
  /// The record's own system message.
  package var system: String?
  /// The beginning of the assistant's answer.
  package var prefill = ""
}

extension ExampleRecord {
  var promptStyle: PromptStyle {
    switch form {
    case .texts, .text: PromptStyle(frame: .text)
    case .formatted(let parts, _): Self.style(of: parts)
    case .segments(let segments): Self.style(of: segments.flatMap(\.parts))
    case .messages(let messages, _), .conversation(let messages, _):
      PromptStyle(frame: .template, system: Self.system(messages))
    case .chat(.template(let messages), let prefill, _), .chat(.wholeTemplate(let messages), let prefill, _):
      PromptStyle(frame: .template, system: Self.system(messages), prefill: prefill)
    case .chat(.chatML(let messages), let prefill, _):
      PromptStyle(frame: .chatML, system: Self.system(messages), prefill: prefill)
    case .chat(.rendered(let text), let prefill, _):
      PromptStyle(frame: .chatML, system: Self.system(rendered: text), prefill: prefill)
    }
  }

  /// Formats may write ChatML.
  private static func style(of parts: [TextPart]) -> PromptStyle {
    let text = parts.map(\.text).joined()
    let isChat = parts.contains { !$0.isField && ChatTemplate.isRendered($0.text) }
    return PromptStyle(frame: isChat ? .chatML : .text, system: isChat ? system(rendered: text) : nil)
  }

  private static func system(_ messages: [ChatMessage]) -> String? {
    messages.first.flatMap { $0.role == "system" ? $0.content : nil }
  }

  private static func system(rendered text: String) -> String? {
    let header = "\(ChatTemplate.start)system\n"
    guard text.utf8.starts(with: header.utf8) else { return nil }
    let rest = Substring(text.utf8.dropFirst(header.utf8.count))
    return rest.firstRange(of: ChatTemplate.end).map { String(rest[..<$0.lowerBound]) }
  }
}

/// What the prompts of several records have in common.
package struct PromptStyles: Sendable, Equatable, Codable {
  private var frames: Set<PromptStyle.Frame> = []
  private var systems = Common<String?>.none
  private var prefills = Common<String>.none

  package init() {}

  mutating func include(_ style: PromptStyle) {
    frames.insert(style.frame)
    guard style.frame != .text else { return }
    systems.include(style.system)
    prefills.include(style.prefill)
  }

  package mutating func include(_ other: PromptStyles) {
    frames.formUnion(other.frames)
    systems.include(other.systems)
    prefills.include(other.prefills)
  }

  /// Whether no record is a chat.
  package var areTexts: Bool { frames == [.text] }

  /// The template with which a chat becomes a prompt like those of the records: a system message or a prefill that all
  /// of them have is part of it.
  /// - Parameter template: the run's own; nil if there is none.
  package func template(_ template: ChatTemplate?) -> ChatTemplate? {
    guard !areTexts, var common = frames.contains(.template) ? template : .chatML else { return nil }
    // A text that is too long for a template is not part of it.
    if case .same(let system?) = systems, ChatTemplate.isPlain(system) {
      common = (try? common.withDefaultSystem(system)) ?? common
    }
    if case .same(let prefill) = prefills, ChatTemplate.isPlain(prefill) {
      common = (try? common.withPrefill(prefill)) ?? common
    }
    return common
  }

  private enum Common<Value: Equatable & Sendable & Codable>: Equatable, Sendable, Codable {
    case none
    case same(Value)
    case different

    mutating func include(_ value: Value) { include(.same(value)) }

    mutating func include(_ other: Self) {
      switch (self, other) {
      case (_, .none): break
      case (.none, _): self = other
      default: if self != other { self = .different }
      }
    }
  }
}
