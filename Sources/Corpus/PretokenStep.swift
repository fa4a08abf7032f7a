// How a text is cut into the pieces inside which tokens merge.

import Patterns

/// A step of the pre-tokenizer of tokenizer.json: it cuts each piece of the step before.
enum PretokenStep: Sendable {
  case pattern(PatternAutomaton, keeps: Kept)
  /// Digits apart from all else: each alone, or those that follow each other together.
  case digits(areSingle: Bool)
  /// A space before a piece that begins otherwise.
  case leadingSpace

  /// What becomes pieces: what the pattern matches, what lies between two matches, or both.
  enum Kept: Sendable { case all, matches, rest }

  /// GPT-2's rule, which the pre-tokenizer ByteLevel has by itself.
  static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Passes the pieces of a text to `body`: a text and the piece's place in it.
  @inline(__always)
  static func cut(
    _ text: UnsafeBufferPointer<UInt8>, by steps: [PretokenStep],
    _ body: (UnsafeBufferPointer<UInt8>, Range<Int>) -> Void
  ) {
    let whole = 0..<text.count
    // Most families have one step: its loop is in the caller.
    if steps.count == 1, case .pattern(let automaton, .all) = steps[0] {
      return cut(text, whole, at: automaton) { piece, _ in body(text, piece) }
    }
    cut(text, whole, by: steps[...], body)
  }

  private static func cut(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, by steps: ArraySlice<PretokenStep>,
    _ body: (UnsafeBufferPointer<UInt8>, Range<Int>) -> Void
  ) {
    guard let step = steps.first else { return body(text, range) }
    let rest = steps.dropFirst()
    switch step {
    case .pattern(let automaton, let kept):
      cut(text, range, at: automaton) { piece, isMatch in
        if kept == .all || isMatch == (kept == .matches) { cut(text, piece, by: rest, body) }
      }
    case .digits(let areSingle): cutDigits(text, range, areSingle: areSingle) { cut(text, $0, by: rest, body) }
    case .leadingSpace:
      guard text[range.lowerBound] != 0x20 else { return cut(text, range, by: rest, body) }
      ([0x20] + text[range]).withUnsafeBufferPointer { cut($0, 0..<$0.count, by: rest, body) }
    }
  }

  /// Passes matches, and what lies between them.
  @inline(__always)
  private static func cut(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, at automaton: PatternAutomaton,
    _ body: (Range<Int>, _ isMatch: Bool) -> Void
  ) {
    var scan = PatternScan(automaton, text, upTo: range.upperBound)
    var start = range.lowerBound
    while start < range.upperBound {
      let match = scan.match(from: start) ?? range.upperBound..<range.upperBound
      if start < match.lowerBound { body(start..<match.lowerBound, false) }
      if !match.isEmpty { body(match, true) }
      start = match.upperBound
    }
  }

  private static func cutDigits(
    _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, areSingle: Bool, _ body: (Range<Int>) -> Void
  ) {
    var start = range.lowerBound
    var wasDigit: Bool?
    var position = start
    while position < range.upperBound {
      let (code, length) = text.codePoint(at: position)
      let isDigit = UnicodeProperties.shared.flags[Int(code)] & UnicodeProperties.digit != 0
      if let wasDigit, isDigit != wasDigit || isDigit && areSingle {
        body(start..<position)
        start = position
      }
      wasDigit = isDigit
      position += length
    }
    if start < position { body(start..<position) }
  }
}
