// Converts token ids to text as they arrive: a token may end inside a character, but the returned text never does.

/// Decodes an answer token by token, without special tokens. The returned parts together equal the decoded whole
/// answer.
package struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  /// The first bytes of a character whose last bytes have not arrived.
  private var pending: [UInt8] = []

  package init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  /// The characters that this token completes.
  package mutating func append(_ id: Int32) -> String {
    guard !tokenizer.isSpecial(id) else { return "" }
    pending += tokenizer.bytes(of: id)
    let end = pending.count - Self.openCount(pending)
    defer { pending.removeFirst(end) }
    return String(decoding: pending[..<end], as: UTF8.self)
  }

  /// The rest at the end: empty, or U+FFFD for an incomplete character.
  package mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// The text of a whole answer.
  package static func text(of ids: [Int32], _ tokenizer: Tokenizer) -> String {
    var stream = TextStream(tokenizer)
    return ids.map { stream.append($0) }.joined() + stream.finish()
  }

  /// The number of bytes at the end that begin an incomplete character.
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
