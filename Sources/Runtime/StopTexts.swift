// Notices texts that end an answer, while its tokens come.

import Corpus

/// Watches one answer.
struct StopTexts {
  private let texts: [String.UTF8View]
  private var stream: TextStream
  /// The end of the answer, long enough for the longest text to be in it.
  private var end: [UInt8] = []
  private let longest: Int

  init(_ texts: [String], _ tokenizer: Tokenizer) {
    self.texts = texts.filter { !$0.isEmpty }.map(\.utf8)
    stream = TextStream(tokenizer)
    longest = self.texts.map(\.count).max() ?? 0
  }

  /// Whether one of the texts ends in this token.
  mutating func isEnd(after token: Int32) -> Bool {
    guard longest > 0 else { return false }
    let new = stream.append(token).utf8
    end += new
    defer { end = Array(end.suffix(longest - 1)) }
    return texts.contains { end.firstRange(of: $0) != nil }
  }
}
