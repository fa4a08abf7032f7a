// Qwen2's pre-tokenizer rule, implemented by hand: a pattern from a file is never run.

/// Splits normalized UTF-8 text into pieces; BPE merges stay inside a piece.
///
/// The rule is the pattern below: at each position the first alternative that matches is taken, with its longest match.
/// Together the alternatives match every text without gaps.
struct PretokenSplitter {
  /// The pattern, as written in tokenizer.json of Qwen2 and Qwen2.5.
  static let pattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
    + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  private static let word = UnicodeProperties.letter
  private static let number = UnicodeProperties.number
  private static let space = UnicodeProperties.space

  let text: UnsafeBufferPointer<UInt8>
  /// `UnicodeProperties.flags`.
  let flags: UnsafeBufferPointer<UInt8>

  /// The end of the piece that begins at `start`.
  @inline(__always)
  func end(ofPieceAt start: Int) -> Int {
    let (kind, length) = look(at: start)
    let byte = text[start]
    let next = start + length
    if kind & Self.word != 0 { return end(ofLettersAt: next) }
    if kind & Self.number != 0 { return next }
    if byte == 0x27, let end = end(ofContractionAt: next) { return end }
    let following = next < text.count ? look(at: next).kind : Self.space
    // [^\r\n\p{L}\p{N}]?\p{L}+
    if following & Self.word != 0, !Self.isLineBreak(byte) { return end(ofLettersAt: next) }
    if kind & Self.space == 0 { return end(ofSymbolsAt: next) }
    // The optional space before symbols.
    if byte == 0x20, following & (Self.word | Self.number | Self.space) == 0 { return end(ofSymbolsAt: next) }
    return end(ofSpacesAt: start)
  }

  @inline(__always)
  private func look(at position: Int) -> (kind: UInt8, length: Int) {
    let (code, length) = text.codePoint(at: position)
    return (flags[Int(code)], length)
  }

  @inline(__always)
  private static func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  /// `\p{L}*`
  @inline(__always)
  private func end(ofLettersAt start: Int) -> Int {
    var position = start
    while position < text.count {
      let (kind, length) = look(at: position)
      guard kind & Self.word != 0 else { break }
      position += length
    }
    return position
  }

  /// `[^\s\p{L}\p{N}]*[\r\n]*`
  private func end(ofSymbolsAt start: Int) -> Int {
    var position = start
    while position < text.count {
      let (kind, length) = look(at: position)
      guard kind & (Self.word | Self.number | Self.space) == 0 else { break }
      position += length
    }
    while position < text.count, Self.isLineBreak(text[position]) { position += 1 }
    return position
  }

  /// The last three alternatives. The piece ends after the last line break of the run; without a line break, at the end
  /// of the text if the run reaches it; otherwise before the run's last character, unless that is the only one.
  private func end(ofSpacesAt start: Int) -> Int {
    var position = start
    var afterBreak: Int?
    var last = start
    while position < text.count {
      let (kind, length) = look(at: position)
      guard kind & Self.space != 0 else { break }
      last = position
      position += length
      if Self.isLineBreak(text[last]) { afterBreak = position }
    }
    if let afterBreak { return afterBreak }
    return position == text.count || last == start ? position : last
  }

  /// `(?i:s|t|re|ve|m|ll|d)` after an apostrophe. Case-insensitive matching also treats U+017F as an s.
  private func end(ofContractionAt start: Int) -> Int? {
    guard start < text.count else { return nil }
    let second = start + 1 < text.count ? text[start + 1] : 0
    switch (text[start] | 0x20, second | 0x20) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
      return start + 1
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 2
    default:
      return text[start] == 0xC5 && second == 0xBF ? start + 2 : nil
    }
  }
}
