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

  /// - Parameter path: what `root` was put together from, for messages.
  init(path: String, root: JSONValue) { (self.path, self.root) = (path, root) }

  func failure(_ reason: String) -> TokenizerError { TokenizerError(path: path, reason: reason) }

  func member(_ name: String, of object: JSONValue, at place: String) throws -> JSONValue {
    guard let value = object[name] else { throw failure("\(place)\(name) is missing") }
    return value
  }

  static let supported =
    "Shoal reads byte-level BPE, as Qwen2, Qwen3, Llama 3, SmolLM2, GPT-2 and Mistral Nemo have it"

  /// Checks everything except vocabulary, merges, added tokens, and how a text is normalized, cut and framed.
  ///
  /// `truncation` and `padding` are ignored: they are settings of a call, and every caller of the library sets them
  /// again.
  func checkShape() throws {
    try check(
      root, at: "the file", may: ["version": ["1.0"]],
      free: [
        "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model",
      ])
    let model = try member("model", of: root, at: "")
    let pretokenizers = root["pre_tokenizer"]?["pretokenizers"]?.array ?? [root["pre_tokenizer"] ?? .null]
    if model["byte_fallback"]?.bool == true || pretokenizers.contains(where: { $0["type"] == "Metaspace" }) {
      throw failure(
        "this is sentencepiece-style BPE (byte_fallback or Metaspace, as Llama 2 and Mistral 7B have it), which is not "
          + "supported: \(Self.supported)")
    }
    // Files of older versions have no type of this kind of model.
    try check(
      model, at: "model",
      may: [
        "type": ["BPE"], "dropout": [.null, 0, 0.0], "continuing_subword_prefix": [.null, ""],
        "end_of_word_suffix": [.null, ""], "byte_fallback": [false], "ignore_merges": [false, true],
      ],
      free: ["unk_token", "fuse_unk", "vocab", "merges"])
    try checkByteLevel(try member("decoder", of: root, at: ""), at: "decoder")
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
            + "\(values.map { $0.serialized() }.joined(separator: " or ")): \(Self.supported)")
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
