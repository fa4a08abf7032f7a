// Converts text to token ids and back: byte-level BPE. Tokenizer+Loading loads it.

import Glibc
import Synchronization
import Tensors

/// The tokenizer of a model directory; its ids equal those of the `tokenizers` library for any text.
package final class Tokenizer: Sendable {
  /// The largest id plus one: embeddings need at least this many rows.
  package let vocabularyBound: Int
  /// `eos_token` of tokenizer_config.json.
  package var endOfSequenceToken: String? { namedTokens["eos_token"] }
  package let endOfSequence: Int32?
  /// The id of `bos_token`.
  package var beginOfSequence: Int32? { namedTokens["bos_token"].flatMap { id(ofToken: $0) } }
  /// The tokens that templates know by name, such as `eos_token`.
  let namedTokens: [String: String]

  /// The tokenizer's file, for error messages.
  package let path: String
  private let merges: BytePairMerges
  /// The vocabulary, if a piece that is a token becomes that token whatever the merges are.
  private let wholeTokens: TokenVocabulary?
  private let normalizesText: Bool
  private let steps: [PretokenStep]
  let frame: TokenFrame
  /// Searched in the original text.
  private let rawTokens: AddedTokenMatcher
  /// Searched in the text between the raw tokens, after NFC.
  private let normalizedTokens: AddedTokenMatcher
  /// The bytes of each id; empty for an id without a token.
  private let tokenBytes: ByteStrings
  private let specialIDs: Set<Int32>
  /// Idle workspaces: their number is the largest number of concurrent calls so far.
  private let workspaces = Mutex<[Workspace]>([])

  init(_ parts: Parts) {
    path = parts.path
    merges = parts.merges
    wholeTokens = parts.wholeTokens
    normalizesText = parts.normalizesText
    (steps, frame) = (parts.steps, parts.frame)
    rawTokens = AddedTokenMatcher(parts.rawTokens)
    normalizedTokens = AddedTokenMatcher(parts.normalizedTokens)
    tokenBytes = parts.tokenBytes
    specialIDs = Set((parts.rawTokens + parts.normalizedTokens).filter(\.isSpecial).map(\.id))
    vocabularyBound = parts.tokenBytes.count
    endOfSequence = parts.endOfSequence
    namedTokens = parts.namedTokens
  }

  /// The parts that loading creates.
  struct Parts {
    var path: String
    var merges: BytePairMerges
    var wholeTokens: TokenVocabulary?
    var normalizesText: Bool
    var steps: [PretokenStep]
    var frame: TokenFrame
    var rawTokens: [AddedToken]
    var normalizedTokens: [AddedToken]
    var tokenBytes: ByteStrings
    var endOfSequence: Int32?
    var namedTokens: [String: String] = [:]
  }

  /// The buffers of one call of `encode`, kept for the next call.
  private final class Workspace: @unchecked Sendable {
    // Sendable because a call removes it from the list, and only that call uses it until it is put back.
    var cache = WordCache()
    var normalization = Normalization()
    var normalized: [UInt8] = []
    var ids: [Int32] = []
  }

  // MARK: - Encoding

  /// The ids of `text`.
  /// - Parameter allowSpecial: whether text that spells a special token becomes that token. Added tokens that are not
  ///   special are always found.
  package func encode(_ text: String, allowSpecial: Bool = false) -> [Int32] {
    var text = text
    return text.withUTF8 { encode($0, allowSpecial: allowSpecial) }
  }

  /// The ids of a text with what the tokenizer puts around it: those that transformers gives by default.
  package func encodeWhole(_ text: String, allowSpecial: Bool = false) -> [Int32] {
    frame.before + encode(text, allowSpecial: allowSpecial) + frame.after
  }

  /// The ids of a text that goes on: with what the tokenizer puts before it alone.
  package func encodeBeginning(_ text: String, allowSpecial: Bool = false) -> [Int32] {
    beginning(encode(text, allowSpecial: allowSpecial))
  }

  /// Ids with what the tokenizer puts before a text, unless they have it.
  func beginning(_ ids: [Int32]) -> [Int32] { ids.starts(with: frame.before) ? ids : frame.before + ids }

  private func encode(_ text: UnsafeBufferPointer<UInt8>, allowSpecial: Bool) -> [Int32] {
    let workspace = workspaces.withLock { $0.popLast() } ?? Workspace()
    defer { workspaces.withLock { $0.append(workspace) } }
    workspace.ids.removeAll(keepingCapacity: true)
    cut(text, at: rawTokens, allowSpecial: allowSpecial, workspace) { segment in
      guard normalizesText, !workspace.normalization.isStable(segment) else {
        return encode(normalized: segment, allowSpecial: allowSpecial, workspace)
      }
      workspace.normalized.removeAll(keepingCapacity: true)
      workspace.normalization.normalize(segment, into: &workspace.normalized)
      let normalized = workspace.normalized
      normalized.withUnsafeBufferPointer { encode(normalized: $0, allowSpecial: allowSpecial, workspace) }
    }
    return workspace.ids
  }

  private func encode(normalized text: UnsafeBufferPointer<UInt8>, allowSpecial: Bool, _ workspace: Workspace) {
    cut(text, at: normalizedTokens, allowSpecial: allowSpecial, workspace) { segment in
      PretokenStep.cut(segment, by: steps) { text, piece in
        encode(piece, of: text, workspace)
      }
    }
  }

  /// Appends the ids of added tokens, and passes the text between them to `body`.
  private func cut(
    _ text: UnsafeBufferPointer<UInt8>, at tokens: AddedTokenMatcher, allowSpecial: Bool,
    _ workspace: Workspace, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var start = 0
    var position = 0
    while let (token, match) = tokens.firstMatch(in: text, from: position) {
      position = match.upperBound
      guard allowSpecial || !token.isSpecial else { continue }
      let range = token.extent(of: match, in: text, from: start)
      position = range.upperBound
      if start < range.lowerBound { body(UnsafeBufferPointer(rebasing: text[start..<range.lowerBound])) }
      workspace.ids.append(token.id)
      start = position
    }
    if start < text.count { body(UnsafeBufferPointer(rebasing: text[start...])) }
  }

  @inline(__always)
  private func encode(_ piece: Range<Int>, of text: UnsafeBufferPointer<UInt8>, _ workspace: Workspace) {
    let key = WordCache.Key(text, piece)
    if key.map({ workspace.cache.append($0, to: &workspace.ids) }) == true { return }
    let first = workspace.ids.count
    let bytes = UnsafeBufferPointer(rebasing: text[piece])
    if let id = wholeTokens?.id(ofPiece: bytes) {
      workspace.ids.append(id)
    } else {
      merges.encode(bytes, into: &workspace.ids)
    }
    if let key { workspace.cache.insert(key, workspace.ids[first...]) }
  }

  // MARK: - Decoding

  /// The text of `ids`, including special tokens. Bytes that are not UTF-8 become U+FFFD; ids without a token are
  /// skipped.
  package func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    for id in ids { bytes += self.bytes(of: id) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes of a token, which may be parts of characters; empty for an id without a token.
  package func bytes(of id: Int32) -> ArraySlice<UInt8> { 0..<vocabularyBound ~= Int(id) ? tokenBytes[Int(id)] : [] }

  /// The place in a text where each of its tokens ends, in bytes; nil if the tokens do not spell the text.
  func ends(of ids: ArraySlice<Int32>, spelling text: String) -> [Int]? {
    var text = text
    return text.withUTF8 { text in
      tokenBytes.withUnsafeBytes { bytes, bounds -> [Int]? in
        var ends: [Int] = []
        ends.reserveCapacity(ids.count)
        var end = 0
        for id in ids {
          let own = bounds(Int(id))
          guard end + own.count <= text.count,
            memcmp(text.baseAddress! + end, bytes.baseAddress! + own.lowerBound, own.count) == 0
          else { return nil }
          end += own.count
          ends.append(end)
        }
        return end == text.count ? ends : nil
      }
    }
  }

  /// Whether an id belongs to a special token.
  package func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  // MARK: - Tokens

  /// The id of the added token whose spelling is exactly `token`.
  package func id(ofToken token: String) -> Int32? {
    (rawTokens.token(spelled: token) ?? normalizedTokens.token(spelled: token))?.id
  }

  /// Whether a part of `text` spells a special token.
  package func holdsSpecialText(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { text in
      [rawTokens, normalizedTokens].contains { $0.firstSpecialMatch(in: text, from: 0) != nil }
    }
  }

  /// Splits `text` into the special tokens that it spells and the texts between them.
  func pieces(_ text: String) -> [ChatPiece] {
    [rawTokens, normalizedTokens].reduce([.text(text)]) { pieces, tokens in
      pieces.flatMap { $0.isSpecial ? [$0] : Self.pieces(of: $0.text, at: tokens) }
    }
  }

  private static func pieces(of text: String, at tokens: AddedTokenMatcher) -> [ChatPiece] {
    var text = text
    return text.withUTF8 { text in
      var pieces: [ChatPiece] = []
      var start = 0
      while let (token, range) = tokens.firstSpecialMatch(in: text, from: start) {
        pieces.append(.text(String(decoding: text[start..<range.lowerBound], as: UTF8.self)))
        pieces.append(.special(String(decoding: token.bytes, as: UTF8.self)))
        start = range.upperBound
      }
      return pieces + [.text(String(decoding: text[start...], as: UTF8.self))]
    }
  }

  /// Checks that every id has a row in an embedding of `vocabularySize` rows.
  /// - Throws: `TokenizerError` if an id is out of range.
  package func validate(vocabularySize: Int) throws {
    guard vocabularyBound <= vocabularySize else {
      throw TokenizerError(
        path: path,
        reason: "the largest token id is \(vocabularyBound - 1), but the model has only \(vocabularySize) "
          + "embedding rows (vocab_size in config.json); use the tokenizer files of this model")
    }
  }
}

/// Byte strings by number, stored one after the other in one array.
struct ByteStrings: Sendable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  var count: Int { ends.count }

  /// All bytes, and which of them are a string's.
  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer, (Int) -> Range<Int>) -> Result) -> Result {
    bytes.withUnsafeBytes { bytes in
      ends.withUnsafeBufferPointer { ends in body(bytes) { ($0 == 0 ? 0 : ends[$0 - 1])..<ends[$0] } }
    }
  }

  subscript(index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

  mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
  }
}
