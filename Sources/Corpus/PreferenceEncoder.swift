// A preference record as token ids, as TRL 1.16's DPOTrainer tokenises it, except that text inside a field
// never becomes a special token.

/// A record's tree, and what only the encoder can know about it.
package struct EncodedPreference: Sendable, Equatable {
  package var tree: ExampleTree
  /// The prompt's own texts as ranges of its tokens: what truncation may cut. The rest is template.
  package let texts: [Range<Int>]
  package let traits: Traits

  /// What is worth a notice.
  package struct Traits: Sendable, Equatable {
    /// Tokens at the prompt's end that were left out, because they read otherwise before a completion.
    package let seamTokens: Int
    /// Whether a field holds the text of a special token, which TRL would take for the token.
    package let holdsSpecialText: Bool
    /// Whether both completions are the same.
    package let isEqualPair: Bool
  }
}

/// Turns preference records into example trees.
package struct PreferenceEncoder: Sendable {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate?

  /// - Parameter template: only conversational records need one.
  package init(tokenizer: Tokenizer, template: ChatTemplate?) {
    self.tokenizer = tokenizer
    self.template = template
  }

  /// Encodes a record as the tree with index `index`: chosen first.
  ///
  /// The prompt ends where its own ids and those of prompt + completion diverge, for the completion where
  /// that is earlier; both completions start there.
  /// - Throws: `RecordProblem` when no token of the prompt is left then, or the model lacks what the record
  ///   needs: a chat template, or a token that ends a text.
  package func encode(_ record: PreferenceRecord, index: Int) throws(RecordProblem) -> EncodedPreference {
    let (prompt, both, texts, special) =
      switch record {
      case .standard(let prompt, let chosen, let rejected): try standard(prompt, chosen, rejected)
      case .conversational(let prompt, let chosen, let rejected): try conversational(prompt, chosen, rejected)
      }
    let length = both.map { Self.commonPrefix(prompt, $0) }.min() ?? 0
    guard length > 0 else {
      throw RecordProblem(
        "no token of the prompt is left before the completions, because they merge: end the prompt on the "
          + "boundary of a token, as with a line break")
    }
    return EncodedPreference(
      tree: ExampleTree(
        index: index, prompt: Array(prompt[..<length]), completions: both.map { Array($0[length...]) }),
      texts: texts.map { $0.clamped(to: 0..<length) },
      traits: EncodedPreference.Traits(
        seamTokens: prompt.count - length, holdsSpecialText: special, isEqualPair: record.isEqualPair))
  }

  /// Ids of a prompt and of the prompt with each completion, the ranges of the prompt's texts, and whether a
  /// field holds the text of a special token.
  private typealias Parts = (prompt: [Int32], both: [[Int32]], texts: [Range<Int>], special: Bool)

  // MARK: Standard records

  /// Every completion ends in the end-of-sequence token, also when its text already brings it.
  private func standard(_ prompt: String, _ chosen: String, _ rejected: String) throws(RecordProblem) -> Parts {
    guard let id = tokenizer.endOfSequence, let ending = tokenizer.endOfSequenceToken else {
      throw RecordProblem("a completion must end, but the model's tokenizer_config.json has no \"eos_token\"")
    }
    let bare = [chosen, rejected].map { Self.text($0, without: ending) }
    let ids = tokenizer.encode(prompt)
    return (
      ids, bare.map { tokenizer.encode(prompt + $0) + [id] }, [0..<ids.count],
      ([prompt] + bare).contains(where: tokenizer.holdsSpecialText)
    )
  }

  private static func text(_ text: String, without ending: String) -> String {
    // By bytes: hasSuffix compares whole grapheme clusters, and one may begin before the ending does.
    let (bytes, ending) = (text.utf8, ending.utf8)
    guard bytes.count >= ending.count, bytes.suffix(ending.count).elementsEqual(ending) else { return text }
    return String(decoding: bytes.dropLast(ending.count), as: UTF8.self)
  }

  // MARK: Conversational records

  private func conversational(
    _ prompt: [ChatMessage], _ chosen: [ChatMessage], _ rejected: [ChatMessage]
  ) throws(RecordProblem) -> Parts {
    guard let template else {
      throw RecordProblem("messages need a chat template, and the model has none: use texts")
    }
    let pieces = template.pieces(prompt, generationPrompt: true)
    let encoded = pieces.map(encode)
    let both = [chosen, rejected].map { completion in
      // The prompt's pieces come again before each completion; their ids need not be found again.
      template.pieces(prompt + completion, generationPrompt: false).enumerated().flatMap { place, piece in
        place < pieces.count && piece.isSame(as: pieces[place]) ? encoded[place] : encode(piece)
      }
    }
    let special = (prompt + chosen + rejected).contains { tokenizer.holdsSpecialText($0.content) }
    return (encoded.flatMap { $0 }, both, texts(of: prompt, in: pieces, encoded), special)
  }

  /// Where the messages' contents stand among the prompt's tokens.
  ///
  /// A content is the end of its text piece, after the role; a token that holds bytes of both counts as
  /// template.
  private func texts(
    of messages: [ChatMessage], in pieces: [ChatTemplate.Piece], _ encoded: [[Int32]]
  ) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var rest = messages[...]
    var start = 0
    for (piece, ids) in zip(pieces, encoded) {
      defer { start += ids.count }
      guard let message = rest.first, case .text(let text) = piece, text.utf8.starts(with: message.role.utf8),
        text.utf8.reversed().starts(with: message.content.utf8.reversed())
      else { continue }
      rest = rest.dropFirst()
      let header = tokenizer.encode(
        String(decoding: text.utf8.dropLast(message.content.utf8.count), as: UTF8.self))
      let common = Self.commonPrefix(header, ids)
      let template = common == header.count ? common : min(common + 1, ids.count)
      ranges.append(start + template..<start + ids.count)
    }
    return ranges
  }

  private func encode(_ piece: ChatTemplate.Piece) -> [Int32] {
    switch piece {
    case .special(let token): tokenizer.encode(token, allowSpecial: true)
    case .text(let text): tokenizer.encode(text)
    }
  }

  private static func commonPrefix(_ first: [Int32], _ second: [Int32]) -> Int {
    zip(first, second).prefix { $0 == $1 }.count
  }
}

extension ChatTemplate.Piece {
  /// Equal code point for code point.
  fileprivate func isSame(as other: Self) -> Bool {
    switch (self, other) {
    case (.special(let first), .special(let second)), (.text(let first), .text(let second)):
      first.utf8.elementsEqual(second.utf8)
    default: false
    }
  }
}
