// The named data formats, which are axolotl's. TRL's formats have no name: a record's fields identify them.

import Tensors

/// `type` of a data set.
package enum DatasetType: Sendable, Equatable {
  // Preference data, rendered as ChatML without a default system message.
  case argilla, argillaChat, icr, intel, intelPrefilled, promptPairs, ultra
  /// Conversations with the run's template; preference data too.
  case chatTemplate
  /// `chat_template.argilla_chat`: chosen and rejected are whole conversations.
  case conversationPairs
  /// `chat_template.argilla`: the same for axolotl's ORPO, which trains the template's text after an answer too.
  case orpoPairs
  /// Conversations with `from` and `value`: axolotl's type until 2024, now a name for chat_template with them.
  case shareGPT
  /// `passthrough`: TRL's formats.
  case passthrough
  case completion
  /// `input_output`: texts that are trained or not.
  case segments
  case pygmalion
  /// A prompt and an answer, by name.
  case instruction(String)
  /// The configuration's own format.
  case own(OwnFormat)

  package static let alpaca = instruction("alpaca")

  private static let words: [(name: String, type: DatasetType)] =
    [
      ("chatml.argilla", .argilla), ("chatml.argilla_chat", .argillaChat), ("chatml.icr", .icr),
      ("chatml.intel", .intel), ("chatml.intel_prefilled", .intelPrefilled), ("chatml.prompt_pairs", .promptPairs),
      ("chatml.ultra", .ultra), ("chat_template", .chatTemplate), ("chat_template.argilla_chat", .conversationPairs),
      ("chat_template.argilla", .orpoPairs), ("passthrough", .passthrough), ("completion", .completion),
      ("input_output", .segments), ("sharegpt", .shareGPT), ("pygmalion", .pygmalion),
    ] + InstructionFormat.named.keys.sorted().map { ($0, .instruction($0)) }

  /// Every type that has a name.
  package static let all = words.map(\.type)

  /// Other names of types, most of them axolotl's.
  private static let others: [String: DatasetType] = [
    "chatml": .argilla, "chatml.default": .argilla, "chat_template.default": .chatTemplate,
    "chat_template.load": .chatTemplate, "passthrough.default": .passthrough, "completion.load": .completion,
    "pretrain": .completion, "input_output.load": .segments, "pygmalion.load": .pygmalion,
    "sharegpt:chat": .shareGPT, "sharegpt.load": .shareGPT, "sharegpt.load_role": .shareGPT,
    "sharegpt.load_ultrachat": .shareGPT, "sharegpt_simple": .shareGPT, "sharegpt_simple.load": .shareGPT,
    "sharegpt_simple.load_role": .shareGPT,
  ]

  /// - Throws: `UnknownDatasetType`.
  package init(named name: String) throws {
    guard let type = Self.words.first(where: { $0.name == name })?.type ?? Self.others[name] else {
      throw UnknownDatasetType(name: name)
    }
    self = type
  }

  /// The name that `init` reads; of an own format a word.
  package var name: String {
    if case .own = self { return "a mapping" }
    return Self.words.first { $0.type == self }?.name ?? ""
  }

  /// The kinds of example that its records can make.
  package var kinds: Set<ExampleKind> {
    switch self {
    case .argilla, .argillaChat, .icr, .intel, .intelPrefilled, .promptPairs, .ultra, .passthrough:
      [.pair, .labelled, .completion]
    case .chatTemplate: [.pair, .completion]
    case .conversationPairs, .orpoPairs: [.pair]
    case .completion, .segments, .shareGPT, .pygmalion, .instruction: [.completion]
    case .own(let format): format.kinds
    }
  }

  /// Why it has no records of a kind.
  package func problem(with kind: ExampleKind) -> String {
    switch kind {
    case .completion: "type \(name) has pairs: set `rl`"
    case .pair where kinds == [.completion], .labelled where kinds == [.completion]:
      "type \(name) has nothing that is preferred: remove `rl`, or give the data's own `type`"
    case .pair: "type \(name) has no pairs: give the data's own `type`, or `rl: kto`"
    case .labelled: "type \(name) has no labels: kto takes chatml.* and TRL's formats"
    }
  }

  /// Whether its records are rendered with the run's template.
  package var usesTemplate: Bool {
    switch self {
    case .chatTemplate, .conversationPairs, .orpoPairs, .shareGPT, .passthrough: true
    case .argilla, .argillaChat, .icr, .intel, .intelPrefilled, .promptPairs, .ultra, .completion, .segments,
      .pygmalion,
      .instruction, .own:
      false
    }
  }

  /// Whether its records are conversations of which axolotl's keys say what is trained.
  package var isConversation: Bool { self == .chatTemplate || self == .shareGPT }
}

/// A `type` that does not name a format.
package struct UnknownDatasetType: UserError, Equatable {
  package let name: String

  /// Types that need what is not here, with the way out.
  private static let refused: [(prefix: String, reason: String)] = [
    (
      "llama3",
      "writes special tokens of Llama 3: chatml and the same word after the point, or chat_template, is its twin"
    ),
    ("zephyr", "writes special tokens of Zephyr: rank the answers yourself, and use chatml.prompt_pairs"),
    ("llama2_chat", "writes special tokens of Llama 2: sharegpt reads the same records"),
    (
      "creative_acr",
      "writes YAML of nested fields: make texts of them, and define the format by a mapping (docs/data.md)"
    ),
    ("bradley_terry", "is for reward models, which are not trained here"),
    ("stepwise_supervised", "is for reward models, which are not trained here"),
    ("messages", "is an older chat_template: use that"),
    ("user_defined", "is not named: give its keys as a mapping in place of the name"),
    ("sharegpt", "is an older way to write conversations: use chat_template"),
    (
      "jsonl",
      "is a format of files, which is found from their names: leave `type` out for TRL's formats, or say what the records are"
    ),
    (
      "json",
      "is a format of files, which is found from their names: leave `type` out for TRL's formats, or say what the records are"
    ),
    ("_synthetic", "is made of random tokens: name data"),
  ]

  package var description: String {
    if let reason = Self.refused.first(where: { name.hasPrefix($0.prefix) })?.reason {
      return "type \"\(name)\" \(reason)"
    }
    let names = DatasetType.all.map(\.name)
    let nearest = Spelling.nearest(to: name, among: names).map { " (did you mean \"\($0)\"?)" } ?? ""
    return
      "type \"\(name)\" is unknown\(nearest): docs/data.md has every type; none is needed for TRL's formats, which "
      + "are found from the fields"
  }
}

extension DatasetType {
  /// The fields of a record that a type may read, by the data's names; nil: any, since they are named in a format. What
  /// else a table has is not decoded.
  package static func columns(of type: DatasetType?, _ fields: RecordFields) -> Set<String>? {
    switch type {
    case .instruction, .own: return nil
    default:
      return Set(RecordFields.Field.allCases.map { fields[$0] } + RecordFields.Field.allCases.map(\.rawValue))
        .union(["conversations", "history", "kto_tag", "chat_template_kwargs", "segments"])
    }
  }
}
