// The YAML of a configuration as plain values that remember where they came from.

import Checkpoints

/// A YAML value with its place. Plain scalars are resolved once, here.
///
/// The rules are YAML 1.1's, as axolotl's files assume, except that a number may be written as `5e-5`
/// (YAML 1.1 wants `5.0e-5`, and takes anything less for text) and that octal, hexadecimal and
/// base-60 numbers are text.
struct ConfigurationTree: Sendable {
  enum Content: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([ConfigurationTree])
    case mapping([Member])
  }

  struct Member: Sendable {
    var name: String
    var tree: ConfigurationTree
    /// Where earlier values of the same key are, which this one replaces.
    var replaced: [ConfigurationProblem.Place] = []
  }

  var content: Content
  var place: ConfigurationProblem.Place

  init(_ content: Content, place: ConfigurationProblem.Place = .file) {
    self.content = content
    self.place = place
  }

  /// Of a file, and of the keys of an override: no configuration nests deeper.
  static let maximumDepth = 32

  /// What an unquoted scalar means.
  static func content(ofPlain text: String) -> Content {
    switch YAMLScalar.word(text) {
    case .null?: return .null
    case .bool(let value)?: return .bool(value)
    case .number(let value)?: return .number(value)
    default: break
    }
    return number(text) ?? .text(text)
  }

  /// `[-+]?(0|[1-9][0-9_]*)`, or with a point or a power `[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?`.
  /// Whole numbers beyond `Int` are numbers.
  private static func number(_ text: String) -> Content? {
    let isDigit = { (byte: UInt8) in 0x30...0x39 ~= byte }
    let isDigitOrLine = { (byte: UInt8) in isDigit(byte) || byte == UInt8(ascii: "_") }
    var rest = text.utf8[...]
    func skip(_ marks: String) -> Bool {
      guard let byte = rest.first, marks.utf8.contains(byte) else { return false }
      rest.removeFirst()
      return true
    }
    _ = skip("-+")
    let whole = rest.prefix(while: isDigitOrLine)
    rest = rest[whole.endIndex...]
    let hasPoint = skip(".")
    let fraction = hasPoint ? rest.prefix(while: isDigitOrLine) : rest[..<rest.startIndex]
    rest = rest[fraction.endIndex...]
    guard let first = whole.first ?? fraction.first, isDigit(first) else { return nil }
    let hasPower = skip("eE")
    if hasPower {
      _ = skip("-+")
      let power = rest.prefix(while: isDigit)
      guard !power.isEmpty else { return nil }
      rest = rest[power.endIndex...]
    }
    guard rest.isEmpty else { return nil }
    let digits = text.replacing("_", with: "")
    if !hasPoint, !hasPower {
      guard first != UInt8(ascii: "0") || whole.count == 1 else { return nil }
      if let value = Int(digits) { return .integer(value) }
    }
    return Double(digits).map { .number($0) }
  }
}

extension ConfigurationTree {
  /// The value in an error message.
  var found: String {
    switch content {
    case .null: "nothing"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .text(let value): "the text \"\(value)\""
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }

  var isNull: Bool { if case .null = content { true } else { false } }

  /// Nothing, or the empty text that a program leaves where it had no value: to Python both are false.
  var isEmpty: Bool { if case .text("") = content { true } else { isNull } }

  /// A scalar without its quotes: other readers take `"2"` for a number where they want one.
  private var bare: Content { if case .text(let text) = content { Self.content(ofPlain: text) } else { content } }

  var truth: Bool? { if case .bool(let value) = bare { value } else { nil } }

  /// Empty, false, or a list or mapping of nothing else: a switch that is off.
  var isOff: Bool {
    switch content {
    case .null, .bool(false), .text(""): true
    case .list(let items): items.allSatisfy(\.isNull)
    case .mapping(let members): members.allSatisfy(\.tree.isNull)
    default: false
    }
  }

  var wholeNumber: Int? {
    switch bare {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  var finiteNumber: Double? {
    switch bare {
    case .integer(let value): Double(value)
    case .number(let value) where value.isFinite: value
    default: nil
    }
  }
}
