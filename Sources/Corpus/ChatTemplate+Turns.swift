// The turns of a chat that came rendered.

extension [ChatPiece] {
  /// The pieces of a text that is ChatML, with the contents of its complete turns marked.
  func markingTurns() -> [ChatPiece] {
    var marked: [ChatPiece] = []
    var message = 0
    for (place, piece) in enumerated() {
      guard !piece.isSpecial, place > 0, place + 1 < count, self[place - 1].text == ChatTemplate.start,
        self[place + 1].text == ChatTemplate.end, self[place - 1].isSpecial, self[place + 1].isSpecial,
        let lineFeed = piece.text.utf8.firstIndex(of: 0x0A)
      else {
        marked.append(piece)
        continue
      }
      let end = piece.text.utf8.index(after: lineFeed)
      marked.append(.text(String(piece.text[..<end])))
      marked.append(ChatPiece(text: String(piece.text[end...]), message: message))
      message += 1
    }
    return marked
  }
}
