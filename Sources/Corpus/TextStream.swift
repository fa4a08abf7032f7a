// Token ids to text as they come: a token may end inside a character, text never does.

/// Decodes an answer token by token, without special tokens. All that it returns, end to end, is what the whole answer
/// decodes to.
package struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  /// The start of a character whose end has not come yet.
  private var pending: [UInt8] = []

  package init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  /// The characters that are complete with this token.
  package mutating func append(_ id: Int32) -> String {
    guard !tokenizer.isSpecial(id) else { return "" }
    pending += tokenizer.bytes(of: id)
    let end = pending.count - Self.openCount(pending)
    defer { pending.removeFirst(end) }
    return String(decoding: pending[..<end], as: UTF8.self)
  }

  /// What is left at the end: nothing, or U+FFFD for a character that never ended.
  package mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// The text of a whole answer.
  package static func text(of ids: [Int32], _ tokenizer: Tokenizer) -> String {
    var stream = TextStream(tokenizer)
    return ids.map { stream.append($0) }.joined() + stream.finish()
  }

  /// How many bytes at the end are a character's first ones, with more to come.
  private static func openCount(_ bytes: [UInt8]) -> Int {
    for count in 1...4 where count <= bytes.count {
      switch bytes[bytes.count - count] {
      case 0x80...0xBF: continue
      case 0xC2...0xDF: return count < 2 ? count : 0
      case 0xE0...0xEF: return count < 3 ? count : 0
      case 0xF0...0xF4: return count < 4 ? count : 0
      default: return 0
      }
    }
    return 0
  }
}
