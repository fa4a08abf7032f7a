// A rendered chat as token ids, with the token ranges of its turns.

/// The ids of a chat's pieces.
struct ChatTokens {
  /// The token ranges of `<|im_start|>role\ncontent<|im_end|>\n`.
  struct Turn {
    var whole: Range<Int>
    /// `<|im_start|>role`.
    var role: Range<Int>
    /// The content; a token that also holds bytes of the header counts as header.
    var content: Range<Int>
    /// The content, including such a token.
    var trainedContent: Range<Int>
  }

  private(set) var ids: [Int32] = []
  /// Complete turns, in order; an assistant's header or prefill at the end is not a turn.
  private(set) var turns: [Turn] = []
  private var pieces: [(piece: ChatPiece, ids: [Int32])] = []

  var contents: [Range<Int>] { turns.map(\.content) }

  /// - Parameters:
  ///   - allowSpecial: whether texts that spell special tokens become these.
  ///   - start: tokens of a chat with the same start, whose ids are reused.
  init(
    _ pieces: [ChatPiece], _ tokenizer: Tokenizer, allowSpecial: Bool = false, startingAs start: ChatTokens? = nil
  ) {
    for piece in ChatPiece.joined(pieces) {
      let place = self.pieces.count
      let ids: [Int32]
      if let start, place < start.pieces.count, piece.isSame(as: start.pieces[place].piece) {
        ids = start.pieces[place].ids
      } else {
        switch piece {
        case .special(let token): ids = tokenizer.encode(token, allowSpecial: true)
        case .text(let text): ids = tokenizer.encode(text, allowSpecial: allowSpecial)
        }
      }
      self.pieces.append((piece, ids))
    }
    locateTurns(tokenizer)
  }

  private mutating func locateTurns(_ tokenizer: Tokenizer) {
    var start = 0
    for (place, (piece, pieceIDs)) in pieces.enumerated() {
      defer {
        ids += pieceIDs
        start += pieceIDs.count
      }
      guard case .text(let text) = piece, place > 0, place + 1 < pieces.count,
        case .special(ChatTemplate.start) = pieces[place - 1].piece,
        case .special(ChatTemplate.end) = pieces[place + 1].piece,
        let lineFeed = text.utf8.firstIndex(of: 0x0A)
      else { continue }
      let header = tokenizer.encode(String(decoding: text.utf8[...lineFeed], as: UTF8.self))
      let role = tokenizer.encode(String(decoding: text.utf8[..<lineFeed], as: UTF8.self))
      let common = Self.commonPrefix(header, pieceIDs)
      let own = common == header.count ? common : min(common + 1, pieceIDs.count)
      let end = start + pieceIDs.count
      let isLast = place + 2 >= pieces.count
      turns.append(
        Turn(
          whole: start - 1..<end + 1 + (isLast ? 0 : pieces[place + 2].ids.count),
          role: start - 1..<start + role.count, content: start + own..<end, trainedContent: start + common..<end))
    }
  }

  static func commonPrefix(_ first: [Int32], _ second: [Int32]) -> Int { zip(first, second).prefix { $0 == $1 }.count }
}
