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
  /// - Precondition: the text is ASCII, as every module's path.
  package func matches(_ text: String) -> Bool {
    let text = Array(text.utf8)
    precondition(text.allSatisfy { $0 < 128 }, "a text that is not ASCII")
    // The last place where a state was entered.
    var entered = [Int](repeating: -1, count: program.count + 1)
    var pending: [Int] = []
    /// Adds the states that read a character, or end, and that are reached from `start` without reading one.
    func enter(_ start: Int, _ states: inout [Int], at place: Int) {
      pending.append(start)
      while let state = pending.popLast() {
        guard entered[state] != place else { continue }
        entered[state] = place
        guard state < program.count else {
          states.append(state)
          continue
        }
        switch program[state] {
        case .character: states.append(state)
        case .assertion(let assertion): if assertion.holds(in: text, at: place) { pending.append(state + 1) }
        case .split(let first, let second): pending += [state + second, state + first]
        case .jump(let offset): pending.append(state + offset)
        case .mark: pending.append(state + 1)
        }
      }
    }
    var states: [Int] = []
    enter(0, &states, at: 0)
    for (place, byte) in text.enumerated() {
      var next: [Int] = []
      for state in states where state < program.count {
        if case .character(let set) = program[state], set.contains(UInt32(byte)) {
          enter(state + 1, &next, at: place + 1)
        }
      }
      if next.isEmpty { return false }
      states = next
    }
    return states.contains(program.count)
  }
}

extension PatternAssertion {
  fileprivate func holds(in text: [UInt8], at place: Int) -> Bool {
    switch self {
    case .start: place == 0
    case .lastLine: place == text.count || (place == text.count - 1 && text[place] == UInt8(ascii: "\n"))
    case .end: place == text.count
    case .wordBoundary: isBoundary(in: text, at: place)
    case .noWordBoundary: !isBoundary(in: text, at: place)
    case .followed(let set): place < text.count && set.contains(UInt32(text[place]))
    case .notFollowed(let set): place == text.count || !set.contains(UInt32(text[place]))
    case .lineStart, .lineEnd, .look: preconditionFailure("a search's assertion")
    }
  }

  private func isBoundary(in text: [UInt8], at place: Int) -> Bool {
    let before = place > 0 && CodePointSet.word.contains(UInt32(text[place - 1]))
    let after = place < text.count && CodePointSet.word.contains(UInt32(text[place]))
    return before != after
  }
}
