// What a run says about how its records were read: counted over the records, one line each.

/// A fact about a record that its user may not expect. A report has them in this order.
package enum RecordRemark: String, Sendable, Codable, CaseIterable {
  /// The prompt lost its last tokens.
  case movedSeam
  /// The text of a special token stays text, or becomes the token.
  case specialText, parsedText
  case ignoredSystem
  case brokenPrefix
  case shareGPT
  case llamaFactory
  case unreadSystem
  case preferenceSystem
  case unreadMarks
  case hiddenMessage
  case unwrittenPart
  // What was probably not meant, with the way out.
  case bareText
  case answeredPrompt
  case repeatedPrompt

  /// After the number of records.
  var text: String {
    switch self {
    case .movedSeam: "whose prompt ends in other tokens before a completion: the completion starts there"
    case .specialText:
      "with the text of a special token in a field: it stays text (TRL and axolotl make it the token)"
    case .parsedText: "with special tokens in a field, made from its text"
    case .ignoredSystem: "with a system field beside a rendered question: the question is taken as it is"
    case .brokenPrefix:
      "with answers that the chat template renders otherwise once messages follow: they are trained as the whole chat "
        + "has them"
    case .shareGPT:
      "of type sharegpt, read as chat_template with field_messages: conversations, from and value"
    case .llamaFactory:
      "in LLaMA-Factory's form: its instruction, input and conversations are the chat before the answers"
    case .unreadSystem:
      "with a system field that their format does not read: chatml.prompt_pairs reads it beside prompt, chat_template "
        + "beside messages, alpaca_w_system beside instruction"
    case .preferenceSystem:
      "with a system field, taken as the system message (axolotl reads it in supervised fine-tuning only)"
    case .unreadMarks:
      "with turns that weight, train or training marks, which nothing reads: message_field_training of chat_template "
        + "names the mark"
    case .hiddenMessage:
      "with a message that the chat template does not write: it leaves its role out in silence"
    case .unwrittenPart:
      "with tools, tool calls or reasoning that the chat template does not write: they are left out (templates with "
        + "them: qwen_25, qwen3)"
    case .bareText:
      "as plain text, without the chat template that the model has: if they are questions and answers, set type: "
        + "chatml.prompt_pairs, which makes chats of texts, or give lists of messages"
    case .answeredPrompt:
      "whose prompt ends with the assistant's turn: if that is the chosen answer, name a field without it "
        + "(field_messages, field_prompt)"
    case .repeatedPrompt:
      "whose answers begin with the whole prompt again: take it out of them, or take out the prompt field, and it is "
        + "what chosen and rejected have in common"
    }
  }
}
