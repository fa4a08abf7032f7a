// Loads a tokenizer from tokenizer.json. Settings that change ids and are not read here are rejected by name.

import Checkpoints
import Glibc
import Tensors

extension Tokenizer {
  private static let maximumTokens = 1 << 20
  private static let maximumMerges = 2 << 20
  private static let maximumTokenBytes = 4 << 10
  /// Limited because they are searched at every byte of a text.
  private static let maximumAddedTokens = 1 << 14

  /// Reads tokenizer.json and, if it exists, tokenizer_config.json of a hub directory.
  /// - Parameter endOfSequence: takes the place of the directory's own `eos_token`.
  /// - Throws: `FileError`, or `TokenizerError` if a file is malformed, is beyond the limits, or is of another kind than
  ///   byte-level BPE.
  package convenience init(directory: String, endOfSequence: String? = nil) throws {
    let file = try TokenizerFile(path: directory + "/tokenizer.json")
    var (parts, added) = try Self.parts(of: file, mayStrip: false)
    let configuration = try TokenizerConfiguration(directory: directory)
    parts.namedTokens = configuration.namedTokens
    if let token = endOfSequence ?? configuration.endOfSequenceToken {
      guard let id = added.first(where: { $0.bytes.elementsEqual(token.utf8) })?.id else {
        throw TokenizerError(
          path: endOfSequence == nil ? configuration.path : file.path,
          reason: "eos_token is \"\(token)\", which is not among the added tokens of tokenizer.json")
      }
      parts.endOfSequence = id
      parts.namedTokens["eos_token"] = token
    }
    self.init(parts)
  }

  /// Reads the tokenizer of an encoder: tokenizer.json, or, where that is absent, vocab.json and merges.txt with the
  /// special tokens of its family.
  ///
  /// The tokens may take white space along, and the tokenizer has no end-of-sequence token of its own.
  /// - Throws: `FileError`, or `TokenizerError` as above, or if it puts no tokens around a text.
  package convenience init(encoder directory: String, specials: EncoderSpecials) throws {
    let path = directory + "/tokenizer.json"
    let file =
      access(path, F_OK) == 0 ? try TokenizerFile(path: path) : try VocabularyFiles(directory, specials).tokenizerFile()
    let (parts, _) = try Self.parts(of: file, mayStrip: true)
    guard parts.frame.before.count == 1, parts.frame.after.count == 1 else {
      throw file.failure("post_processor does not put one token before and one after a text, as encoders need")
    }
    self.init(parts)
  }

  /// - Parameter mayStrip: whether added tokens may take the white space around them along.
  private static func parts(
    of file: TokenizerFile, mayStrip: Bool
  ) throws -> (parts: Parts, added: [AddedToken]) {
    try file.checkShape()
    let model = try file.member("model", of: file.root, at: "")
    var vocabulary = try Self.vocabulary(file, model)
    let merges = try Self.merges(file, model, vocabulary)
    let wholeTokens = model["ignore_merges"]?.bool == true ? vocabulary : nil
    let normalizesText = try file.normalizesText()
    let added = try Self.addedTokens(
      file, model, &vocabulary, normalizesText: normalizesText, mayStrip: mayStrip)

    var bytes = ByteStrings()
    for name in vocabulary.names { bytes.append(ByteAlphabet.bytes(of: name)) }
    let parts = Parts(
      path: file.path, merges: merges, wholeTokens: wholeTokens, normalizesText: normalizesText,
      steps: try file.pretokenSteps(), frame: try file.frame(),
      rawTokens: added.filter { !$0.isNormalized }.map(\.token),
      normalizedTokens: added.filter(\.isNormalized).map(\.token), tokenBytes: bytes)
    for id in parts.frame.before + parts.frame.after where vocabulary.name(of: id) == nil {
      throw file.failure("post_processor adds the id \(id), which no token has")
    }
    return (parts, added.map(\.token))
  }

  /// `eos_token` of a directory's tokenizer_config.json; nil if there is none.
  /// - Throws: `FileError`, or `TokenizerError` if the file is malformed.
  package static func endOfSequence(in directory: String) throws -> String? {
    try TokenizerConfiguration(directory: directory).endOfSequenceToken
  }

  // MARK: - TokenVocabulary

  private static func vocabulary(_ file: TokenizerFile, _ model: JSONValue) throws -> TokenVocabulary {
    guard let members = model["vocab"]?.members else { throw file.failure("model.vocab is no object") }
    guard members.count <= maximumTokens else {
      throw file.failure("model.vocab has \(members.count) tokens, at most \(maximumTokens) are read")
    }
    var vocabulary = TokenVocabulary(capacity: members.count)
    for member in members {
      guard let id = member.value.int, 0..<maximumTokens ~= id else {
        throw file.failure("the id of the token \"\(member.name.prefix(80))\" is no number from 0 to 1048575")
      }
      try add(member.name, id, to: &vocabulary, file)
    }
    return vocabulary
  }

