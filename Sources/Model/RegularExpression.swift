// Regular expressions in the syntax of Python's `re`, as adapter_config.json holds them, matched in bounded time.

/// A pattern that matches whole texts, as Python's `re.fullmatch` does.
///
/// All states of the program are followed at once (Thompson 1968), so a match costs at most states times characters:
/// nothing is tried twice, whatever the pattern.
package struct RegularExpression: Sendable {
  /// Why a pattern cannot be used: a verb and what it has.
  package struct Refusal: Error, Equatable {
    package let reason: String
  }

  /// The largest program, and the longest pattern in bytes. A list of all modules of an 80-layer model fits.
  static let maximumStates = 1 << 15

  /// The end of the program is the state of success. Targets are relative to the instruction itself.
  enum Instruction: Sendable {
    case character(CharacterSet)
    case assertion(Assertion)
    case split(Int, Int)
    case jump(Int)
  }

  /// A set of ASCII characters.
  struct CharacterSet: Sendable, Equatable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ members: some Sequence<UInt8> = []) {
      for member in members {
        if member < 64 { low |= 1 << UInt64(member) } else if member < 128 { high |= 1 << UInt64(member - 64) }
      }
    }

    func contains(_ byte: UInt8) -> Bool {
      byte < 64 ? low >> UInt64(byte) & 1 == 1 : byte < 128 && high >> UInt64(byte - 64) & 1 == 1
    }

    mutating func formUnion(_ other: CharacterSet) { (low, high) = (low | other.low, high | other.high) }

    var inverted: CharacterSet {
      var set = self
      (set.low, set.high) = (~low, ~high)
      return set
    }
  }

  /// A condition on a place in the text.
  enum Assertion: Sendable {
    case start
    /// The end, or before a line feed that ends the text.
    case lastLine
    case end
    case wordBoundary, noWordBoundary

    func holds(in text: [UInt8], at place: Int) -> Bool {
      switch self {
      case .start: place == 0
      case .lastLine: place == text.count || (place == text.count - 1 && text[place] == UInt8(ascii: "\n"))
      case .end: place == text.count
      case .wordBoundary: isBoundary(in: text, at: place)
      case .noWordBoundary: !isBoundary(in: text, at: place)
      }
    }

    private func isBoundary(in text: [UInt8], at place: Int) -> Bool {
      let before = place > 0 && CharacterSet.word.contains(text[place - 1])
      let after = place < text.count && CharacterSet.word.contains(text[place])
      return before != after
    }
  }

  private let program: [Instruction]

  /// The number of states: what a match may cost per character.
  package var stateCount: Int { program.count }

  /// - Throws: `Refusal` for what Python refuses, for what needs more than a finite automaton (backreferences, looking
  ///   ahead or behind, atomic groups), for flags, and above the limits.
  package init(_ pattern: String) throws(Refusal) { program = try Parser.program(of: pattern) }

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
        }
      }
    }
    var states: [Int] = []
    enter(0, &states, at: 0)
    for (place, byte) in text.enumerated() {
      var next: [Int] = []
      for state in states where state < program.count {
        if case .character(let set) = program[state], set.contains(byte) { enter(state + 1, &next, at: place + 1) }
      }
      if next.isEmpty { return false }
      states = next
    }
    return states.contains(program.count)
  }
}

extension RegularExpression.CharacterSet {
  static let digits = Self(UInt8(ascii: "0")...UInt8(ascii: "9"))
  static let word = Self(
    Array(UInt8(ascii: "0")...UInt8(ascii: "9")) + Array(UInt8(ascii: "a")...UInt8(ascii: "z"))
      + Array(UInt8(ascii: "A")...UInt8(ascii: "Z")) + [UInt8(ascii: "_")])
  /// Python counts the separators 0x1C to 0x1F as white space.
  static let space = Self(Array(0x09...0x0D) + Array(0x1C...0x20))
  static let notLineFeed = Self([UInt8(ascii: "\n")]).inverted
}
