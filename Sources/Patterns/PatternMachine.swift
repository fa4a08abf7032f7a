// Runs a program over a text, all its states at once, with the places that they marked.

/// A run of a program over a text.
struct PatternMachine {
  /// A state that waits for a character, and its marks.
  private struct Waiting {
    let state: Int
    let marks: [Int]
  }

  /// Words that are written in the time of one state.
  private static let wordsPerState = 16

  private let program: PatternProgram
  private let markCount: Int
  private let text: [Unicode.Scalar]
  /// What is left, in states.
  var work: Int
  /// The last list that each state was entered in.
  private var entered: [Int]
  private var list = 0

  init(_ program: PatternProgram, marks: Int, _ text: [Unicode.Scalar], work: Int) {
    (self.program, markCount, self.text, self.work) = (program, marks, text, work)
    entered = [Int](repeating: 0, count: program.count + 1)
  }

  /// The marks of the first match that begins at `start` or, unless it is anchored, after it.
  /// - Parameter mustAdvance: whether a match of nothing at `start` does not count.
  /// - Throws: `PatternRefusal` if it takes too long.
  mutating func run(from start: Int, isAnchored: Bool, mustAdvance: Bool = false) throws(PatternRefusal) -> [Int]? {
    var found: [Int]?
    var waiting: [Waiting] = []
    var place = start
    list += 1
    while true {
      if found == nil, place == start || !isAnchored {
        var marks = [Int](repeating: -1, count: markCount)
        if markCount > 0 { marks[0] = place }
        let isHollow = mustAdvance && place == start
        let end = try enter(0, marks, at: place, &waiting, refusesEnd: isHollow)
        if let end { found = end }
      }
      guard place < text.count, !waiting.isEmpty || (found == nil && !isAnchored) else { return found }
      let code = text[place].value
      let states = waiting
      waiting = []
      place += 1
      list += 1
      for thread in states {
        guard case .character(let set) = program[thread.state], set.contains(code) else { continue }
        // What is tried after a match is not preferred to it.
        if let end = try enter(thread.state + 1, thread.marks, at: place, &waiting, refusesEnd: false) {
          found = end
          break
        }
      }
    }
  }

  /// Adds the states that wait for a character, reached from `state` without one, in the order of preference. Returns the
  /// marks of a match that is reached, which ends the list.
  private mutating func enter(
    _ state: Int, _ marks: [Int], at place: Int, _ waiting: inout [Waiting], refusesEnd: Bool
  ) throws(PatternRefusal) -> [Int]? {
    var pending = [Waiting(state: state, marks: marks)]
    while let thread = pending.popLast() {
      guard entered[thread.state] != list else { continue }
      work -= 1
      guard work > 0 else { throw PatternRefusal(reason: "takes too long to search for") }
      if thread.state == program.count {
        if refusesEnd { continue }
        entered[thread.state] = list
        var marks = thread.marks
        if markCount > 1 { marks[1] = place }
        return marks
      }
      entered[thread.state] = list
      func go(_ offset: Int, _ marks: [Int]) -> Waiting { Waiting(state: thread.state + offset, marks: marks) }
      switch program[thread.state] {
      case .character: waiting.append(thread)
      case .assertion(let assertion):
        if try holds(assertion, at: place) { pending.append(go(1, thread.marks)) }
      case .split(let first, let second): pending += [go(second, thread.marks), go(first, thread.marks)]
      case .jump(let offset): pending.append(go(offset, thread.marks))
      case .mark(let mark):
        work -= markCount / Self.wordsPerState
        var marks = thread.marks
        if mark < markCount { marks[mark] = place }
        pending.append(go(1, marks))
      }
    }
    return nil
  }

  private mutating func holds(_ assertion: PatternAssertion, at place: Int) throws(PatternRefusal) -> Bool {
    func isWord(_ place: Int) -> Bool {
      text.indices.contains(place) && CodePointSet.unicodeWord.contains(text[place].value)
    }
    switch assertion {
    case .start: return place == 0
    case .lastLine: return place == text.count || (place == text.count - 1 && text[place] == "\n")
    case .end: return place == text.count
    case .lineStart: return place == 0 || text[place - 1] == "\n"
    case .lineEnd: return place == text.count || text[place] == "\n"
    case .wordBoundary: return isWord(place - 1) != isWord(place)
    case .noWordBoundary: return isWord(place - 1) == isWord(place)
    case .followed(let set): return place < text.count && set.contains(text[place].value)
    case .notFollowed(let set): return place == text.count || !set.contains(text[place].value)
    case .look(let look):
      let start = place - (look.width ?? 0)
      guard start >= 0 else { return look.isNegated }
      work -= look.program.count / Self.wordsPerState
      var machine = PatternMachine(look.program, marks: 2, text, work: work)
      let marks = try machine.run(from: start, isAnchored: true)
      work = machine.work
      return (marks != nil) != look.isNegated
    }
  }
}
