// What a pattern is compiled to: the program of a nondeterministic automaton.

/// Why a pattern cannot be used: a verb and what it has.
package struct PatternRefusal: Error, Equatable {
  package let reason: String

  package init(reason: String) { self.reason = reason }
}

/// Instructions, of which several run side by side. Of two that a split leads to, the first is preferred.
struct PatternProgram: Sendable {
  /// The largest program, and the longest pattern in bytes. A list of all modules of an 80-layer model fits.
  static let maximumStates = 1 << 15

  /// The end of the program is the state of success. Targets are relative to the instruction itself, so programs can be
  /// joined and repeated as they are.
  enum Instruction: Sendable {
    case character(CodePointSet)
    case assertion(PatternAssertion)
    case split(Int, Int)
    case jump(Int)
    /// The start or the end of a group: those of group n are 2n and 2n + 1. Searches alone have them.
    case mark(Int)
  }

  private(set) var instructions: [Instruction] = []

  init() {}

  init(_ instructions: [Instruction]) { self.instructions = instructions }

  init(_ set: CodePointSet) { instructions = [.character(set)] }

  var count: Int { instructions.count }

  var isEmpty: Bool { instructions.isEmpty }

  subscript(index: Int) -> Instruction { instructions[index] }

  /// The set of a program that matches one character.
  var set: CodePointSet? { if count == 1, case .character(let set) = instructions[0] { set } else { nil } }

  mutating func append(_ instruction: Instruction) { instructions.append(instruction) }

  static func + (left: Self, right: Self) -> Self { Self(left.instructions + right.instructions) }

  static func += (left: inout Self, right: Self) { left.instructions += right.instructions }

  /// Whether the program may match a text of no characters.
  var mayBeEmpty: Bool {
    var seen = [Bool](repeating: false, count: count)
    var pending = [0]
    while let state = pending.popLast() {
      guard state < count else { return true }
      guard !seen[state] else { continue }
      seen[state] = true
      switch instructions[state] {
      case .character: break
      case .assertion, .mark: pending.append(state + 1)
      case .split(let first, let second): pending += [state + first, state + second]
      case .jump(let offset): pending.append(state + offset)
      }
    }
    return false
  }

  /// The number of characters that the program always matches; nil if there is no such number.
  var width: Int? {
    var widths: [Int: Int] = [0: 0]
    for state in 0..<count {
      // Everything but the end of a loop leads forward.
      guard let width = widths[state] else { continue }
      let next: [(Int, Int)] =
        switch instructions[state] {
        case .character: [(state + 1, width + 1)]
        case .assertion, .mark: [(state + 1, width)]
        case .split(let first, let second): [(state + first, width), (state + second, width)]
        case .jump(let offset): [(state + offset, width)]
        }
      for (target, width) in next {
        guard target > state, widths[target] ?? width == width else { return nil }
        widths[target] = width
      }
    }
    return widths[count]
  }
}

/// A condition on a place in the text.
enum PatternAssertion: Sendable {
  case start
  /// The end, or before a line feed that ends the text.
  case lastLine
  case end
  case wordBoundary, noWordBoundary
  /// A character of the set follows.
  case followed(CodePointSet)
  /// No character of the set follows: another one, or the end.
  case notFollowed(CodePointSet)
  /// The start or the end of a line (`(?m)`). Searches alone have these, and the next.
  case lineStart, lineEnd
  /// A program that matches, or does not, from here on, or up to here.
  case look(PatternLook)
}

/// A pattern that is looked for at a place and not read.
struct PatternLook: Sendable {
  let program: PatternProgram
  let isNegated: Bool
  /// How far before the place it begins; nil: it looks ahead.
  let width: Int?
}

/// The syntax of a pattern.
package struct PatternDialect: Sendable {
  enum Language: Sendable {
    /// The `re` module of Python.
    case python
    /// Oniguruma's, as the `tokenizers` library uses it.
    case oniguruma
  }

  let language: Language
  /// `\s`
  let space: CodePointSet
  var digits = CodePointSet.digits
  var word = CodePointSet.word
  /// Whether places are searched for, and not whole texts matched: with groups, lazy quantifiers, flags, looks.
  var searches = false
  /// `\p{…}` by its name; nil if there is none.
  let property: @Sendable (String) -> CodePointSet?

  package static let python = PatternDialect(language: .python, space: .pythonSpace) { _ in nil }

  /// The `re` module of Python, searching texts of any characters.
  static let search = PatternDialect(
    language: .python, space: .unicodeSpace, digits: .unicodeDigits, word: .unicodeWord, searches: true
  ) { _ in nil }

  package static func oniguruma(
    space: CodePointSet, property: @escaping @Sendable (String) -> CodePointSet?
  ) -> PatternDialect {
    PatternDialect(language: .oniguruma, space: space, property: property)
  }
}
