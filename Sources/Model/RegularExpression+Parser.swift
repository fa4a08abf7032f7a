// Python's pattern syntax, compiled as it is read.

extension RegularExpression {
  /// A reader of one pattern. Parts of a program have relative targets, so they can be joined and repeated as they are.
  struct Parser {
    private typealias Program = [Instruction]

    private static let maximumDepth = 100

    private let pattern: [Unicode.Scalar]
    private var place = 0
    private var depth = 0
    private var groupNames: Set<String> = []

    private init(_ pattern: String) { self.pattern = Array(pattern.unicodeScalars) }

    static func program(of pattern: String) throws(Refusal) -> [Instruction] {
      guard pattern.utf8.count <= RegularExpression.maximumStates else {
        throw Refusal(reason: "has \(pattern.utf8.count) bytes, at most \(RegularExpression.maximumStates) are read")
      }
      var parser = Self(pattern)
      let program = try parser.alternatives()
      guard parser.place == parser.pattern.count else { throw Refusal(reason: "has a ) without its (") }
      return program
    }

    // MARK: Characters

    private var next: Unicode.Scalar? { place < pattern.count ? pattern[place] : nil }

    private mutating func take() -> Unicode.Scalar? {
      guard let scalar = next else { return nil }
      place += 1
      return scalar
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard next == scalar else { return false }
      place += 1
      return true
    }

    private mutating func digits(_ base: Int, atMost count: Int) -> (value: Int, count: Int) {
      var (value, taken) = (0, 0)
      while taken < count, let digit = next.flatMap({ $0.isASCII ? Character($0).hexDigitValue : nil }), digit < base {
        // A number beyond all limits stays one.
        value = min(value * base + digit, 1 << 32)
        (place, taken) = (place + 1, taken + 1)
      }
      return (value, taken)
    }

    // MARK: Structure

    private static func bounded(_ count: Int) throws(Refusal) {
      guard count <= RegularExpression.maximumStates else {
        throw Refusal(reason: "needs more than \(RegularExpression.maximumStates) states")
      }
    }

    private mutating func alternatives() throws(Refusal) -> Program {
      var branches = [try sequence()]
      while take("|") { branches.append(try sequence()) }
      // Every branch but the last begins with a split and ends with a jump to the end.
      var left = branches.reduce(-2) { $0 + $1.count + 2 }
      try Self.bounded(left)
      var program: Program = []
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

    private mutating func sequence() throws(Refusal) -> Program {
      var program: Program = []
      while let scalar = next, scalar != "|", scalar != ")" {
        let (item, isAssertion) = try item()
        program += try repeated(item, isAssertion: isAssertion)
        try Self.bounded(program.count)
      }
      return program
    }

    /// One item, before its quantifier.
    private mutating func item() throws(Refusal) -> (Program, isAssertion: Bool) {
      let start = place
      if try quantifier() != nil { throw Refusal(reason: "has nothing to repeat at character \(start + 1)") }
      switch take() {
      case "(": return (try group(), false)
      case "[": return ([.character(try characterClass())], false)
      case ".": return ([.character(.notLineFeed)], false)
      case "^": return ([.assertion(.start)], true)
      case "$": return ([.assertion(.lastLine)], true)
      case "\\": return try escaped()
      case let literal: return ([.character(Self.set(of: literal))], false)
      }
    }

    private static func set(of scalar: Unicode.Scalar?) -> CharacterSet {
      // Other characters are in no text that is matched.
      CharacterSet(scalar.flatMap { $0.isASCII ? [UInt8($0.value)] : nil } ?? [])
    }

    private mutating func group() throws(Refusal) -> Program {
      depth += 1
      defer { depth -= 1 }
      guard depth <= Self.maximumDepth else { throw Refusal(reason: "nests more than \(Self.maximumDepth) groups") }
      if take("?"), !take(":") { try groupName() }
      let program = try alternatives()
      guard take(")") else { throw Refusal(reason: "has a ( without its )") }
      return program
    }

    /// What follows `(?`, except `:`. A name is the only thing that a finite automaton can do.
    private mutating func groupName() throws(Refusal) {
      switch take() {
      case "P":
        if take("=") { throw Self.backreference }
        var name = String.UnicodeScalarView()
        guard take("<") else { break }
        while let scalar = take(), scalar != ">" { name.append(scalar) }
        let text = String(name)
        let isName = text.utf8.first.map { CharacterSet.digits.contains($0) } == false
        guard isName, text.utf8.allSatisfy(CharacterSet.word.contains), pattern[place - 1] == ">" else { break }
        guard groupNames.insert(text).inserted else { throw Refusal(reason: "names two groups \(text)") }
        return
      case "=", "!": throw Refusal(reason: "looks ahead, which is not supported")
      case "<": throw Refusal(reason: "looks behind, which is not supported")
      case ">": throw Refusal(reason: "has an atomic group, which is not supported")
      case "(": throw Refusal(reason: "has a condition on a group, which is not supported")
      default: break
      }
      throw Refusal(reason: "has a group of an unknown kind or flags, which are not supported")
    }

    private static let backreference = Refusal(reason: "refers back to a group, which is not supported")

    // MARK: Quantifiers

    /// The bounds of a quantifier if one is next.
    private mutating func quantifier() throws(Refusal) -> (least: Int, most: Int?)? {
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
        // Anything else in braces is text.
        guard take("}"), most != -1 else {
          place = start
          return nil
        }
        if let most, most < least.value { throw Refusal(reason: "has a range {\(least.value),\(most)}") }
        return (least.value, most)
      default: return nil
      }
    }

