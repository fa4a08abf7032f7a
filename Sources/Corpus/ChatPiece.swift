// The parts of a rendered chat.

/// A part of a chat. Between two special tokens there is at most one text.
package enum ChatPiece: Sendable {
  case special(String)
  case text(String)
}

extension ChatPiece {
  /// Joins neighbouring texts and removes empty texts.
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

  /// Equal code point by code point.
  func isSame(as other: Self) -> Bool {
    switch (self, other) {
    case (.special(let first), .special(let second)), (.text(let first), .text(let second)):
      first.utf8.elementsEqual(second.utf8)
    default: false
    }
  }
}
