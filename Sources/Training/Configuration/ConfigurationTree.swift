// The YAML of a configuration as plain values that remember where they came from. Yams stays in here.

import Foundation
import Yams

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
  }

  var content: Content
  var place: ConfigurationProblem.Place

  init(_ content: Content, place: ConfigurationProblem.Place = .file) {
    self.content = content
    self.place = place
  }

  /// Aliases make a short file mean a long tree; no configuration needs more than this.
  private static let maximumNodes = 10_000
  static let maximumDepth = 32
  private static let maximumAliases = 16

  /// Reads one YAML document; an empty one is null.
  /// - Parameter override: The argument the text belongs to; without it, places are lines of `yaml`.
  /// - Throws: `Unreadable` for text that is not YAML, or nests deeper than any configuration.
  init(yaml: String, override: String? = nil) throws(Unreadable) {
    let argument = override.map { ConfigurationProblem.Place.override($0) }
    // Yams hashes keys as it reads, and a key may be a tree of aliases: that must not come as far.
    guard Self.aliasCount(yaml) <= Self.maximumAliases else { throw Self.excess(at: argument ?? .file) }
    do {
      // The encoding is named because Yams' default one looks at the environment and prints.
      guard let node = try Yams.compose(yaml: yaml, .default, .default, .utf8) else {
        self.init(.null, place: argument ?? .file)
        return
      }
      var budget = Self.maximumNodes
      try self.init(node, place: argument ?? .line(1), isFromFile: override == nil, 0, &budget)
    } catch let error as YamlError {
      throw Unreadable(error, place: argument)
    } catch let error as Unreadable {
      throw error
    } catch {
      throw Unreadable("not YAML: \(error)", at: argument ?? .file)
    }
  }

  private init(
    _ node: Node, place: ConfigurationProblem.Place, isFromFile: Bool, _ depth: Int, _ budget: inout Int
  ) throws(Unreadable) {
    func lined(_ node: Node) -> ConfigurationProblem.Place {
      guard isFromFile, let mark = node.mark else { return place }
      return .line(mark.line)
    }
    budget -= 1
    guard budget > 0, depth < Self.maximumDepth else { throw Self.excess(at: place) }
    self.place = place
    switch node {
    case .scalar(let scalar):
      content = Self.content(of: scalar)
    case .sequence(let sequence):
      var items: [ConfigurationTree] = []
      for item in sequence {
        items.append(try ConfigurationTree(item, place: lined(item), isFromFile: isFromFile, depth + 1, &budget))
      }
      content = .list(items)
    case .mapping(let mapping):
      var members: [Member] = []
      for (key, value) in mapping {
        guard let name = key.scalar?.string else {
          throw Unreadable("expected a key, found a list or a mapping in its place", at: lined(key))
        }
        // A value's place is its key's line: that is where the reader looks.
        let tree = try ConfigurationTree(value, place: lined(key), isFromFile: isFromFile, depth + 1, &budget)
        members.append(Member(name: name, tree: tree))
      }
      content = .mapping(members)
    case .alias:
      throw Unreadable("unresolved alias", at: place)
    }
  }

  private static func excess(at place: ConfigurationProblem.Place) -> Unreadable {
    Unreadable(
      "expected at most \(maximumNodes) values in \(maximumDepth) levels, \(maximumAliases) of them aliases", at: place)
  }

  /// How often a text has `*name` of a name that it also has as `&name`: no fewer than there are aliases.
  private static func aliasCount(_ yaml: String) -> Int {
    var anchors: Set<Substring> = []
    var aliases: [Substring] = []
    var rest = Substring(yaml).utf8
    while let mark = rest.firstIndex(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "*") }) {
      let isAlias = rest[mark] == UInt8(ascii: "*")
      rest = rest[rest.index(after: mark)...]
      let name = rest.prefix { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
      if isAlias { aliases.append(Substring(name)) } else { anchors.insert(Substring(name)) }
    }
    return aliases.count { anchors.contains($0) && !$0.isEmpty }
  }

  private static func content(of scalar: Node.Scalar) -> Content {
    let isPlain = scalar.style == .plain || scalar.style == .any
    guard isPlain, scalar.tag.rawValue != Tag.Name.str.rawValue, scalar.tag.rawValue != "!" else {
      return .text(scalar.string)
    }
    return content(ofPlain: scalar.string)
  }

  /// What an unquoted scalar means.
  static func content(ofPlain text: String) -> Content {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
    case ".nan", ".NaN", ".NAN": return .number(.nan)
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .number(.infinity)
    case "-.inf", "-.Inf", "-.INF": return .number(-.infinity)
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
  /// Text that is not one YAML document.
  struct Unreadable: Error {
    var problem: ConfigurationProblem

    init(_ text: String, at place: ConfigurationProblem.Place) {
      problem = ConfigurationProblem(place: place, text: text)
    }

    /// - Parameter place: Where the text came from when it is not the file.
    fileprivate init(_ error: YamlError, place: ConfigurationProblem.Place?) {
      switch error {
      case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _), .composer(_, let text, let mark, _):
        self.init("not YAML: \(text)", at: place ?? .line(mark.line))
      case .reader(let text, let offset, _, let yaml):
        let line = offset.map { yaml.prefix($0).count { $0.isNewline } + 1 }
        self.init("not YAML: \(text)", at: place ?? line.map { .line($0) } ?? .file)
      case .duplicatedKeysInMapping(let names, let context):
        let list = names.map { "`\($0)`" }.joined(separator: ", ")
        self.init("expected every key once, found \(list) twice", at: place ?? .line(context.mark.line))
      default:
        self.init("not YAML: \(error)", at: place ?? .file)
      }
    }
  }

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

  /// Empty, false, or a list or mapping of nothing else: a switch that is off.
  var isOff: Bool {
    switch content {
    case .null, .bool(false): true
    case .list(let items): items.allSatisfy(\.isNull)
    case .mapping(let members): members.allSatisfy(\.tree.isNull)
    default: false
    }
  }

  var wholeNumber: Int? {
    switch content {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  var finiteNumber: Double? {
    switch content {
    case .integer(let value): Double(value)
    case .number(let value) where value.isFinite: value
    default: nil
    }
  }
}