  private static func add(_ name: String, _ id: Int, to vocabulary: inout TokenVocabulary, _ file: TokenizerFile) throws
  {
    guard 1...maximumTokenBytes ~= name.utf8.count else {
      throw file.failure("the token of id \(id) has \(name.utf8.count) bytes, expected 1 to \(maximumTokenBytes)")
    }
    guard vocabulary.insert(name, id) else {
      throw file.failure("the id \(id) is given to two tokens, \"\(name.prefix(80))\" is one of them")
    }
  }

  // MARK: - Merges

  private static func merges(
    _ file: TokenizerFile, _ model: JSONValue, _ vocabulary: TokenVocabulary
  ) throws -> BytePairMerges {
    let byteTokens: [Int32?] = try (0..<256).map { byte in
      let name = String(ByteAlphabet.characters[byte])
      let id = vocabulary.id(of: name.utf8)
      guard id != nil || model["unk_token"]?.isNull ?? true else {
        throw file.failure(
          "model.vocab has no token \"\(name)\" for the byte \(byte), so that unk_token would stand for it, which is "
            + "not supported")
      }
      return id
    }
    guard let list = model["merges"]?.array else { throw file.failure("model.merges is no array") }
    guard list.count <= maximumMerges else {
      throw file.failure("model.merges has \(list.count) entries, at most \(maximumMerges) are read")
    }
    var merges = BytePairMerges(byteTokens: byteTokens, capacity: list.count)
    for (rank, entry) in list.enumerated() {
      let (left, right) = try pair(file, entry, rank)
      guard let leftID = vocabulary.id(of: left), let rightID = vocabulary.id(of: right),
        let result = vocabulary.id(of: left, right)
      else {
        throw file.failure(
          "model.merges[\(rank)] names a token that model.vocab has not: one of its two or both in one")
      }
      guard merges.insert(leftID, rightID, rank: UInt32(rank), result: result) else {
        throw file.failure("model.merges[\(rank)] is there twice")
      }
    }
    return merges
  }

  /// The two tokens of a merge: `"a b"`, or `["a", "b"]` in newer files.
  private static func pair(
    _ file: TokenizerFile, _ entry: JSONValue, _ rank: Int
  ) throws -> (Substring.UTF8View, Substring.UTF8View) {
    if let text = entry.string?.utf8, let space = text.firstIndex(of: 0x20) {
      let right = text[text.index(after: space)...]
      if !right.contains(0x20) { return (text[..<space], right) }
    } else if let tokens = entry.array, tokens.count == 2, let left = tokens[0].string,
      let right = tokens[1].string
    {
      return (left[...].utf8, right[...].utf8)
    }
    throw file.failure("model.merges[\(rank)] is neither \"a b\" nor [\"a\", \"b\"]")
  }

  // MARK: - Added tokens

  private static func addedTokens(
    _ file: TokenizerFile, _ model: JSONValue, _ vocabulary: inout TokenVocabulary, normalizesText: Bool, mayStrip: Bool
  ) throws -> [(token: AddedToken, isNormalized: Bool)] {
    guard let list = (file.root["added_tokens"] ?? .array([])).array else {
      throw file.failure("added_tokens is no array")
    }
    guard list.count <= maximumAddedTokens else {
      throw file.failure("added_tokens has \(list.count) entries, at most \(maximumAddedTokens) are read")
    }
    let strips: [JSONValue] = mayStrip ? [false, true] : [false]
    // The library numbers new tokens itself, after the vocabulary and in the order of the list, and ignores the file's
    // ids. A file with other ids would therefore mean different ids to different readers.
    var nextID = model["vocab"]?.members?.count ?? 0
    var result: [(token: AddedToken, isNormalized: Bool)] = []
    for (index, entry) in list.enumerated() {
      let place = "added_tokens[\(index)]"
      try file.check(
        entry, at: place, must: ["single_word": [false], "lstrip": strips, "rstrip": strips],
        free: ["id", "content", "normalized", "special"])
      guard let content = entry["content"]?.string, let id = entry["id"]?.int, 0..<maximumTokens ~= id,
        let isSpecial = entry["special"]?.bool, let isNormalized = entry["normalized"]?.bool
      else { throw file.failure("\(place) lacks one of id, content, normalized, special, or has it wrong") }
      // A token of the vocabulary may be declared again; it keeps its id.
      if vocabulary.id(of: content.utf8) != Int32(id) {
        guard vocabulary.id(of: content.utf8) == nil else {
          throw file.failure("\(place) gives \"\(content.prefix(80))\" an id other than the one it has")
        }
        guard id == nextID else {
          throw file.failure("\(place) has the id \(id), expected \(nextID), the next one that is free")
        }
        try add(content, id, to: &vocabulary, file)
      }
      nextID = max(nextID, id + 1)
      let token = AddedToken(
        id: Int32(id), bytes: spelling(of: content, isNormalized: isNormalized && normalizesText), isSpecial: isSpecial,
        stripsLeft: entry["lstrip"]?.bool == true, stripsRight: entry["rstrip"]?.bool == true)
      result.append((token, isNormalized))
    }
    return result
  }

  private static func spelling(of content: String, isNormalized: Bool) -> [UInt8] {
    var content = content
    return content.withUTF8 { text in
      guard isNormalized else { return Array(text) }
      var normalization = Normalization()
      var normalized: [UInt8] = []
      normalization.normalize(text, into: &normalized)
      return normalized
    }
  }
}
