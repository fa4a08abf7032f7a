// Patterns that choose weights by their names, as axolotl's `unfrozen_parameters`.

/// A pattern at the start of a weight's name: a regular expression in which a point is itself.
package struct ParameterPattern: Sendable {
  /// Why a pattern cannot be used.
  package struct Refusal: Error, CustomStringConvertible {
    package let description: String
  }

  private let expression: RegularExpression

  /// - Throws: `Refusal`: a verb and what the pattern has.
  package init(_ text: String) throws(Refusal) {
    // axolotl takes `name[:32000]` for the first rows of a matrix.
    if text.wholeMatch(of: /.+\[[0-9]*:?[0-9]*\]/) != nil {
      throw Refusal(description: "has a range of rows: only whole weights are trained here")
    }
    do {
      expression = try RegularExpression("(?:\(text.replacing(".", with: "\\."))).*")
    } catch {
      throw Refusal(description: error.reason)
    }
  }

  package func matches(_ name: String) -> Bool { expression.matches(name) }
}
