// vocab.json and merges.txt, from the time before tokenizer.json: byte-level BPE without a word about special tokens.

import Checkpoints
import Glibc
import Tensors

/// The special tokens of a family of encoders, which tokenizer_config.json or special_tokens_map.json may rename.
package struct EncoderSpecials: Sendable, Equatable {
  /// Before and after a text.
  package let classification, separator: String
  package let unknown, padding, mask: String

  /// RoBERTa's.
  package static let roberta = EncoderSpecials(
    classification: "<s>", separator: "</s>", unknown: "<unk>", padding: "<pad>", mask: "<mask>")
  /// DeBERTa's, version 1.
  package static let deberta = EncoderSpecials(
    classification: "[CLS]", separator: "[SEP]", unknown: "[UNK]", padding: "[PAD]", mask: "[MASK]")
}

/// The files that a directory has in place of tokenizer.json.
struct VocabularyFiles {
  private static let maximumBytes = 64 << 20

  private let directory: String
  private let specials: EncoderSpecials
  private var path: String { "\(directory)/vocab.json" }

  init(_ directory: String, _ specials: EncoderSpecials) {
    (self.directory, self.specials) = (directory, specials)
  }

  /// The same as tokenizer.json would say it.
  /// - Throws: `FileError`; `TokenizerError` if a file is malformed, or the vocabulary lacks a token that texts need.
  func tokenizerFile() throws -> TokenizerFile {
    let vocabulary = try json("vocab.json")
    guard let members = vocabulary.members else { throw TokenizerError(path: path, reason: "the file is no object") }
    try refuseAddedTokens()
    let ids = Dictionary(members.map { (Array($0.name.utf8), $0.value) }, uniquingKeysWith: { first, _ in first })
    let tokens = try specialTokens()
    let frame = try ["cls_token", "sep_token"].map { name -> JSONValue in
      let token = tokens[name]?.text ?? ""
      guard let id = ids[Array(token.utf8)] else {
        throw TokenizerError(
          path: path, reason: "has no token \"\(token.prefix(80))\", which \(name) says is around every text")
      }
      return [.string(token), id]
    }
    let template: JSONValue = [
      "type": "RobertaProcessing", "cls": frame[0], "sep": frame[1], "trim_offsets": true, "add_prefix_space": false,
    ]
    let byteLevel: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true]
    let model: JSONValue = [
      "type": "BPE", "unk_token": .string(tokens["unk_token"]?.text ?? ""), "vocab": vocabulary,
      "merges": .array(try merges()),
    ]
    return TokenizerFile(
      path: path,
      root: [
        "added_tokens": .array(added(tokens, ids)), "pre_tokenizer": byteLevel, "post_processor": template,
        "decoder": byteLevel, "model": model,
      ])
  }

  /// The special tokens that the vocabulary has; others cannot occur in a text.
  private func added(_ tokens: [String: SpecialToken], _ ids: [[UInt8]: JSONValue]) -> [JSONValue] {
    var seen: Set<[UInt8]> = []
    return tokens.keys.sorted().compactMap { name -> JSONValue? in
      guard let token = tokens[name], let id = ids[Array(token.text.utf8)],
        seen.insert(Array(token.text.utf8)).inserted
      else { return nil }
      return [
        "id": id, "content": .string(token.text), "single_word": false, "lstrip": .bool(token.stripsLeft),
        "rstrip": .bool(token.stripsRight), "normalized": false, "special": true,
      ]
    }
  }

  // MARK: Files

  /// Lines of two tokens; a first line that begins with `#version` is none.
  private func merges() throws -> [JSONValue] {
    let file = try MappedFile(path: "\(directory)/merges.txt", atMost: Self.maximumBytes)
    defer { withExtendedLifetime(file) {} }
    var lines = file.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
    if let first = lines.first, first.starts(with: Array("#version".utf8)) { lines.removeFirst() }
    return lines.map { line in
      let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      return .string(String(decoding: text, as: UTF8.self))
    }
  }

  private struct SpecialToken {
    var text: String
    var stripsLeft = false
    var stripsRight = false
  }

  /// By name; tokenizer_config.json has the last word.
  private func specialTokens() throws -> [String: SpecialToken] {
    var tokens = [
      "bos_token": SpecialToken(text: specials.classification), "eos_token": SpecialToken(text: specials.separator),
      "cls_token": SpecialToken(text: specials.classification), "sep_token": SpecialToken(text: specials.separator),
      "unk_token": SpecialToken(text: specials.unknown), "pad_token": SpecialToken(text: specials.padding),
      "mask_token": SpecialToken(text: specials.mask, stripsLeft: true),
    ]
    for name in ["special_tokens_map.json", TokenizerConfiguration.name]
    where access("\(directory)/\(name)", F_OK) == 0 {
      let file = try json(name)
      for key in tokens.keys {
        guard let value = file[key], !value.isNull else { continue }
        if let text = value.string, !text.isEmpty {
          tokens[key] = SpecialToken(text: text, stripsLeft: key == "mask_token")
        } else if let text = value["content"]?.string, !text.isEmpty {
          tokens[key] = SpecialToken(
            text: text, stripsLeft: value["lstrip"]?.bool ?? false, stripsRight: value["rstrip"]?.bool ?? false)
        } else {
          throw TokenizerError(
            path: "\(directory)/\(name)", reason: "\(key) is neither a text nor an object with \"content\"")
        }
      }
    }
    return tokens
  }

  private func refuseAddedTokens() throws {
    let name = "added_tokens.json"
    guard access("\(directory)/\(name)", F_OK) == 0 else { return }
    guard try json(name).members?.isEmpty == true else {
      throw TokenizerError(
        path: "\(directory)/\(name)",
        reason: "adds tokens to vocab.json, which is not supported: save the tokenizer as tokenizer.json")
    }
  }

  private func json(_ name: String) throws -> JSONValue {
    let path = "\(directory)/\(name)"
    let file = try MappedFile(path: path, atMost: Self.maximumBytes)
    defer { withExtendedLifetime(file) {} }
    do {
      return try JSONValue.parse(file.bytes)
    } catch {
      throw TokenizerError(path: path, reason: error.description)
    }
  }
}
