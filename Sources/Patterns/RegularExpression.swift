// Regular expressions in the syntax of Python's `re`, as adapter_config.json holds them, matched in bounded time.

/// A pattern that matches whole texts, as Python's `re.fullmatch` does.
///
/// All states of the program are followed at once (Thompson 1968), so a match costs at most states times characters:
/// nothing is tried twice, whatever the pattern.
package struct RegularExpression: Sendable {
  package typealias Refusal = PatternRefusal

  /// The largest number of states.
  package static let maximumStates = PatternProgram.maximumStates

  private let program: PatternProgram

  /// The number of states: what a match may cost per character.
  package var stateCount: Int { program.count }

  /// - Throws: `Refusal` for what Python refuses, for what needs more than a finite automaton (backreferences,
  ///   looking ahead or behind, atomic groups), for flags, and above the limits.
  package init(_ pattern: String) throws(Refusal) {
    program = try PatternParser.program(of: pattern, .python)
  }

  /// Whether the pattern matches all of `text`.
  package func matches(_ text: String) -> Bool {
    // A program that looks at nothing costs at most its states for each character.
    var machine = PatternMachine(
      program + PatternProgram([.assertion(.end)]), marks: 0, Array(text.unicodeScalars), work: .max)
    return (try? machine.run(from: 0, isAnchored: true)) != nil
  }
}
