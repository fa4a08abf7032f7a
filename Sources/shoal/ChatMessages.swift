// Reads chats from JSON.

import Checkpoints
import Corpus

extension ChatMessage {
  /// The messages of a JSON array of `{"role": …, "content": …}`.
  static func list(_ value: JSONValue) throws(InputProblem) -> [ChatMessage] {
    guard let elements = value.array else { throw InputProblem("expected a JSON array of messages") }
    var messages: [ChatMessage] = []
    for (index, element) in elements.enumerated() {
      guard let members = element.members, let role = element["role"]?.string,
        let content = element["content"]?.string, members.count == 2
      else {
        throw InputProblem("message \(index) is not {\"role\": …, \"content\": …} with two strings")
      }
      messages.append(ChatMessage(role: role, content: content))
    }
    return messages
  }
}

/// A mistake in a piece of input. The code that catches it adds the place.
struct InputProblem: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
