// The tokens with a name or an id of their own in a model's directory, without the tokenizer itself.

import Checkpoints
import Tensors

/// What a configuration that names tokens is compared with.
package struct TokenizerTokens: Sendable {
  /// tokenizer.json.
  package let path: String
  /// `added_tokens` of tokenizer.json by id: each is one token wherever a text is read with special tokens.
  package let added: [Int: String]
  /// `eos_token`, `bos_token`, … of tokenizer_config.json; without those that are null.
  package let own: [String: String]
  /// Whether the chat template writes `bos_token`.
  package let templateBeginsWithToken: Bool

  /// - Throws: `FileError`, or `TokenizerError` if a file is malformed.
  package init(directory: String) throws {
    path = "\(directory)/tokenizer.json"
    let tokens = try TokenizerFile(path: path).root["added_tokens"]?.array ?? []
    added = Dictionary(
      tokens.compactMap { token in token["id"]?.int.flatMap { id in token["content"]?.string.map { (id, $0) } } },
      uniquingKeysWith: { first, _ in first })
    let configuration = try TokenizerConfiguration(directory: directory)
    own = configuration.namedTokens
    templateBeginsWithToken = configuration.chatTemplate?.text.contains("bos_token") ?? false
  }

  package func has(_ token: String) -> Bool { added.values.contains(token) }
}
