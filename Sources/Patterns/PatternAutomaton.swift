// Patterns that are looked for in texts: a deterministic automaton, built once from a pattern's program.

/// Finds what a backtracking engine finds: of the alternatives the first that matches, with what its quantifiers prefer.
///
/// A state is the list of the program's places that are followed side by side, the preferred ones first; whatever is
/// behind a success is dropped (as in RE2: Cox, Regular Expression Matching in the Wild, 2010). What the next character
/// decides, a condition on it or a success, is decided when it is read, and the end of the text is a character too. So a
/// character costs two table reads.
package struct PatternAutomaton: Sendable {
  private static let maximumSymbols = 255
  /// Instructions visited while the table is built: a second.
  private static let maximumWork = 1 << 24
  private static let maximumEntries = 1 << 20
  private static let maximumStates = 1 << 12

  /// By code point, the number of its class of characters that no part of the pattern tells apart.
  let symbols: [UInt8]
  /// By state and symbol: twice the next state's place in this table, plus one if what was read before is a match.
  /// The dead state is first, then the state at a match's start.
  let transitions: [UInt32]
  /// Places in the table per state.
  let stride: Int
  /// The symbol of a text's end.
  let endSymbol: Int

  /// - Throws: `PatternRefusal` for a pattern with what the dialect does not have here, that matches the empty text, or that
  ///   is above the limits.
  package init(_ pattern: String, _ dialect: PatternDialect) throws(PatternRefusal) {
    let program = try PatternParser.program(of: pattern, dialect)
    guard program.count <= Self.maximumStates else {
      throw PatternRefusal(reason: "needs more than \(Self.maximumStates) states")
    }
    let alphabet = try PatternAlphabet(program, atMost: Self.maximumSymbols)
    var builder = AutomatonBuilder(program, alphabet)
    (symbols, endSymbol) = (alphabet.symbols, alphabet.count)
    var bits = 1
    while 1 << bits <= alphabet.count { bits += 1 }
    stride = 1 << bits
    var transitions = [UInt32](repeating: 0, count: stride)
    var state = 1
    while state < builder.count {
      for symbol in 0...alphabet.count {
        let (next, isMatch) = builder.step(from: state, over: symbol)
        if isMatch, state == 1 { throw PatternRefusal(reason: "matches a text of no characters") }
        transitions.append(UInt32(next * stride) << 1 | (isMatch ? 1 : 0))
      }
      transitions += repeatElement(0, count: stride - alphabet.count - 1)
      guard builder.work <= Self.maximumWork, builder.count * stride <= Self.maximumEntries else {
        throw PatternRefusal(reason: "needs too large an automaton")
      }
      state += 1
    }
    self.transitions = transitions
  }
}

/// The characters that a program tells apart.
struct PatternAlphabet {
  /// The class of each code point.
  private(set) var symbols: [UInt8]
  private(set) var count = 0
  private let sets: [CodePointSet: Int]
  /// By symbol: which of the sets have it, as bits; none has the end of a text, which is last.
  private(set) var members: [UInt64] = []

  init(_ program: PatternProgram, atMost maximumSymbols: Int) throws(PatternRefusal) {
    var sets: [CodePointSet: Int] = [:]
    for instruction in program.instructions {
      let set: CodePointSet
      switch instruction {
      case .character(let one), .assertion(.followed(let one)), .assertion(.notFollowed(let one)): set = one
      default: continue
      }
      if sets[set] == nil { sets[set] = sets.count }
    }
    guard sets.count <= UInt64.bitWidth else {
      throw PatternRefusal(reason: "has more than \(UInt64.bitWidth) sets of characters")
    }
    self.sets = sets
    // What changes at each code point, as bits.
    var changes: [UInt32: UInt64] = [0: 0]
    for (set, number) in sets {
      for range in set.ranges {
        changes[range.lowerBound, default: 0] ^= 1 << UInt64(number)
        changes[range.upperBound + 1, default: 0] ^= 1 << UInt64(number)
      }
    }
    let bounds = changes.keys.sorted()
    symbols = [UInt8](repeating: 0, count: 0x110000)
    var known: [UInt64: UInt8] = [:]
    var current: UInt64 = 0
    for (place, start) in bounds.enumerated() where start <= 0x10FFFF {
      current ^= changes[start] ?? 0
      if known[current] == nil {
        guard count < maximumSymbols else {
          throw PatternRefusal(reason: "tells more than \(maximumSymbols) classes of characters apart")
        }
        known[current] = UInt8(count)
        members.append(current)
        count += 1
      }
      let symbol = known[current] ?? 0
      let end = place + 1 < bounds.count ? Int(min(bounds[place + 1], 0x110000)) : 0x110000
      symbols.withUnsafeMutableBufferPointer { $0[Int(start)..<end].update(repeating: symbol) }
    }
    members.append(0)
  }

