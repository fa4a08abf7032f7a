// Patterns that choose weights by their names, as axolotl's `unfrozen_parameters`.

/// A pattern at the start of a weight's name: a regular expression in which a point is itself
/// (but `.+` is any text), and a range of rows.
package struct ParameterPattern: Sendable {
  /// Why a pattern cannot be used.
  package struct Refusal: Error, CustomStringConvertible {
    package let description: String
  }

  private let expression: RegularExpression
  /// The rows (of a vector, the entries) that `name[5]`, `name[5:10]`, `name[5:]` and `name[:10]` choose; nil: all.
  package let rows: Range<Int>?

  /// - Throws: `Refusal`: a verb and what the pattern has.
  package init(_ text: String) throws(Refusal) {
    var name = text[...]
    var rows: Range<Int>?
    if let match = text.wholeMatch(of: /(.+)\[([0-9]{0,12})(:[0-9]{0,12})?\]/) {
      let start = Int(match.2)
      let end = match.3.map { Int($0.dropFirst()) ?? .max } ?? start.map { $0 + 1 } ?? .max
      guard start ?? 0 < end else { throw Refusal(description: "has an empty range of rows") }
      (name, rows) = (match.1, (start ?? 0)..<end)
    }
    self.rows = rows
    do {
      expression = try RegularExpression("(?:\(name.replacing(/\.(?!\+)/, with: "\\."))).*")
    } catch {
      throw Refusal(description: error.reason)
    }
  }

  package func matches(_ name: String) -> Bool { expression.matches(name) }
}
