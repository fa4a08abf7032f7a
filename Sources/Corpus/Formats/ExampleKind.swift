// What objectives learn from.

/// The kind of example that an objective learns from.
package enum ExampleKind: Sendable, Equatable {
  /// A chosen and a rejected completion.
  case pair
  /// One completion that is desirable or not: KTO.
  case labelled
  /// One completion, one conversation or one text: SFT.
  case completion
}
