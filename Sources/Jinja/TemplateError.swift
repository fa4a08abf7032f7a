// What a template does that cannot be rendered.

import Tensors

/// A template that is malformed, asks for what is not there, exceeds a limit or refuses its input.
package struct TemplateError: UserError, Equatable {
  /// Counted from 1.
  package let line: Int
  package let reason: String

  init(_ reason: String, line: Int) { (self.reason, self.line) = (reason, line) }

  package var description: String { "line \(line) of the template: \(reason)" }
}

/// A mistake without a place; the caller knows the line.
struct TemplateProblem: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}
