// The texts of the chat templates that Shoal knows. They are compared, never run.

/// Each template in parts; the default system message is between two parts.
enum KnownTemplates {
  /// ChatML without a default system message.
  static let chatML =
    #"""
    {% for message in messages %}{{'<|im_start|>' + message['role'] + '
    ' + message['content'] + '<|im_end|>' + '
    '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
    ' }}{% endif %}
    """#

  /// The template of Qwen2 and Qwen1.5.
  static let qwen2: [String] = [
    #"""
    {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ \#
    '<|im_start|>system

    """#,
    #"""
    <|im_end|>
    ' }}{% endif %}{{'<|im_start|>' + message['role'] + '
    ' + message['content'] + '<|im_end|>' + '
    '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
    ' }}{% endif %}
    """#,
  ]

  /// The template of Qwen2.5, which contains the message twice.
  static let qwen25: [String] = [
    #"""
    {%- if tools %}
        {{- '<|im_start|>system\n' }}
        {%- if messages[0]['role'] == 'system' %}
            {{- messages[0]['content'] }}
        {%- else %}
            {{- '
    """#,
    #"""
    ' }}
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
            {{- '<|im_start|>system\n
    """#,
    #"""
    <|im_end|>\n' }}
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
        {{- '<|im_start|>assistant\n' }}
    {%- endif %}
    """#,
  ]

  /// The default system message of a text that consists of these parts; nil for other texts.
  ///
  /// A message with quotes, backslashes or line breaks is not accepted, since Jinja would interpret it.
  static func defaultSystemMessage(of text: String, in parts: [String]) -> String? {
    guard var rest = text.utf8.dropPrefix(parts[0].utf8) else { return nil }
    var messages: [Substring.UTF8View] = []
    for part in parts.dropFirst() {
      let message = rest.prefix { !"'\"\\<{}\n\r".utf8.contains($0) }
      guard let following = rest[message.endIndex...].dropPrefix(part.utf8) else { return nil }
      messages.append(message)
      rest = following
    }
    guard rest.isEmpty, let message = messages.first,
      messages.allSatisfy({ $0.elementsEqual(message) })
    else { return nil }
    return String(Substring(message))
  }
}

extension Collection<UInt8> {
  fileprivate func dropPrefix(_ prefix: some Collection<UInt8>) -> SubSequence? {
    starts(with: prefix) ? dropFirst(prefix.count) : nil
  }
}
