// Patterns, compiled as they are read: alternatives, sequences and repetitions.

/// A reader of one pattern.
struct PatternParser {
  private static let maximumDepth = 100
  /// Every state that a search is in has the places of all groups.
  static let maximumGroups = 100

  let dialect: PatternDialect
  let pattern: [Unicode.Scalar]
  var place = 0
  private var depth = 0
  var groupNames: Set<String> = []
  var groupNumbers: [String: Int] = [:]
  /// Whether letters match in both cases.
  var foldsCase = false
  /// The flags `s` and `m`.
  var dotIsAnything = false
  var hasLines = false
  /// The groups that capture, so far; the whole match is group 0.
  var groupCount = 1

  private init(_ pattern: String, _ dialect: PatternDialect) {
    (self.pattern, self.dialect) = (Array(pattern.unicodeScalars), dialect)
  }

  static func program(of pattern: String, _ dialect: PatternDialect) throws(PatternRefusal) -> PatternProgram {
    guard pattern.utf8.count <= PatternProgram.maximumStates else {
      throw PatternRefusal(
        reason: "has \(pattern.utf8.count) bytes, at most \(PatternProgram.maximumStates) are read")
    }
    var parser = Self(pattern, dialect)
    return try parser.whole()
  }

  /// A program with the names of its groups.
  static func search(
    _ pattern: String
  ) throws(PatternRefusal) -> (program: PatternProgram, groups: Int, names: [String: Int]) {
    guard pattern.utf8.count <= PatternProgram.maximumStates else {
      throw PatternRefusal(reason: "has \(pattern.utf8.count) bytes, at most \(PatternProgram.maximumStates) are read")
    }
    var parser = Self(pattern, .search)
    try parser.leadingFlags()
    let program = try parser.whole()
    return (program, parser.groupCount, parser.groupNumbers)
  }

  private mutating func whole() throws(PatternRefusal) -> PatternProgram {
    let program = try alternatives()
    guard place == pattern.count else { throw PatternRefusal(reason: "has a ) without its (") }
    return program
  }

  var isPython: Bool { dialect.language == .python }

  // MARK: Characters

  var next: Unicode.Scalar? { place < pattern.count ? pattern[place] : nil }

