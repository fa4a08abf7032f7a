// What a template renders to.

/// A part of the rendered text.
package struct TemplateOutput: Sendable, Equatable {
  package var text: String
  package let origin: TemplateText.Origin
  /// Whether it is inside `{% generation %}`.
  package let isGenerated: Bool
}
