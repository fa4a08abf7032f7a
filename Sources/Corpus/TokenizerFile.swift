// Reads tokenizer.json, and checks which settings it may contain.

import Checkpoints
import Tensors

/// A tokenizer.json whose members are checked against the features of Shoal's tokenizer.
struct TokenizerFile {
  private static let maximumBytes = 64 << 20

  let path: String
  let root: JSONValue

  init(path: String) throws {
    self.path = path
    let file = try MappedFile(path: path, atMost: Self.maximumBytes)
    do {
      root = try JSONValue.parse(file.bytes)
    } catch {
      throw TokenizerError(path: path, reason: error.description)
    }
  }

  func failure(_ reason: String) -> TokenizerError { TokenizerError(path: path, reason: reason) }

  func member(_ name: String, of object: JSONValue, at place: String) throws -> JSONValue {
    guard let value = object[name] else { throw failure("\(place)\(name) is missing") }
    return value
  }

  /// Checks everything except vocabulary, merges and added tokens.
  ///
  /// `truncation` and `padding` are ignored: they are settings of a call, and every caller of the library sets them
  /// again.
  func checkShape() throws {
    try check(
      root, at: "the file", may: ["version": ["1.0"]],
      free: [
        "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model",
      ])
    try check(
      try member("model", of: root, at: ""), at: "model", must: ["type": ["BPE"]],
      may: [
        "dropout": [.null, 0, 0.0], "unk_token": [.null], "continuing_subword_prefix": [.null, ""],
        "end_of_word_suffix": [.null, ""], "byte_fallback": [false], "ignore_merges": [false],
      ],
      free: ["fuse_unk", "vocab", "merges"])
    if let normalizer = root["normalizer"], !normalizer.isNull {
      try check(normalizer, at: "normalizer", must: ["type": ["NFC"]])
    }
    try checkSplitRule(try member("pre_tokenizer", of: root, at: ""))
    if let processor = root["post_processor"], !processor.isNull {
      try checkByteLevel(processor, at: "post_processor")
    }
    try checkByteLevel(try member("decoder", of: root, at: ""), at: "decoder")
  }

  private func checkSplitRule(_ value: JSONValue) throws {
    try check(value, at: "pre_tokenizer", must: ["type": ["Sequence"]], free: ["pretokenizers"])
    guard let steps = value["pretokenizers"]?.array, steps.count == 2 else {
      throw failure("pre_tokenizer is not the sequence of Split and ByteLevel that Qwen2 has")
    }
    let place = "pre_tokenizer.pretokenizers"
    try check(
      steps[0], at: "\(place)[0]",
      must: [
        "type": ["Split"], "pattern": [["Regex": .string(PretokenSplitter.pattern)]],
        "behavior": ["Isolated"], "invert": [false],
      ])
    try check(
      steps[1], at: "\(place)[1]", must: ["type": ["ByteLevel"], "add_prefix_space": [false], "use_regex": [false]],
      free: ["trim_offsets"])
  }

  /// Its other members only change offsets, after the tokens are found.
  private func checkByteLevel(_ value: JSONValue, at place: String) throws {
    try check(value, at: place, must: ["type": ["ByteLevel"]], free: ["add_prefix_space", "trim_offsets", "use_regex"])
  }

  /// Checks an object's members: each member of `must` is present with one of the values, each member of `may` has one
  /// of the values if present, and all other members are in `free`.
  func check(
    _ object: JSONValue, at place: String, must: [String: [JSONValue]] = [:],
    may: [String: [JSONValue]] = [:], free: Set<String> = []
  ) throws {
    guard let members = object.members else { throw failure("\(place) is no object") }
    for name in must.keys.sorted() where object[name] == nil { throw failure("\(place) has no member \"\(name)\"") }
    for member in members where !free.contains(member.name) {
      guard let values = must[member.name] ?? may[member.name] else {
        throw failure("\(place) has a member \"\(member.name.prefix(80))\", which Shoal does not know")
      }
      guard values.contains(member.value) else {
        throw failure(
          "\(place).\(member.name) is \(member.value.serialized().prefix(200)), expected "
            + "\(values.map { $0.serialized() }.joined(separator: " or ")): Shoal reads byte-level BPE with "
            + "the split rule of Qwen2 and Qwen2.5 only")
      }
    }
  }
}

extension MappedFile {
  /// Maps a file of a tokenizer, and checks that it has at most `maximumBytes` bytes.
  convenience init(path: String, atMost maximumBytes: Int) throws {
    try self.init(path: path)
    guard bytes.count <= maximumBytes else {
      throw TokenizerError(path: path, reason: "the file has \(bytes.count) bytes, at most \(maximumBytes) are read")
    }
  }
}
