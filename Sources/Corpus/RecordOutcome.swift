// The result of reading a record.

/// The result of reading one record.
enum RecordOutcome: Sendable {
  /// The record's examples, and the digest of the prompt that they share.
  case read([Part], prompt: SIMD2<UInt64>)
  case wrong(RecordMistake)

  /// An example of the record: its trees, or no tree if it was dropped.
  struct Part {
    var trees: [ExampleTree]
    var traits: EncodedExample.Traits
    var style: PromptStyle
    var isTruncated = false
    /// Of a running text that was divided: the tokens that are in no piece.
    var tokensBetweenPieces: Int?
    /// Whether it was left out because the completions are equal.
    var isLeftOut = false
  }

  /// Whether a text of the record is a chat that is rendered already.
  var holdsRenderedChat: Bool {
    guard case .read(let parts, _) = self else { return false }
    return parts.contains(where: \.traits.holdsRenderedChat)
  }
}