    /// An item with the quantifier that follows it. Whether it is lazy does not matter for a whole match.
    private mutating func repeated(_ item: Program, isAssertion: Bool) throws(Refusal) -> Program {
      let start = place
      guard let (least, most) = try quantifier() else { return item }
      if isAssertion { throw Refusal(reason: "has nothing to repeat at character \(start + 1)") }
      if take("+") { throw Refusal(reason: "has a possessive quantifier, which is not supported") }
      _ = take("?")
      if try quantifier() != nil { throw Refusal(reason: "repeats a repetition") }
      if item.isEmpty { return [] }
      // No product overflows: a number of copies is at most 2^32.
      try Self.bounded((most ?? least) * (item.count + 1))
      var program = Program()
      for _ in 0..<least { program += item }
      if let most {
        for _ in least..<most { program += [.split(1, item.count + 1)] + item }
      } else {
        program += [.split(1, item.count + 2)] + item + [.jump(-item.count - 1)]
      }
      return program
    }

    // MARK: Escapes and classes

    private mutating func escaped() throws(Refusal) -> (Program, isAssertion: Bool) {
      let assertion: Assertion
      switch next {
      case "A": assertion = .start
      case "Z": assertion = .end
      case "b": assertion = .wordBoundary
      case "B": assertion = .noWordBoundary
      case .some("1"..."9"): throw Self.backreference
      default: return ([.character(try escapedSet().set)], false)
      }
      place += 1
      return ([.assertion(assertion)], true)
    }

    /// What a backslash begins, outside and inside of classes: a set, or one character.
    private mutating func escapedSet() throws(Refusal) -> (set: CharacterSet, scalar: UInt32?) {
      guard let scalar = take() else { throw Refusal(reason: "ends in a backslash") }
      switch scalar {
      case "d": return (.digits, nil)
      case "D": return (CharacterSet.digits.inverted, nil)
      case "w": return (.word, nil)
      case "W": return (CharacterSet.word.inverted, nil)
      case "s": return (.space, nil)
      case "S": return (CharacterSet.space.inverted, nil)
      default: break
      }
      var value = Self.simpleEscapes[scalar]
      if value == nil { value = try numbered(scalar) }
      let code = value ?? scalar.value
      return (Self.set(of: Unicode.Scalar(code)), code)
    }

    private static let simpleEscapes: [Unicode.Scalar: UInt32] = [
      "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
    ]

    /// A character by its number; nil for a character that stands for itself.
    private mutating func numbered(_ scalar: Unicode.Scalar) throws(Refusal) -> UInt32? {
      let unknown = Refusal(reason: "has an unknown escape \\\(scalar)")
      switch scalar {
      case "x", "u", "U":
        let wanted = scalar == "x" ? 2 : scalar == "u" ? 4 : 8
        let read = digits(16, atMost: wanted)
        guard read.count == wanted, read.value <= 0x10FFFF else { throw unknown }
        return UInt32(read.value)
      case "0": return UInt32(digits(8, atMost: 2).value)
      case "0"..."9", "a"..."z", "A"..."Z": throw unknown
      default: return nil
      }
    }

    /// A class, after its bracket.
    private mutating func characterClass() throws(Refusal) -> CharacterSet {
      let isInverted = take("^")
      var set = CharacterSet()
      var isEmpty = true
      func ended(_ scalar: Unicode.Scalar?) throws(Refusal) -> Unicode.Scalar {
        guard let scalar else { throw Refusal(reason: "has a [ without its ]") }
        return scalar
      }
      while true {
        if !isEmpty, take("]") { break }
        isEmpty = false
        let first = try member(try ended(take()))
        guard take("-") else {
          set.formUnion(first.set)
          continue
        }
        if take("]") {
          set.formUnion(first.set)
          set.formUnion(Self.set(of: "-"))
          break
        }
        let last = try member(try ended(take()))
        guard let low = first.scalar, let high = last.scalar, low <= high else {
          throw Refusal(reason: "has a bad range of characters")
        }
        if low < 128 { set.formUnion(CharacterSet(UInt8(low)...UInt8(min(high, 127)))) }
      }
      return isInverted ? set.inverted : set
    }

    private mutating func member(_ scalar: Unicode.Scalar) throws(Refusal) -> (set: CharacterSet, scalar: UInt32?) {
      scalar == "\\" ? try escapedSet() : (Self.set(of: scalar), scalar.value)
    }
  }
}