  /// The bit of a set among `members`.
  func bit(of set: CodePointSet) -> UInt64 { sets[set].map { 1 << UInt64($0) } ?? 0 }
}

/// The states of an automaton, found as they are reached.
private struct AutomatonBuilder {
  private let program: PatternProgram
  private let alphabet: PatternAlphabet
  /// By instruction: the bit of its set, and whether the characters outside of it are meant.
  private let conditions: [(bit: UInt64, isInverted: Bool)]
  private var states: [[Int]] = [[]]
  private var numbers: [[Int]: Int] = [[]: 0]
  private(set) var work = 0
  /// The last list that each of the program's places was added to.
  private var entered: [Int]
  private var list = 0

  var count: Int { states.count }

  init(_ program: PatternProgram, _ alphabet: PatternAlphabet) {
    (self.program, self.alphabet) = (program, alphabet)
    entered = [Int](repeating: 0, count: program.count + 1)
    conditions = program.instructions.map { instruction in
      switch instruction {
      case .character(let set), .assertion(.followed(let set)): (alphabet.bit(of: set), false)
      case .assertion(.notFollowed(let set)): (alphabet.bit(of: set), true)
      default: (0, false)
      }
    }
    var start: [Int] = []
    list += 1
    enter(0, &start, over: nil)
    _ = number(of: start)
  }

  private func holds(_ place: Int, over symbol: Int) -> Bool {
    (alphabet.members[symbol] & conditions[place].bit != 0) != conditions[place].isInverted
  }

  private mutating func number(of state: [Int]) -> Int {
    if let number = numbers[state] { return number }
    numbers[state] = states.count
    states.append(state)
    return states.count - 1
  }

  /// Adds the places that wait for a character, reached from `start` without reading one; those behind a success are left
  /// out. Conditions are decided by `symbol`, or wait too if there is none yet.
  private mutating func enter(_ start: Int, _ places: inout [Int], over symbol: Int?) {
    var pending = [start]
    while let place = pending.popLast(), places.last != program.count {
      guard entered[place] != list else { continue }
      entered[place] = list
      work += 1
      guard place < program.count else {
        places.append(place)
        return
      }
      switch program[place] {
      case .character: places.append(place)
      case .assertion:
        if let symbol {
          if holds(place, over: symbol) { pending.append(place + 1) }
        } else {
          places.append(place)
        }
      case .split(let first, let second): pending += [place + second, place + first]
      case .jump(let offset): pending.append(place + offset)
      case .mark: pending.append(place + 1)
      }
    }
  }

  /// The state after a symbol, and whether what was read before it is a match.
  mutating func step(from state: Int, over symbol: Int) -> (next: Int, isMatch: Bool) {
    list += 1
    var decided: [Int] = []
    for place in states[state] where decided.last != program.count {
      if place < program.count, case .assertion = program[place] {
        if holds(place, over: symbol) { enter(place + 1, &decided, over: symbol) }
      } else if entered[place] != list {
        entered[place] = list
        decided.append(place)
      }
    }
    let isMatch = decided.last == program.count
    list += 1
    var next: [Int] = []
    for place in decided where place < program.count && next.last != program.count && holds(place, over: symbol) {
      enter(place + 1, &next, over: nil)
    }
    work += decided.count
    return (number(of: next), isMatch)
  }
}
