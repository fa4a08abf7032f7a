// The identity of a record's prompt, by which training data and held-out data are kept apart.

import Checkpoints

extension ExampleRecord {
  /// SHA-256 of the prompt as the data have it, before templates and truncation.
  ///
  /// The prompt of a conversation ends where the assistant first answers. A text, or a conversation without an answer,
  /// is its own prompt.
  var promptDigest: ContentDigest {
    switch form {
    case .texts(let prompt, _), .chat(.rendered(let prompt), _, _): Self.digest("prompt", [prompt])
    case .formatted(let prompt, _): Self.digest("prompt", [prompt.map(\.text).joined()])
    case .messages(let prompt, _), .chat(.chatML(let prompt), _, _), .chat(.template(let prompt), _, _),
      .chat(.wholeTemplate(let prompt), _, _):
      Self.digest(prompt)
    case .conversation(let messages, _): Self.digest(Self.prompt(of: messages))
    case .segments(let segments): Self.digest("segments", Self.prompt(of: segments))
    case .text(let text): Self.digest("text", [text])
    }
  }

  /// What a system message or a greeting of the assistant have in common says nothing about the question.
  private static func prompt(of messages: [ChatMessage]) -> ArraySlice<ChatMessage> {
    let question = messages.firstIndex { $0.role != "system" && $0.role != "assistant" }
    let answer = question.flatMap { messages[$0...].firstIndex { $0.role == "assistant" } }
    return messages[..<(answer ?? messages.endIndex)]
  }

  /// The texts before the first that is trained; a text that is trained as a whole is its own prompt.
  private static func prompt(of segments: [TextSegment]) -> [String] {
    var texts: [String] = []
    for segment in segments {
      texts += segment.parts.prefix(segment.trainedFrom ?? segment.parts.count).map(\.text)
      if segment.trainedFrom != nil { break }
    }
    return texts.allSatisfy(\.isEmpty) ? segments.flatMap { $0.parts.map(\.text) } : texts
  }

  private static func digest(_ messages: some Sequence<ChatMessage>) -> ContentDigest {
    digest("messages", messages.flatMap { [$0.role, $0.content] + ($0.calls?.map { $0.serialized() } ?? []) })
  }

  private static func digest(_ form: String, _ texts: [String]) -> ContentDigest {
    let hash = SHA256()
    for text in [form] + texts {
      // The length separates a text from the next one.
      withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { hash.append($0) }
      hash.append(Array(text.utf8))
    }
    return ContentDigest(hash.digest)
  }
}
