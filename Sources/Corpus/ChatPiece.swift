// The parts of a rendered chat.

/// A run of a rendered chat: a special token, or text of one origin.
package struct ChatPiece: Sendable, Equatable {
  package var text: String
  package var isSpecial = false
  /// The message whose content it is; nil for what the template wrote.
  package var message: Int?
  /// Whether the template marks it as the assistant's (`{% generation %}`).
  package var isGenerated = false

  package static func special(_ token: String) -> Self { ChatPiece(text: token, isSpecial: true) }
  package static func text(_ text: String) -> Self { ChatPiece(text: text) }
}

extension [ChatPiece] {
  /// The pieces without white space at the end.
  func trimmingEnd() -> [ChatPiece] {
    var pieces = self
    while let last = pieces.last, !last.isSpecial {
      let scalars = last.text.unicodeScalars
      let end = scalars.lastIndex { !$0.properties.isWhitespace }
      pieces[pieces.count - 1].text = end.map { String(scalars[...$0]) } ?? ""
      if end != nil { break }
      pieces.removeLast()
    }
    return pieces
  }
}
