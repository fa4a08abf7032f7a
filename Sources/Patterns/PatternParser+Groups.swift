// What parentheses mean in a pattern.

extension PatternParser {
  /// A group, after its opening parenthesis.
  mutating func group() throws(PatternRefusal) -> (PatternProgram, isAssertion: Bool) {
    let folded = foldsCase
    defer { foldsCase = folded }
    var lookahead: Unicode.Scalar?
    if take("?"), !take(":") {
      if isPython { try groupName() } else { lookahead = try extended() }
    }
    let program = try alternatives()
    guard take(")") else { throw PatternRefusal(reason: "has a ( without its )") }
    guard let lookahead else { return (program, false) }
    guard let set = program.set else {
      throw PatternRefusal(reason: "looks ahead at more than one character, which is not supported")
    }
    return (PatternProgram([.assertion(lookahead == "=" ? .followed(set) : .notFollowed(set))]), true)
  }

  /// What follows `(?` in Oniguruma, except `:`: the sign of a look ahead, or nil.
  private mutating func extended() throws(PatternRefusal) -> Unicode.Scalar? {
    let sign = take()
    switch sign {
    case "=", "!": return sign
    case "i" where take(":"):
      foldsCase = true
      return nil
    default: throw Self.refusal(sign)
    }
  }

  /// What follows `(?` in Python, except `:`. A name is the only thing that a finite automaton can do.
  private mutating func groupName() throws(PatternRefusal) {
    let sign = take()
    guard sign == "P" else { throw Self.refusal(sign) }
    if take("=") { throw Self.backreference }
    var name = String.UnicodeScalarView()
    guard take("<") else { throw Self.refusal(nil) }
    while let scalar = take(), scalar != ">" { name.append(scalar) }
    let text = String(name)
    let isName = text.utf8.first.map { CodePointSet.digits.contains(UInt32($0)) } == false
    guard isName, text.utf8.allSatisfy({ CodePointSet.word.contains(UInt32($0)) }), pattern[place - 1] == ">" else {
      throw Self.refusal(nil)
    }
    guard groupNames.insert(text).inserted else { throw PatternRefusal(reason: "names two groups \(text)") }
  }

  /// Why a group that begins with `(?` and a character is refused.
  private static func refusal(_ sign: Unicode.Scalar?) -> PatternRefusal {
    switch sign {
    case "=", "!": PatternRefusal(reason: "looks ahead, which is not supported")
    case "<": PatternRefusal(reason: "looks behind, which is not supported")
    case ">": PatternRefusal(reason: "has an atomic group, which is not supported")
    case "(": PatternRefusal(reason: "has a condition on a group, which is not supported")
    default: PatternRefusal(reason: "has a group of an unknown kind or flags, which are not supported")
    }
  }

  static let backreference = PatternRefusal(reason: "refers back to a group, which is not supported")
}
