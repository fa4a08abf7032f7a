// The fields that a type reads.

extension DatasetType {
  /// The fields that a format reads; renaming another field has no effect.
  package static func fields(of type: DatasetType?) -> [RecordFields.Field] {
    let preference: [RecordFields.Field] = [.system, .chosen, .rejected, .completion, .label]
    return switch type {
    case nil, .passthrough:
      [
        .prompt, .chosen, .rejected, .completion, .label, .messages, .text, .tools, .system, .instruction, .input,
        .output,
      ]
    case .argilla:
      preference + [.prompt, .input, .question, .instruction, .chosenResponse, .rejectedResponse]
    case .argillaChat: [.chosen, .rejected, .completion, .label]
    case .icr: preference + [.input]
    case .intel: preference + [.question]
    case .intelPrefilled: preference + [.question, .prefill]
    case .promptPairs, .ultra: preference + [.prompt]
    case .conversationPairs: [.chosen, .rejected]
    case .orpoPairs: [.chosen, .rejected, .system, .prompt]
    case .chatTemplate, .shareGPT: [.messages, .system, .chosen, .rejected, .tools]
    case .completion: [.text]
    case .instruction(let name):
      InstructionFormat.named[name]?.fieldNames.compactMap(RecordFields.Field.init(rawValue:)) ?? []
    case .segments, .pygmalion, .own: []
    }
  }
}
