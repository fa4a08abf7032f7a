// Whose templates are read.

/// How templates treat white space and what is not there.
package enum TemplateDialect: Sendable {
  /// As transformers renders chats: blocks take the white space around them, and what is not there is empty.
  case chat
  /// As Jinja does by itself, with the last line feed, and with an error for what is not there: as lm-eval renders
  /// prompts. It also knows `regex_replace`.
  case strict
}
