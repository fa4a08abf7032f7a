// What results say of the tokenizer and of how prompts are made.

package import Checkpoints
package import Corpus

extension EvaluationReport {
  /// The members at the end of results.json.
  /// - Parameters:
  ///   - maximumLength: positions of the model.
  ///   - template: the chat template that prompts are rendered with; nil: they are texts.
  package static func remarks(
    _ tokenizer: Tokenizer, maximumLength: Int, template: ChatTemplate?, _ settings: EvaluationSettings
  ) -> [JSONValue.Member] {
    func token(_ id: Int32?) -> JSONValue {
      [id.map { .string(tokenizer.decode([$0])) } ?? .null, .string(id.map { "\($0)" } ?? "None")]
    }
    func hash(_ text: String?) -> JSONValue { text.map { .string(SHA256.text(of: Array($0.utf8))) } ?? .null }
    let template = settings.chat == nil ? nil : template?.jinja
    return [
      .init("tokenizer_eos_token", token(tokenizer.endOfSequence)),
      .init("tokenizer_bos_token", token(tokenizer.beginOfSequence)),
      .init("eot_token_id", tokenizer.endOfSequence.map { .integer(Int64($0)) } ?? .null),
      .init("max_length", .integer(Int64(maximumLength))),
      .init("system_instruction", settings.systemInstruction.map(JSONValue.string) ?? .null),
      .init("system_instruction_sha", hash(settings.systemInstruction)),
      .init("fewshot_as_multiturn", .bool(settings.chat != nil && settings.showsShotsAsTurns ?? true)),
      .init("chat_template", template.map(JSONValue.string) ?? .null), .init("chat_template_sha", hash(template)),
    ]
  }
}
