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
  private static let maximumDepth = 32

  /// Reads one YAML document; an empty one is null.
  /// - Parameter override: The argument the text belongs to; without it, places are lines of `yaml`.
  /// - Throws: `Unreadable` for text that is not YAML, or nests deeper than any configuration.
  init(yaml: String, override: String? = nil) throws(Unreadable) {
    let argument = override.map { ConfigurationProblem.Place.override($0) }
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
      throw Unreadable(
        problem: ConfigurationProblem(place: argument ?? .file, text: "not YAML: \(error)"))
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
    guard budget > 0, depth < Self.maximumDepth else {
      throw Unreadable(
        problem: ConfigurationProblem(
          place: place,
          text: "expected at most \(Self.maximumNodes) values in \(Self.maximumDepth) levels"))
    }
    self.place = place
    switch node {
    case .scalar(let scalar):
      content = Self.content(of: scalar)
    case .sequence(let sequence):
      var items: [ConfigurationTree] = []
      for item in sequence {
        items.append(
          try ConfigurationTree(
            item, place: lined(item), isFromFile: isFromFile, depth + 1, &budget))
      }
      content = .list(items)
    case .mapping(let mapping):
      var members: [Member] = []
      for (key, value) in mapping {
        guard let name = key.scalar?.string else {
          throw Unreadable(
            problem: ConfigurationProblem(
              place: lined(key), text: "expected a key, found a list or a mapping in its place"))
        }
        // A value's place is its key's line: that is where the reader looks.
        let tree = try ConfigurationTree(
          value, place: lined(key), isFromFile: isFromFile, depth + 1, &budget)
        members.append(Member(name: name, tree: tree))
      }
      content = .mapping(members)
    case .alias:
      throw Unreadable(problem: ConfigurationProblem(place: place, text: "unresolved alias"))
    }
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
    let digits = text.replacing("_", with: "")
    if text.wholeMatch(of: /[-+]?(0|[1-9][0-9_]*)/) != nil, let value = Int(digits) {
      return .integer(value)
    }
    let decimal = /[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?/
    let hasPointOrPower = text.contains { ".eE".contains($0) }
    let isLong = text.wholeMatch(of: /[-+]?[1-9][0-9_]*/) != nil  // beyond Int
    if hasPointOrPower || isLong, text.wholeMatch(of: decimal) != nil, let value = Double(digits) {
      return .number(value)
    }
    return .text(text)
  }
}

extension ConfigurationTree {
  /// Text that is not one YAML document.
  struct Unreadable: Error {
    var problem: ConfigurationProblem

    init(problem: ConfigurationProblem) { self.problem = problem }

    /// - Parameter place: Where the text came from when it is not the file.
    fileprivate init(_ error: YamlError, place: ConfigurationProblem.Place?) {
      switch error {
      case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _),
        .composer(_, let text, let mark, _):
        problem = ConfigurationProblem(place: place ?? .line(mark.line), text: "not YAML: \(text)")
      case .reader(let text, let offset, _, let yaml):
        let line = offset.map { yaml.prefix($0).count { $0.isNewline } + 1 }
        problem = ConfigurationProblem(
          place: place ?? line.map { .line($0) } ?? .file, text: "not YAML: \(text)")
      case .duplicatedKeysInMapping(let names, let context):
        let list = names.map { "`\($0)`" }.joined(separator: ", ")
        problem = ConfigurationProblem(
          place: place ?? .line(context.mark.line), text: "expected every key once, found \(list) twice")
      default:
        problem = ConfigurationProblem(place: place ?? .file, text: "not YAML: \(error)")
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

  var isNull: Bool {
    if case .null = content { true } else { false }
  }

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
