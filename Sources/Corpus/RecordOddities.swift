// What in a sound record was probably not meant. Other trainers take it in silence; a report counts it.

/// Facts of one record that are reported to the user.
struct RecordOddities: Sendable, Equatable {
  /// Whether it is plain text although the model has a chat template.
  var isBareText = false
  /// Whether the prompt ends with a turn of the assistant, which may be the answer.
  var answersItself = false
  /// Whether the completions begin with the whole prompt again.
  var repeatsPrompt = false

  init() {}

  /// - Parameter hasTemplate: whether the model has a chat template.
  init(_ record: ExampleRecord, hasTemplate: Bool) {
    switch record.form {
    case .texts(let prompt, let completions):
      isBareText = hasTemplate
      repeatsPrompt = !prompt.isEmpty && completions.allSatisfy { $0.utf8.starts(with: prompt.utf8) }
    case .messages(let prompt, let completions):
      answersItself = prompt.last?.role == "assistant"
      repeatsPrompt = !prompt.isEmpty && completions.allSatisfy { $0.starts(with: prompt) { $0.isSame(as: $1) } }
    case .chat(.template(let prompt), _, _): answersItself = prompt.last?.role == "assistant"
    case .chat, .formatted, .conversation, .segments, .text: break
    }
  }
}
