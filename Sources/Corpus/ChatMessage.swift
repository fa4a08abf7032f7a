// A message of a chat, as templates see it.

package import Checkpoints

/// A message of a chat.
package struct ChatMessage: Sendable, Equatable {
  package var role: String
  /// Empty if the message has none, as beside tool calls.
  package var content: String
  /// Whether there is a content, even an empty one.
  package var hasContent = true
  /// What else a template may use: `tool_calls`, `name`, `reasoning_content`, …
  package var others: [JSONValue.Member] = []
  /// Whether the data say that the turn is trained, or that it is not.
  package var isTrained: Bool?
  /// The parts of the content that are trained or not, if the data say so.
  package var parts: [Part] = []

  /// A part of a content, in Unicode code points.
  package struct Part: Sendable, Equatable {
    package var range: Range<Int>
    package var isTrained: Bool

    package init(_ range: Range<Int>, isTrained: Bool) { (self.range, self.isTrained) = (range, isTrained) }
  }

  package init(role: String, content: String) { (self.role, self.content) = (role, content) }

  /// The message as the template's variable.
  var json: JSONValue {
    .object(
      [.init("role", .string(role)), .init("content", hasContent ? .string(content) : .null)] + reasoned)
  }

  /// The names of an answer's reasoning; templates read the first, some the second. transformers takes
  /// each for the others (5.23).
  private static let reasoningNames = ["reasoning_content", "thinking", "reasoning"]

  /// `others` with the reasoning under the names that templates read.
  private var reasoned: [JSONValue.Member] {
    let found = Self.reasoningNames.lazy.compactMap { name in others.first { $0.name == name && !$0.value.isNull } }
      .first
    guard let reasoning = found?.value else { return others }
    let hasThinking = others.contains { $0.name == "thinking" }
    return (hasThinking ? [] : [.init("thinking", reasoning)]) + others.filter { $0.name != "reasoning_content" }
      + [.init("reasoning_content", reasoning)]
  }

  /// The values of parts with these names.
  func parts(_ names: Set<String>) -> [JSONValue] {
    others.isEmpty ? [] : reasoned.filter { names.contains($0.name) }.map(\.value)
  }

  /// Equal code point by code point.
  func isSame(as other: ChatMessage) -> Bool {
    role.utf8.elementsEqual(other.role.utf8) && content.utf8.elementsEqual(other.content.utf8)
      && hasContent == other.hasContent && others == other.others
  }

  /// The texts of the message that come from outside.
  var texts: [String] { [content] + others.flatMap { $0.value.texts } }
}

extension JSONValue {
  /// All strings in the value.
  fileprivate var texts: [String] {
    switch self {
    case .string(let text): [text]
    case .array(let elements): elements.flatMap(\.texts)
    case .object(let members): members.flatMap(\.value.texts)
    case .null, .bool, .integer, .number, .unusable: []
    }
  }
}
