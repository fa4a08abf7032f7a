// The texts of the chat templates that Shoal knows. They are compared, never run.

/// A Jinja template with slots for the default system message and for the beginning of answers.
///
/// Texts are compared with their string literals in one spelling: quotes, and `\n` or a line feed, do not matter.
struct KnownTemplate: Sendable {
  // Private-use characters that stand for the slots.
  private static let message: Character = "\u{E000}"
  /// Ends a message, so no text in a slot has it.
  private static let end = "<|im_end|>"
  private static let prefill: Character = "\u{E001}"

  /// ChatML without a default system message.
  static let chatML = KnownTemplate(
    #"""
    {% for message in messages %}{{'<|im_start|>' + message['role'] + '
    ' + message['content'] + '<|im_end|>' + '
    '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
    \#(prefill)' }}{% endif %}
    """#)

  /// The template of Qwen2 and Qwen1.5.
  static let qwen2 = KnownTemplate(
    #"""
    {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ \#
    '<|im_start|>system
    \#(message)<|im_end|>
    ' }}{% endif %}{{'<|im_start|>' + message['role'] + '
    ' + message['content'] + '<|im_end|>' + '
    '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
    \#(prefill)' }}{% endif %}
    """#)

  /// The template of Qwen2.5, which contains the message twice.
  static let qwen25 = KnownTemplate(
    #"""
    {%- if tools %}
        {{- '<|im_start|>system\n' }}
        {%- if messages[0]['role'] == 'system' %}
            {{- messages[0]['content'] }}
        {%- else %}
            {{- '\#(message)' }}
        {%- endif %}
        {{- "\n\n# Tools\n\nYou may call one or more functions to assist with the user \#
    query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" \#
    }}
        {%- for tool in tools %}
            {{- "\n" }}
            {{- tool | tojson }}
        {%- endfor %}
        {{- "\n</tools>\n\nFor each function call, return a json object with function name and \#
    arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \#
    \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
    {%- else %}
        {%- if messages[0]['role'] == 'system' %}
            {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
        {%- else %}
            {{- '<|im_start|>system\n\#(message)<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
    {%- for message in messages %}
        {%- if (message.role == "user") or (message.role == "system" and not loop.first) or \#
    (message.role == "assistant" and not message.tool_calls) %}
            {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
        {%- elif message.role == "assistant" %}
            {{- '<|im_start|>' + message.role }}
            {%- if message.content %}
                {{- '\n' + message.content }}
            {%- endif %}
            {%- for tool_call in message.tool_calls %}
                {%- if tool_call.function is defined %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '\n<tool_call>\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {{- tool_call.arguments | tojson }}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
            {{- '<|im_end|>\n' }}
        {%- elif message.role == "tool" %}
            {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
                {{- '<|im_start|>user' }}
            {%- endif %}
            {{- '\n<tool_response>\n' }}
            {{- message.content }}
            {{- '\n</tool_response>' }}
            {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
                {{- '<|im_end|>\n' }}
            {%- endif %}
        {%- endif %}
    {%- endfor %}
    {%- if add_generation_prompt %}
        {{- '<|im_start|>assistant\n\#(prefill)' }}
    {%- endif %}
    """#)

  /// The canonical text, with the slots' characters in it.
  private let text: String

  private init(_ text: String) { self.text = JinjaLiterals.canonical(text) ?? text }

  /// The template with these texts in its slots.
  func text(message: String, prefill: String) -> String {
    text.replacing(String(Self.message), with: JinjaLiterals.escaped(message))
      .replacing(String(Self.prefill), with: JinjaLiterals.escaped(prefill))
  }

  /// The texts in the slots; nil if the text is of another template.
  func match(_ jinja: String) -> (message: String, prefill: String)? {
    guard let canonical = JinjaLiterals.canonical(jinja) else { return nil }
    var rest = canonical.utf8[...]
    var found: [Character: Substring.UTF8View] = [:]
    var part = Substring()
    func skip() -> Bool {
      guard rest.starts(with: part.utf8) else { return false }
      rest = rest.dropFirst(part.utf8.count)
      part = ""
      return true
    }
    for character in text {
      guard character == Self.message || character == Self.prefill else {
        part.append(character)
        continue
      }
      guard skip() else { return nil }
      let content = Self.content(rest)
      if let earlier = found[character], !earlier.elementsEqual(content) { return nil }
      found[character] = content
      rest = rest[content.endIndex...]
    }
    guard skip(), rest.isEmpty else { return nil }
    func value(_ slot: Character) -> String { found[slot].map { JinjaLiterals.unescaped(Substring($0)) } ?? "" }
    return (value(Self.message), value(Self.prefill))
  }

  /// The beginning of a literal's rest: up to the quote that ends it, or up to a special token.
  private static func content(_ text: Substring.UTF8View) -> Substring.UTF8View {
    var end = text.startIndex
    while end < text.endIndex, text[end] != UInt8(ascii: "'"), !text[end...].starts(with: Self.end.utf8) {
      let isEscape = text[end] == UInt8(ascii: "\\")
      end = text.index(end, offsetBy: isEscape ? 2 : 1, limitedBy: text.endIndex) ?? text.endIndex
    }
    return text[..<end]
  }
}
