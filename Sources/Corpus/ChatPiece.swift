// The parts of a rendered chat.

/// What a chat is made of. Between two special tokens there is one text at most.
package enum ChatPiece: Sendable {
  case special(String)
  case text(String)
}

extension ChatPiece {
  /// Pieces of which no two texts are neighbours, and no text is empty.
  static func joined(_ pieces: [Self]) -> [Self] {
    var joined: [Self] = []
    for piece in pieces {
      if case .text("") = piece { continue }
      if case .text(let second) = piece, case .text(let first)? = joined.last {
        joined[joined.count - 1] = .text(first + second)
      } else {
        joined.append(piece)
      }
    }
    return joined
  }

  /// Equal code point for code point.
  func isSame(as other: Self) -> Bool {
    switch (self, other) {
    case (.special(let first), .special(let second)), (.text(let first), .text(let second)):
      first.utf8.elementsEqual(second.utf8)
    default: false
    }
  }
}