  mutating func take() -> Unicode.Scalar? {
    guard let scalar = next else { return nil }
    place += 1
    return scalar
  }

  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    place += 1
    return true
  }

  mutating func digits(_ base: Int, atMost count: Int) -> (value: Int, count: Int) {
    var (value, taken) = (0, 0)
    while taken < count, let digit = next.flatMap({ $0.isASCII ? Character($0).hexDigitValue : nil }), digit < base {
      // A number beyond all limits stays one.
      value = min(value * base + digit, 1 << 32)
      (place, taken) = (place + 1, taken + 1)
    }
    return (value, taken)
  }

  // MARK: Structure

  private static func bounded(_ count: Int) throws(PatternRefusal) {
    guard count <= PatternProgram.maximumStates else {
      throw PatternRefusal(reason: "needs more than \(PatternProgram.maximumStates) states")
    }
  }

  mutating func alternatives() throws(PatternRefusal) -> PatternProgram {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth + 1 else {
      throw PatternRefusal(reason: "nests more than \(Self.maximumDepth) groups")
    }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    // Every branch but the last begins with a split and ends with a jump to the end.
    var left = branches.reduce(-2) { $0 + $1.count + 2 }
    try Self.bounded(left)
    var program = PatternProgram()
    for (number, branch) in branches.enumerated() {
      guard number < branches.count - 1 else {
        program += branch
        break
      }
      left -= branch.count + 2
      program.append(.split(1, branch.count + 2))
      program += branch
      program.append(.jump(left + 1))
    }
    return program
  }

  private mutating func sequence() throws(PatternRefusal) -> PatternProgram {
    var program = PatternProgram()
    while let scalar = next, scalar != "|", scalar != ")" {
      let (item, isAssertion) = try item()
      program += try repeated(item, isAssertion: isAssertion)
      try Self.bounded(program.count)
    }
    return program
  }

  /// One item, before its quantifier.
  private mutating func item() throws(PatternRefusal) -> (PatternProgram, isAssertion: Bool) {
    let start = place
    if try quantifier() != nil { throw PatternRefusal(reason: "has nothing to repeat at character \(start + 1)") }
    let scalar = take()
    switch scalar {
    case "(": return try group()
    case "[": return (PatternProgram(try characterClass()), false)
    case "\\": return try escaped()
    case ".", "^", "$":
      guard isPython else { throw PatternRefusal(reason: "has \(scalar ?? "."), which is not supported") }
      if scalar == "." { return (PatternProgram(dotIsAnything ? .all : .notLineFeed), false) }
      let (start, end): (PatternAssertion, PatternAssertion) = hasLines ? (.lineStart, .lineEnd) : (.start, .lastLine)
      return (PatternProgram([.assertion(scalar == "^" ? start : end)]), true)
    case let scalar?:
      try checkFolding(scalar)
      return (PatternProgram(try folded([scalar.value...scalar.value])), false)
    case nil: return (PatternProgram(), false)
    }
  }

  // MARK: Quantifiers

  /// The bounds of a quantifier if one is next.
  private mutating func quantifier() throws(PatternRefusal) -> (least: Int, most: Int?)? {
    switch next {
    case "*":
      place += 1
      return (0, nil)
    case "+":
      place += 1
      return (1, nil)
    case "?":
      place += 1
      return (0, 1)
    case "{":
      let start = place
      place += 1
      let least = digits(10, atMost: .max)
      var most: Int? = least.value
      if take(",") {
        let read = digits(10, atMost: .max)
        most = read.count > 0 ? read.value : nil
      } else if least.count == 0 {
        most = -1
      }
      let isQuantifier = take("}") && most != -1
      // Oniguruma knows other forms than Python, and other texts.
      guard isPython || isQuantifier && least.count > 0 else {
        throw PatternRefusal(reason: "has a { that begins no {m}, {m,} or {m,n}, which is not supported")
      }
      // Anything else in braces is text.
      guard isQuantifier else {
        place = start
        return nil
      }
      if let most, most < least.value { throw PatternRefusal(reason: "has a range {\(least.value),\(most)}") }
      return (least.value, most)
    default: return nil
    }
  }

  /// An item with the quantifier that follows it.
  private mutating func repeated(
    _ item: PatternProgram, isAssertion: Bool
  ) throws(PatternRefusal) -> PatternProgram {
    let start = place
    guard let (least, most) = try quantifier() else { return item }
    if isAssertion { throw PatternRefusal(reason: "has nothing to repeat at character \(start + 1)") }
    let hasBounds = pattern[start] == "{"
    let isPossessive = take("+")
    var isLazy = false
    if isPossessive {
      // After bounds, a + repeats in Oniguruma.
      if hasBounds, !isPython { throw PatternRefusal(reason: "repeats a repetition") }
      if isPython || item.set == nil {
        throw PatternRefusal(
          reason: "has a possessive quantifier\(isPython ? "" : " after a group"), which is not supported")
      }
    } else if take("?") {
      // Whether it is lazy does not matter where whole texts are matched.
      guard isPython else { throw PatternRefusal(reason: "has a lazy quantifier, which is not supported") }
      isLazy = true
    }
    if try quantifier() != nil { throw PatternRefusal(reason: "repeats a repetition") }
    if item.isEmpty { return PatternProgram() }
    if !isPython, item.mayBeEmpty {
      throw PatternRefusal(reason: "repeats what may be empty, which is not supported")
    }
    // No product overflows: a number of copies is at most 2^32.
    try Self.bounded((most ?? least) * (item.count + 1))
    var program = PatternProgram()
    for _ in 0..<least { program += item }
    if let most {
      for _ in least..<most {
        program += PatternProgram([isLazy ? .split(item.count + 1, 1) : .split(1, item.count + 1)]) + item
      }
      // Without the character that follows one taken less often: `a?+` is `a` or no a.
      if isPossessive, let set = item.set {
        program = PatternProgram([.split(1, 3), .character(set), .jump(2), .assertion(.notFollowed(set))])
      }
    } else {
      program.append(isLazy ? .split(item.count + 2, 1) : .split(1, item.count + 2))
      program += item + PatternProgram([.jump(-item.count - 1)])
      if isPossessive, let set = item.set { program.append(.assertion(.notFollowed(set))) }
    }
    return program
  }
}
