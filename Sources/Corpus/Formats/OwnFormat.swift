// The formats that a configuration defines: `type` is a mapping, as in axolotl's user_defined strategies.

/// `type` as a mapping, for one kind of example or several.
package struct OwnFormat: Sendable, Equatable {
  /// Every key that such a mapping may have, in the order of axolotl's documentation.
  package static let keys = instructionKeys + pairKeys + labelKeys + ["field_system"]

  private static let instructionKeys = [
    "system_prompt", "system_format", "field_instruction", "field_input", "field_output", "format", "no_input_format",
  ]
  private static let pairKeys = [
    "field_prompt", "prompt_format", "field_chosen", "field_rejected", "chosen_format", "rejected_format",
  ]
  private static let labelKeys = ["field_completion", "field_label", "completion_format"]

  /// The keys that were given, with their texts.
  package let values: [String: String]
  private let formats: [String: TextFormat]

  /// - Throws: `OwnFormatError`.
  package init(_ values: [String: String]) throws(OwnFormatError) {
    self.values = values
    var formats: [String: TextFormat] = [:]
    for (key, names) in Self.names {
      let text = values[key] ?? Self.defaults[key, default: ""]
      do throws(TextFormatError) {
        let format = try TextFormat(text)
        if let other = format.names.first(where: { !names.contains($0) }) {
          throw TextFormatError(
            reason: "{\(other)} is unknown: expected \(names.map { "{\($0)}" }.joined(separator: ", "))")
        }
        formats[key] = format
      } catch {
        throw OwnFormatError(key: key, reason: error.reason)
      }
    }
    self.formats = formats
  }

  /// What may stand in braces.
  private static let names: [String: [String]] = [
    "system_format": ["system"], "format": ["instruction", "input"], "no_input_format": ["instruction"],
    "prompt_format": ["prompt", "system"], "chosen_format": ["chosen"], "rejected_format": ["rejected"],
    "completion_format": ["completion"],
  ]

  private static let defaults = [
    "system_format": "{system}", "format": "{instruction} {input} ", "no_input_format": "{instruction} ",
    "prompt_format": "{prompt}", "chosen_format": "{chosen}", "rejected_format": "{rejected}",
    "completion_format": "{completion}",
  ]

  /// The kinds of example that the keys are about; all if they are of none.
  package var kinds: Set<ExampleKind> {
    let given = Set(values.keys)
    var kinds: Set<ExampleKind> = []
    if !given.isDisjoint(with: Self.instructionKeys) { kinds.insert(.completion) }
    if !given.isDisjoint(with: Self.pairKeys) { kinds.insert(.pair) }
    if !given.isDisjoint(with: Self.labelKeys + ["field_prompt", "prompt_format"]) { kinds.insert(.labelled) }
    return kinds.isEmpty ? [.pair, .labelled, .completion] : kinds
  }

  /// The keys that a kind does not read.
  package func unread(by kind: ExampleKind) -> [String] {
    let read =
      switch kind {
      case .completion: Self.instructionKeys
      case .pair: Self.pairKeys
      case .labelled: Self.labelKeys + ["field_prompt", "prompt_format"]
      }
    return values.keys.filter { $0 != "field_system" && !read.contains($0) }.sorted()
  }

  /// What the data call a field.
  func field(_ name: String) -> String {
    guard let other = values["field_\(name)"], !other.isEmpty else { return name }
    return other
  }

  func format(_ key: String) -> TextFormat { formats[key] ?? TextFormat(own: "") }

  /// How it writes prompts and answers.
  var instruction: InstructionFormat {
    var format = InstructionFormat(
      instruction: .field(field("instruction")), input: .field(field("input")), outputs: [.field(field("output"))])
    format.system = .field(field("system"), otherwise: values["system_prompt"] ?? "")
    (format.systemFormat, format.turn, format.bareTurn) =
      (self.format("system_format"), self.format("format"), self.format("no_input_format"))
    return format
  }
}

/// A key of a format that is no format.
package struct OwnFormatError: Error, Equatable {
  package let key: String
  package let reason: String
}
