// What a run says about how its records were read: counted over the records, one line each.

/// A fact about a record that its user may not expect.
package enum RecordRemark: String, Sendable, Codable, CaseIterable {
  case shareGPT
  case llamaFactory
  case unreadSystem
  case preferenceSystem
  case unreadMarks
  case hiddenMessage

  /// After the number of records.
  var text: String {
    switch self {
    case .shareGPT:
      "of type sharegpt, read as chat_template with field_messages: conversations, from and value"
    case .llamaFactory:
      "in LLaMA-Factory's form: its instruction, input and conversations are the chat before the answers"
    case .unreadSystem:
      "with a system field that their format does not read: chatml.prompt_pairs reads it beside prompt, chat_template "
        + "beside messages"
    case .preferenceSystem:
      "with a system field, taken as the system message (axolotl reads it in supervised fine-tuning only)"
    case .unreadMarks:
      "with turns that weight, train or training marks, which nothing reads: message_field_training of chat_template "
        + "names the mark"
    case .hiddenMessage:
      "with a message that the chat template does not write: it leaves its role out in silence"
    }
  }
}
