// Tokens beside the vocabulary; the tokenizer finds them in the text before any other step.

import Patterns

/// A token of `added_tokens`.
struct AddedToken: Sendable {
  let id: Int32
  /// UTF-8; in NFC form if it is searched in normalized text.
  let bytes: [UInt8]
  /// A special token is read as plain text unless the caller allows special tokens.
  let isSpecial: Bool
  /// Whether the token takes the white space before and after it along.
  var stripsLeft = false
  var stripsRight = false

  /// The part of `text` that the token takes, if it is spelled at `match`; `start` is where the token before it ends.
  func extent(of match: Range<Int>, in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Range<Int> {
    guard stripsLeft || stripsRight else { return match }
    var (lower, upper) = (match.lowerBound, match.upperBound)
    while stripsLeft, lower > start {
      var before = lower - 1
      while before > start, text[before] & 0xC0 == 0x80 { before -= 1 }
      guard Self.isSpace(text, at: before) else { break }
      lower = before
    }
    while stripsRight, upper < text.count, Self.isSpace(text, at: upper) {
      upper += text.codePoint(at: upper).length
    }
    return lower..<upper
  }

  private static func isSpace(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> Bool {
    UnicodeProperties.shared.flags[Int(text.codePoint(at: position).code)] & UnicodeProperties.space != 0
  }
}

/// Finds added tokens in a text: the leftmost token, and the longest of several.
struct AddedTokenMatcher: Sendable {
  /// By first byte, longest first.
  private let tokens: [[AddedToken]]
  let isEmpty: Bool

  init(_ tokens: [AddedToken]) {
    var groups = [[AddedToken]](repeating: [], count: 256)
    for token in tokens { groups[Int(token.bytes[0])].append(token) }
    self.tokens = groups.map { $0.sorted { $0.bytes.count > $1.bytes.count } }
    isEmpty = tokens.isEmpty
  }

  /// The first token in `text` at or after `start`, and its place.
  func firstMatch(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> (token: AddedToken, range: Range<Int>)? {
    guard !isEmpty else { return nil }
    for position in start..<text.count {
      for token in tokens[Int(text[position])] {
        let end = position + token.bytes.count
        if end <= text.count, text[position..<end].elementsEqual(token.bytes) { return (token, position..<end) }
      }
    }
    return nil
  }

  /// The first special token in `text` at or after `start`, and its place.
  func firstSpecialMatch(
    in text: UnsafeBufferPointer<UInt8>, from start: Int
  ) -> (token: AddedToken, range: Range<Int>)? {
    var position = start
    while let match = firstMatch(in: text, from: position) {
      if match.token.isSpecial { return match }
      position = match.range.upperBound
    }
    return nil
  }

  /// The token whose spelling is exactly `text`.
  func token(spelled text: String) -> AddedToken? {
    guard let first = text.utf8.first else { return nil }
    return tokens[Int(first)].first { $0.bytes.elementsEqual(text.utf8) }
  }
}
