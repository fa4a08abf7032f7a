// A rendered chat as token ids, with the token ranges of its runs.

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
  private(set) var runs: [Run] = []
  /// The texts that were tokenised as a whole, with their ids.
  private var units: [(text: String, isSpecial: Bool, ids: [Int32], allowsSpecial: Bool)] = []

  /// The ranges of the messages' contents that hold nothing else.
  var contents: [Range<Int>] { runs.filter { $0.piece.message != nil }.map(\.inner) }

  /// The tokens of a message's content, from its first to its last byte; nil if the template does not show it.
  func content(of message: Int) -> Range<Int>? {
    let own = runs.filter { $0.piece.message == message && !$0.outer.isEmpty }
    guard let first = own.first, let last = own.last else { return nil }
    return first.outer.lowerBound..<last.outer.upperBound
  }

  /// Whether a message says something that none of the tokens shows.
  func hides(_ messages: [ChatMessage]) -> Bool {
    let shown = Set(runs.lazy.filter { !$0.outer.isEmpty }.compactMap(\.piece.message))
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
    var pending: [ChatPiece] = []
    func flush(_ tokens: inout ChatTokens) {
      guard !pending.isEmpty else { return }
      tokens.append(pending, tokenizer, allowSpecial, start)
      pending = []
    }
    for piece in pieces where !piece.text.isEmpty {
      if piece.isSpecial {
        flush(&self)
        append([piece], tokenizer, true, start)
      } else {
        pending.append(piece)
      }
    }
    flush(&self)
  }

  /// Appends pieces that are one text to the tokenizer.
  private mutating func append(
    _ pieces: [ChatPiece], _ tokenizer: Tokenizer, _ allowSpecial: Bool, _ start: ChatTokens?
  ) {
    let text = pieces.count == 1 ? pieces[0].text : pieces.map(\.text).joined()
    let isSpecial = pieces[0].isSpecial
    let own: [Int32]
    if let start, units.count < start.units.count, case let unit = start.units[units.count],
      unit.isSpecial == isSpecial, unit.text.utf8.elementsEqual(text.utf8)
    {
      own = unit.ids
    } else {
      own = tokenizer.encode(text, allowSpecial: allowSpecial)
    }
    let first = ids.count
    ids += own
    units.append((text, isSpecial, own, allowSpecial))
    guard pieces.count > 1 else {
      runs.append(Run(piece: pieces[0], inner: first..<ids.count, outer: first..<ids.count))
      return
    }
    let bounds = TokenBounds(of: own, text: text, tokenizer, allowSpecial: allowSpecial)
    var byte = 0
    var start = bounds.at(byte)
    for piece in pieces {
      byte += piece.text.utf8.count
      let stop = bounds.at(byte)
      runs.append(
        Run(
          piece: piece, inner: first + start.upperBound..<first + max(start.upperBound, stop.lowerBound),
          outer: first + start.lowerBound..<first + stop.upperBound))
      start = stop
    }
  }

  var text: String { units.map(\.text).joined() }

  /// The tokens that hold some of the text's bytes.
  func tokens(in bytes: Range<Int>, _ tokenizer: Tokenizer) -> Range<Int> {
    var (byte, token) = (0, 0)
    var found: (start: Int, end: Int)?
    for unit in units {
      let count = unit.text.utf8.count
      if bytes.lowerBound < byte + count, byte < bytes.upperBound {
        let bounds = TokenBounds(of: unit.ids, text: unit.text, tokenizer, allowSpecial: unit.allowsSpecial)
        let start = bounds.at(max(0, bytes.lowerBound - byte)).lowerBound
        let end = bounds.at(min(count, bytes.upperBound - byte)).upperBound
        found = (found?.start ?? token + start, token + end)
      }
      (byte, token) = (byte + count, token + unit.ids.count)
    }
    guard let found, found.start < found.end else { return 0..<0 }
    return found.start..<found.end
  }

  static func commonPrefix(_ first: [Int32], _ second: [Int32]) -> Int { zip(first, second).prefix { $0 == $1 }.count }
}

/// Where the tokens of a text begin and end in it.
private struct TokenBounds {
  private let ids: [Int32]
  private let text: String
  private let tokenizer: Tokenizer
  private let allowSpecial: Bool
  /// The text's bytes up to the end of each token; nil if the tokens do not spell the text, because it was normalised.
  private let ends: [Int]?

  init(of ids: [Int32], text: String, _ tokenizer: Tokenizer, allowSpecial: Bool) {
    (self.ids, self.text, self.tokenizer, self.allowSpecial) = (ids, text, tokenizer, allowSpecial)
    var ends: [Int] = []
    var rest = text.utf8[...]
    var byte = 0
    for id in ids {
      let bytes = tokenizer.bytes(of: id)
      guard rest.starts(with: bytes) else { break }
      rest = rest.dropFirst(bytes.count)
      byte += bytes.count
      ends.append(byte)
    }
    self.ends = rest.isEmpty && ends.count == ids.count ? ends : nil
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
    let common = ChatTokens.commonPrefix(head, ids)
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
