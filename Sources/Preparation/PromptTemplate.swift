// Reads prompts from files: messages to a teacher or a model, with a place for the document.

package import Corpus
import Tensors

/// A prompt with a place for a document.
///
/// Its text has a section `[user]` that contains `{document}` once, and optionally a section `[system]` before it.
package struct PromptTemplate: Sendable, Equatable {
  package static let placeholder = "{document}"

  /// Empty when there is no system message.
  package let system: String
  private let beforeDocument: String
  private let afterDocument: String

  /// - Parameter source: the file's name, for errors.
  /// - Throws: `PromptError` when the sections or the place for the document are wrong.
  package init(_ text: String, source: String) throws(PromptError) {
    var sections: [String: [Substring]] = [:]
    var current: String?
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      let title = line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      if title == "[system]" || title == "[user]" {
        let name = String(title.dropFirst().dropLast())
        guard sections[name] == nil else { throw PromptError(source, "has two sections [\(name)]") }
        sections[name] = []
        current = name
      } else if let current {
        sections[current, default: []].append(line)
      } else if !title.isEmpty {
        throw PromptError(source, "has text before its first section, expected [system] or [user]")
      }
    }
    guard let user = sections["user"].map(Self.joined) else { throw PromptError(source, "has no section [user]") }
    system = sections["system"].map(Self.joined) ?? ""
    guard !system.contains(Self.placeholder) else {
      throw PromptError(source, "has \(Self.placeholder) in [system], expected it in [user]")
    }
    let parts = user.split(separator: Self.placeholder, omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw PromptError(source, "has \(Self.placeholder) \(parts.count - 1) times in [user], expected once")
    }
    (beforeDocument, afterDocument) = (String(parts[0]), String(parts[1]))
  }

  /// Reads a prompt from a file.
  /// - Throws: `FileError` or `PromptError`.
  package init(file path: String) throws {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    guard let text = String(validating: file.bytes, as: UTF8.self) else { throw PromptError(path, "is not UTF-8") }
    try self.init(text, source: path)
  }

  /// The prompt that asks a teacher for two summaries, their scores and the better one: `configs/prompts/teacher.txt`.
  /// - Throws: `PromptError` when the file was invalid when this program was built.
  package static func teacher() throws(PromptError) -> PromptTemplate {
    try PromptTemplate(String(decoding: PackageResources.teacher_txt, as: UTF8.self), source: "teacher.txt")
  }

  /// The prompt that asks the tuned model for a summary: `configs/prompts/summarize.txt`.
  /// - Throws: `PromptError` when the file was invalid when this program was built.
  package static func summarize() throws(PromptError) -> PromptTemplate {
    try PromptTemplate(String(decoding: PackageResources.summarize_txt, as: UTF8.self), source: "summarize.txt")
  }

  /// The user's message about `document`.
  package func question(about document: String) -> String { beforeDocument + document + afterDocument }

  /// The conversation that asks about `document`.
  package func messages(about document: String) -> [ChatMessage] {
    let user = ChatMessage(role: "user", content: question(about: document))
    return system.isEmpty ? [user] : [ChatMessage(role: "system", content: system), user]
  }

  /// The lines without blank lines at both ends.
  private static func joined(_ lines: [Substring]) -> String {
    let isBlank: (Substring) -> Bool = { $0.allSatisfy(\.isWhitespace) }
    let text = Array(lines.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    return text.joined(separator: "\n")
  }
}

/// A prompt file is invalid.
package struct PromptError: UserError, Equatable {
  package let path: String
  package let reason: String

  init(_ path: String, _ reason: String) { (self.path, self.reason) = (path, reason) }

  package var description: String { "\(path): the prompt \(reason)" }
}
