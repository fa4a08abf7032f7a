// What in a sound record was probably not meant. Other trainers take it in silence.

extension ExampleRecord {
  /// - Parameter hasTemplate: whether the model has a chat template that the record does without.
  func oddities(hasTemplate: Bool) -> Set<RecordRemark> {
    var found: Set<RecordRemark> = []
    switch form {
    case .texts(let prompt, let completions):
      if hasTemplate { found.insert(.bareText) }
      if !prompt.isEmpty, completions.allSatisfy({ $0.utf8.starts(with: prompt.utf8) }) {
        found.insert(.repeatedPrompt)
      }
    case .messages(let prompt, let completions):
      if prompt.last?.role == "assistant" { found.insert(.answeredPrompt) }
      if !prompt.isEmpty, completions.allSatisfy({ $0.starts(with: prompt) { $0.isSame(as: $1) } }) {
        found.insert(.repeatedPrompt)
      }
    case .chat(.template(let prompt), _, _):
      if prompt.last?.role == "assistant" { found.insert(.answeredPrompt) }
    case .chat, .formatted, .conversation, .segments, .text: break
    }
    return found
  }
}
