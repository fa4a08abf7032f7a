// A rendered chat as token ids, with the token ranges of its runs.

import Tensors

/// The ids of a chat's pieces.
struct ChatTokens {
  /// A piece as tokens.
  struct Run {
    let piece: ChatPiece
    /// The tokens that hold bytes of the piece and of no other.
    let inner: Range<Int>
    /// The tokens that hold bytes of the piece.
    let outer: Range<Int>
  }

  private(set) var ids: [Int32] = []
  /// What was tokenised as a whole: a special token, or the texts between two of them.
  private var units: [Unit] = []
  private let tokenizer: Tokenizer
  private let allowSpecial: Bool

  private struct Unit {
    let pieces: [ChatPiece]
    let text: String
    let tokens: Range<Int>

    var isSpecial: Bool { pieces[0].isSpecial }
  }

  /// The pieces as tokens.
  var runs: [Run] {
    units.flatMap { unit -> [Run] in
      guard unit.pieces.count > 1 else { return [Run(piece: unit.pieces[0], inner: unit.tokens, outer: unit.tokens)] }
      let bounds = TokenBounds(of: ids[unit.tokens], text: unit.text, tokenizer, allowSpecial: allowSpecial)
      let first = unit.tokens.lowerBound
      var byte = 0
      var start = bounds.at(byte)
      return unit.pieces.map { piece in
        byte += piece.text.utf8.count
        let stop = bounds.at(byte)
        defer { start = stop }
        return Run(
          piece: piece, inner: first + start.upperBound..<first + max(start.upperBound, stop.lowerBound),
          outer: first + start.lowerBound..<first + stop.upperBound)
      }
    }
  }

  /// The places of a special token that the template wrote.
  func places(ofSpecial token: String) -> [Int] {
    units.filter { $0.isSpecial && $0.text == token }.map(\.tokens.lowerBound)
  }

  /// The ranges of the messages' contents that hold nothing else.
  var contents: [Range<Int>] { runs.filter { $0.piece.message != nil }.map(\.inner) }

  /// The tokens of each message's content, from its first to its last byte. What the template does not show is not there.
  var contentsByMessage: [Int: Range<Int>] {
    var contents: [Int: Range<Int>] = [:]
    for run in runs where !run.outer.isEmpty {
      guard let message = run.piece.message else { continue }
      contents[message] = (contents[message] ?? run.outer).lowerBound..<run.outer.upperBound
    }
    return contents
  }

  /// Whether a message says something that none of the tokens shows.
  func hides(_ messages: [ChatMessage]) -> Bool {
    let shown = Set(units.lazy.flatMap(\.pieces).compactMap(\.message))
    return messages.enumerated().contains { place, message in
      !shown.contains(place) && message.content.unicodeScalars.contains { !$0.properties.isWhitespace }
    }
  }

  /// The tokens inside `{% generation %}`, as ranges that do not touch. As in transformers, a token belongs to the
  /// part if the part's first or last character is in it.
  var generated: [Range<Int>] {
    var ranges: [Range<Int>] = []
    for run in runs where run.piece.isGenerated && !run.outer.isEmpty {
      if let last = ranges.last, run.outer.lowerBound <= last.upperBound {
        ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, run.outer.upperBound)
      } else {
        ranges.append(run.outer)
      }
    }
    return ranges
  }

  /// - Parameters:
  ///   - allowSpecial: whether texts that spell special tokens become these.
  ///   - start: tokens of a chat with the same start, whose ids are reused.
  init(
    _ pieces: [ChatPiece], _ tokenizer: Tokenizer, allowSpecial: Bool = false, startingAs start: ChatTokens? = nil
  ) {
    (self.tokenizer, self.allowSpecial) = (tokenizer, allowSpecial)
    var pending: [ChatPiece] = []
    for piece in pieces where !piece.text.isEmpty {
      if piece.isSpecial {
        append(pending, start)
        append([piece], start)
        pending = []
      } else {
        pending.append(piece)
      }
    }
    append(pending, start)
  }

  /// Appends pieces that are one text to the tokenizer.
  private mutating func append(_ pieces: [ChatPiece], _ start: ChatTokens?) {
    guard let first = pieces.first else { return }
    let text = pieces.count == 1 ? first.text : pieces.map(\.text).joined()
    let before = ids.count
    if let start, units.count < start.units.count, case let unit = start.units[units.count],
      unit.isSpecial == first.isSpecial, unit.text.utf8.elementsEqual(text.utf8)
    {
      ids += start.ids[unit.tokens]
    } else {
      ids += tokenizer.encode(text, allowSpecial: allowSpecial || first.isSpecial)
    }
    units.append(Unit(pieces: pieces, text: text, tokens: before..<ids.count))
  }

  var text: String { units.map(\.text).joined() }

  /// The tokens that hold some of the text's bytes.
  func tokens(in bytes: Range<Int>) -> Range<Int> {
    var byte = 0
    var found: Range<Int>?
    for unit in units {
      let count = unit.text.utf8.count
      if bytes.lowerBound < byte + count, byte < bytes.upperBound {
        let bounds = TokenBounds(of: ids[unit.tokens], text: unit.text, tokenizer, allowSpecial: allowSpecial)
        let start = unit.tokens.lowerBound + bounds.at(max(0, bytes.lowerBound - byte)).lowerBound
        let end = unit.tokens.lowerBound + bounds.at(min(count, bytes.upperBound - byte)).upperBound
        found = (found?.lowerBound ?? start)..<max(start, end)
      }
      byte += count
    }
    return found ?? 0..<0
  }
}

/// Where the tokens of a text begin and end in it.
private struct TokenBounds {
  private let ids: [Int32]
  private let text: String
  private let tokenizer: Tokenizer
  private let allowSpecial: Bool
  /// The text's bytes up to the end of each token; nil if the tokens do not spell the text, because it was normalised.
  private let ends: [Int]?

  init(of ids: ArraySlice<Int32>, text: String, _ tokenizer: Tokenizer, allowSpecial: Bool) {
    (self.ids, self.text, self.tokenizer, self.allowSpecial) = (Array(ids), text, tokenizer, allowSpecial)
    ends = tokenizer.ends(of: ids, spelling: text)
  }

  /// The number of tokens that end at or before a byte, and the number of tokens that begin before it.
  func at(_ byte: Int) -> Range<Int> {
    if let ends {
      let whole = ends.partitioningIndex { $0 > byte }
      return whole..<(byte == (whole == 0 ? 0 : ends[whole - 1]) ? whole : whole + 1)
    }
    // Tokens of the text's beginning are the text's own tokens up to the one that the byte is in.
    let head = tokenizer.encode(
      String(decoding: text.utf8.prefix(byte), as: UTF8.self), allowSpecial: allowSpecial)
    let common = head.commonPrefixCount(ids)
    return common..<(common == head.count ? common : min(common + 1, ids.count))
  }
}

extension [Int] {
  /// The first index whose element satisfies a condition that no earlier element satisfies.
  fileprivate func partitioningIndex(where belongsToSecond: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if belongsToSecond(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
