// The templates that have a name, and the choice of a template.

import Checkpoints
import Tensors

extension ChatTemplate {
  /// A template that is part of Shoal, by axolotl's name.
  package enum Name: String, Sendable, CaseIterable {
    case chatml
    case qwen
    case qwen25 = "qwen_25"
    case qwen3

    package var template: ChatTemplate {
      switch self {
      case .chatml: .chatML
      case .qwen: .qwen2
      case .qwen25: .qwen25
      case .qwen3: .qwen3
      }
    }
  }

  /// ChatML without a default system message.
  package static let chatML = own(PackageResources.chatml_jinja)
  /// The template of Qwen2 Instruct.
  package static let qwen2 = own(PackageResources.qwen_jinja)
  /// The template of Qwen2.5 Instruct.
  package static let qwen25 = own(PackageResources.qwen_25_jinja)
  /// axolotl's template of Qwen3.
  package static let qwen3 = own(PackageResources.qwen3_jinja)

  private static func own(_ bytes: [UInt8]) -> ChatTemplate {
    ChatTemplate(own: String(decoding: bytes, as: UTF8.self))
  }

  /// A template as a configuration or an argument names it.
  package enum Choice: Sendable, Equatable {
    /// `tokenizer_default`: the one of the model's own directory.
    case own
    /// `tokenizer_default_fallback_NAME`: the model's own if it has one.
    case ownOr(Name)
    case named(Name)
    /// A file with Jinja text.
    case file(String)
    /// Jinja text.
    case text(String)

    private static let fallback = "tokenizer_default_fallback_"

    /// - Throws: `UnknownTemplate`.
    package init(_ name: String) throws(UnknownTemplate) {
      if name == "tokenizer_default" {
        self = .own
      } else if name.hasPrefix(Self.fallback), let name = Name(rawValue: String(name.dropFirst(Self.fallback.count))) {
        self = .ownOr(name)
      } else if let name = Name(rawValue: name) {
        self = .named(name)
      } else if name.hasSuffix(".jinja") || HubFiles.exists(name) {
        self = .file(name)
      } else {
        throw UnknownTemplate(name: name)
      }
    }

    /// The name that `init` reads; Jinja text as it is.
    package var name: String {
      switch self {
      case .own: "tokenizer_default"
      case .ownOr(let name): Self.fallback + name.rawValue
      case .named(let name): name.rawValue
      case .file(let path): path
      case .text(let text): text
      }
    }
  }

  /// The chosen template.
  /// - Parameter directory: the model's.
  /// - Throws: `FileError`; `TokenizerError` if there is no template or a malformed one, or the tokenizer lacks its
  ///   special tokens.
  package init(_ choice: Choice, directory: String, tokenizer: Tokenizer) throws {
    switch choice {
    case .own: try self.init(directory: directory, tokenizer: tokenizer)
    case .ownOr(let name):
      self =
        try Self.text(in: directory) == nil
        ? name.template : ChatTemplate(directory: directory, tokenizer: tokenizer)
    case .named(let name): self = name.template
    case .file(let path): try self.init(file: path)
    case .text(let text): try self.init(jinja: text)
    }
    try validate(with: tokenizer)
  }
}

/// A chat template that is neither a name nor a file.
package struct UnknownTemplate: UserError, Equatable {
  package let name: String

  /// axolotl's templates of other families, which need tokens that only their models have.
  private static let others: Set<String> = [
    "alpaca", "aya", "cohere", "command_a", "command_a_rag", "command_a_tool_use", "deepseek_v2", "deepseek_v3",
    "exaone",
    "exaone4", "falcon_h1", "gemma", "gemma3", "gemma3n", "gemma4", "gemma4_unified", "jamba", "llama3",
    "llama3_2_vision", "llama4", "llava", "metharme", "mistral_v1", "mistral_v2v3", "mistral_v3_tekken",
    "mistral_v7_tekken", "nemotron_h", "phi_3", "phi_35", "phi_4", "pixtral", "qwen2_vl", "qwen3_5",
  ]

  package var description: String {
    let names = (["tokenizer_default"] + ChatTemplate.Name.allCases.map(\.rawValue)).joined(separator: ", ")
    let known =
      Self.others.contains(name)
      ? "the chat template \"\(name)\" is of another family of models: tokenizer_default is this model's own"
      : "the chat template \"\(name)\" is unknown"
    return "\(known); expected one of \(names), tokenizer_default_fallback_ and a name, or the path of a .jinja file"
  }
}
