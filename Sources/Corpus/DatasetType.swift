// The named data formats, which are axolotl's. TRL's formats have no name: a record's fields identify them.

import Tensors

/// `type` of a data set.
package enum DatasetType: String, Sendable, CaseIterable {
  // Preference data, rendered as ChatML without a default system message.
  case argilla = "chatml.argilla"
  case icr = "chatml.icr"
  case intel = "chatml.intel"
  case intelPrefilled = "chatml.intel_prefilled"
  case promptPairs = "chatml.prompt_pairs"
  case ultra = "chatml.ultra"
  // Data for supervised fine-tuning; chat_template holds preference data too.
  case alpaca
  case chatTemplate = "chat_template"
  case completion

  /// - Throws: `UnknownDatasetType`.
  package init(named name: String) throws {
    // axolotl's current names for its most lenient ChatML format, and the long form of another name.
    let others = [
      "chatml": Self.argilla, "chatml.default": .argilla, "chat_template.default": .chatTemplate,
    ]
    guard let type = Self(rawValue: name) ?? others[name] else { throw UnknownDatasetType(name: name) }
    self = type
  }
}

/// A `type` that does not name a format.
package struct UnknownDatasetType: UserError, Equatable {
  package let name: String

  package var description: String {
    let names = DatasetType.allCases.map(\.rawValue)
    let nearest = Spelling.nearest(to: name, among: names).map { " (did you mean \"\($0)\"?)" } ?? ""
    return "type \"\(name)\" is unknown\(nearest): expected one of \(names.joined(separator: ", ")), or no type "
      + "for TRL's formats, which are found from the fields"
  }
}

/// The kind of example that an objective learns from.
package enum ExampleKind: Sendable, Equatable {
  /// A chosen and a rejected completion.
  case pair
  /// One completion that is desirable or not: KTO.
  case labelled
  /// One completion, one conversation or one text: SFT.
  case completion
}
