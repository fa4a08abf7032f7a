// A chat as a command's input brings it.

package import Checkpoints

/// Messages with what else their template may use.
package struct ChatRequest: Sendable, Equatable {
  package var messages: [ChatMessage]
  package var context: ChatTemplate.Context

  /// A list of messages, or an object with `messages` and perhaps `tools` and `chat_template_kwargs`. Messages may have
  /// any role; what they are made of is as in TRL's data.
  /// - Throws: `RecordProblem`.
  package init(_ value: JSONValue) throws(RecordProblem) {
    let object = value.array == nil ? value : .object([.init("messages", value)])
    guard object.members != nil else {
      throw RecordProblem("expected a list of messages, or an object with messages, found \(value.kind)")
    }
    let values = RecordValues(value: object, fields: RecordFields(), keepsNulls: true)
    let list = try values.required(.messages)
    guard let elements = list.array else {
      throw RecordProblem(field: "messages", "expected a list of messages, found \(list.kind)")
    }
    messages = []
    for (place, element) in elements.enumerated() {
      messages.append(try values.anyMessage(element, field: "messages[\(place)]"))
    }
    context = try values.context()
  }
}

extension RecordValues {
  /// The tools of a record, and its own variables for the template.
  func context() throws(RecordProblem) -> ChatTemplate.Context {
    var context = ChatTemplate.Context(tools: try tools())
    let name = "chat_template_kwargs"
    if let variables = value[name], !variables.isNull {
      guard let members = variables.members else {
        throw RecordProblem(field: name, "expected an object of variables, found \(variables.kind)")
      }
      if let other = members.first(where: { !ChatTemplate.isVariable($0.name) }) {
        throw RecordProblem(
          field: "\(name).\(other.name)", "expected a variable that neither a chat nor the tokenizer brings")
      }
      context.variables = members
    }
    return context
  }

  /// The descriptions of functions: a list, or the JSON text of one. nil if there are none.
  func tools() throws(RecordProblem) -> JSONValue? {
    guard var tools = self[.tools] else { return nil }
    let name = fields[.tools]
    if let text = tools.string {
      guard text.utf8.contains(where: { $0 > 0x20 }) else { return nil }
      tools = try JSONValue.parsed(text, field: name)
    }
    guard let list = tools.array else {
      if tools.isNull { return nil }
      throw RecordProblem(field: name, "expected a list of functions, or its JSON text, found \(tools.kind)")
    }
    return list.isEmpty ? nil : keepsNulls ? tools : tools.withoutNulls
  }
}
