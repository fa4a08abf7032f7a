// Templates with another default system message, with variables, or with a beginning of all answers. They become part of
// the Jinja text, so that what is written beside an adapter is what Shoal renders.

package import Checkpoints
package import Jinja

extension ChatTemplate {
  /// The system message of chats that have none; nil if there is none.
  package var defaultSystemMessage: String? {
    // What replaces a given system message where no system message is given.
    let (marker, question) = ("\u{1}system\u{2}", ChatMessage(role: "user", content: "\u{1}user\u{2}"))
    guard let bare = text([question]),
      let given = text([ChatMessage(role: "system", content: marker), question]),
      let place = given.firstRange(of: marker)
    else { return nil }
    let (head, tail) = (given[..<place.lowerBound].utf8, given[place.upperBound...].utf8)
    let rest = bare.utf8.count - head.count - tail.count
    guard rest >= 0, bare.utf8.starts(with: head), bare.utf8.suffix(tail.count).elementsEqual(tail) else { return nil }
    return String(decoding: bare.utf8.dropFirst(head.count).prefix(rest), as: UTF8.self)
  }

  /// The template with another system message for chats that have none; empty: no system message.
  /// - Precondition: the text passes `isPlain`.
  /// - Throws: `TemplateError` if the template with it is beyond a limit.
  package func withDefaultSystem(_ message: String) throws(TemplateError) -> ChatTemplate {
    guard message != defaultSystemMessage ?? "" else { return self }
    let condition = "messages[0]['role'] != 'system'"
    guard message.isEmpty else {
      let system = "[{'role': 'system', 'content': '\(Self.escaped(message))'}]"
      return try ChatTemplate(
        jinja: "{% if \(condition) %}{% set messages = \(system) + messages %}{% endif +%}\(jinja.embedded)")
    }
    // A template that always writes a system message: it is cut off.
    guard isChatML else { return self }
    let rest = "chat.split('\(Self.end)\\n', 1)[1]"
    return try ChatTemplate(
      jinja: "{% set chat +%}\(jinja.embedded){%+ endset %}{{ \(rest) if \(condition) else chat }}")
  }

  /// The template with values of variables such as `enable_thinking`, for chats that bring none of their own.
  /// - Precondition: `isVariable` holds for the names.
  /// - Throws: `TemplateError` if a name is a word of Jinja, or the template with them is beyond a limit.
  package func withVariables(_ variables: [JSONValue.Member]) throws(TemplateError) -> ChatTemplate {
    guard !variables.isEmpty else { return self }
    let settings = variables.map { variable in
      "{% if \(variable.name) is not defined %}{% set \(variable.name) = \(Self.literal(variable.value)) %}{% endif +%}"
    }
    return try ChatTemplate(jinja: settings.joined() + jinja.embedded)
  }

  /// Whether a name can be given to a template. A chat and its tokenizer bring the others.
  package static func isVariable(_ name: String) -> Bool {
    !["messages", "tools", "documents", "add_generation_prompt"].contains(name) && !name.hasSuffix("_token")
      && name.wholeMatch(of: #/[A-Za-z_][A-Za-z0-9_]*/#) != nil
  }

  private static let prefillStart = "{%+ if add_generation_prompt %}{# How answers begin: #}{{ '"
  private static let prefillEnd = "' }}{% endif %}"

  /// The beginning of every answer: it follows the header of the assistant's message.
  package var prefill: String {
    guard let place = prefillPlace else { return "" }
    return Self.unescaped(jinja[place].dropFirst(Self.prefillStart.count).dropLast(Self.prefillEnd.count))
  }

  private var prefillPlace: Range<String.Index>? {
    guard jinja.hasSuffix(Self.prefillEnd),
      let start = jinja.ranges(of: Self.prefillStart).last?.lowerBound
    else { return nil }
    return start..<jinja.endIndex
  }

  /// The template whose answers begin with a text.
  /// - Precondition: the text passes `isPlain`.
  /// - Throws: `TemplateError` if the template with it is beyond a limit.
  package func withPrefill(_ text: String) throws(TemplateError) -> ChatTemplate {
    guard !text.unicodeScalars.elementsEqual(prefill.unicodeScalars) else { return self }
    let bare = prefillPlace.map { String(jinja[..<$0.lowerBound]) } ?? jinja.withoutLastLineFeed
    return try ChatTemplate(
      jinja: text.isEmpty ? bare : bare + Self.prefillStart + Self.escaped(text) + Self.prefillEnd)
  }

  /// The template in a few words.
  package var summary: String {
    let system =
      defaultSystemMessage.map { "the system message \(Self.quoted($0)) by default" } ?? "no system message by default"
    return (isChatML ? "ChatML, " : "a template of its own, ") + system
      + (prefill.isEmpty ? "" : ", answers begin with \(Self.quoted(prefill))")
  }

  private static func quoted(_ text: String) -> String {
    let line = text.replacing("\n", with: " ")
    return "\"\(line.prefix(80))\(line.count > 80 ? "…" : "")\""
  }

  // MARK: Literals of Jinja, whose texts have Python's escapes

  private static func literal(_ value: JSONValue) -> String {
    if let text = value.string { return "'\(escaped(text))'" }
    if let elements = value.array { return "[\(elements.map(literal).joined(separator: ", "))]" }
    if let members = value.members {
      return "{\(members.map { "'\(escaped($0.name))': \(literal($0.value))" }.joined(separator: ", "))}"
    }
    return value.isNull ? "none" : value.serialized()
  }

  private static func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", "'": result.append(contentsOf: ["\\", scalar])
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  private static func unescaped(_ text: Substring) -> String {
    var result = String.UnicodeScalarView()
    var scalars = text.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "\\", let escape = scalars.popFirst() else {
        result.append(scalar)
        continue
      }
      result.append(escape == "n" ? "\n" : escape == "r" ? "\r" : escape)
    }
    return String(result)
  }
}

extension String {
  /// The template with text before it on its first line, and after it. A tag's line begins where the template did.
  fileprivate var embedded: String {
    let tag = drop { $0 == " " || $0 == "\t" }
    let isIndented = (tag.hasPrefix("{%") || tag.hasPrefix("{#")) && !tag.hasPrefix("{%+") && !tag.hasPrefix("{#+")
    return (isIndented ? String(tag) : self).withoutLastLineFeed
  }

  /// Jinja leaves one line feed at a template's end out; inside a longer template it would count.
  fileprivate var withoutLastLineFeed: String {
    var scalars = unicodeScalars
    if scalars.last == "\n" { scalars.removeLast() }
    if scalars.last == "\r" { scalars.removeLast() }
    return String(scalars)
  }
}
