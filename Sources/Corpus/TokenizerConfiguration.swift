// Reads the files beside tokenizer.json: tokenizer_config.json and chat_template.jinja.

import Checkpoints
import Glibc
import Tensors

/// The end-of-sequence token and the chat template of a hub directory. Both files may be absent.
struct TokenizerConfiguration {
  static let name = "tokenizer_config.json"
  static let templateName = "chat_template.jinja"
  private static let maximumBytes = 1 << 20

  /// tokenizer_config.json.
  let path: String
  var endOfSequenceToken: String? { namedTokens["eos_token"] }
  /// The tokens that have a name.
  private(set) var namedTokens: [String: String] = [:]
  /// The Jinja text of the template, and its file.
  private(set) var chatTemplate: (text: String, path: String)?

  /// - Throws: `FileError`, or `TokenizerError` if a file is malformed.
  init(directory: String) throws {
    path = "\(directory)/\(Self.name)"
    if access(path, F_OK) == 0 { try readConfiguration() }
    let template = "\(directory)/\(Self.templateName)"
    if access(template, F_OK) == 0 { chatTemplate = (try Self.text(ofTemplate: template), template) }
  }

  /// The text of a chat template's file.
  /// - Throws: `FileError`.
  static func text(ofTemplate path: String) throws -> String {
    let file = try MappedFile(path: path, atMost: maximumBytes)
    return String(decoding: file.bytes, as: UTF8.self)
  }

  private mutating func readConfiguration() throws {
    let file = try MappedFile(path: path, atMost: 16 * Self.maximumBytes)
    let root: JSONValue
    do {
      root = try JSONValue.parse(file.bytes)
    } catch {
      throw TokenizerError(path: path, reason: error.description)
    }
    for name in ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"] {
      guard let value = root[name] else { continue }
      // A string, or an added token as an object.
      namedTokens[name] = value.string ?? value["content"]?.string
    }
    guard root["eos_token"]?.isNull ?? true || endOfSequenceToken != nil else {
      throw TokenizerError(path: path, reason: "eos_token is neither a string nor an object with \"content\"")
    }
    let template = root["chat_template"] ?? .null
    // A string, or named templates: a list or a mapping.
    let text =
      template.string ?? template["default"]?.string
      ?? template.array?.first { $0["name"] == "default" }?["template"]?.string
    chatTemplate = text.map { ($0, path) }
  }
}
