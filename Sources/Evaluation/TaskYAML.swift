// A YAML text as a value, read as lm-eval's loader reads it, and bounded.

import Checkpoints

/// A YAML document with the lines of its first level.
struct TaskYAML {
  private static let maximumValues = 100_000
  private static let maximumLevels = 32
  static let maximumBytes = 4 << 20

  let value: JSONValue
  /// The lines of the names of the first level.
  let lines: [String: Int]
  /// The functions of Python that the text names, with their lines.
  let functions: [(name: String, line: Int)]

  /// - Throws: `EvaluationError` with the line of what is not YAML, or too much.
  init(_ text: String, file: String) throws(EvaluationError) {
    var reader = Reader(events: YAMLEvents(text))
    do throws(YAMLEvents.Failure) {
      value = try reader.document()
    } catch {
      throw EvaluationError(file: file, line: error.line, "not YAML that can be read: \(error.reason)")
    }
    (lines, functions) = (reader.lines, reader.functions)
  }

  /// Reads events. Aliases cost what they stand for, so that they cannot multiply.
  private struct Reader {
    let events: YAMLEvents
    var lines: [String: Int] = [:]
    var functions: [(name: String, line: Int)] = []
    private var anchors: [String: (value: JSONValue, count: Int)] = [:]
    private var count = 0

    init(events: YAMLEvents) { self.events = events }

    mutating func document() throws(YAMLEvents.Failure) -> JSONValue {
      var event = try events.next()
      while case .boundary = event.kind { event = try events.next() }
      if case .endOfText = event.kind { return .null }
      return try value(event, level: 0)
    }

    private mutating func spend(_ values: Int, _ event: YAMLEvents.Event) throws(YAMLEvents.Failure) {
      count += values
      guard count <= TaskYAML.maximumValues else {
        throw YAMLEvents.Failure("more than \(TaskYAML.maximumValues) values, with those of aliases", line: event.line)
      }
    }

    private mutating func value(_ event: YAMLEvents.Event, level: Int) throws(YAMLEvents.Failure) -> JSONValue {
      if case .alias = event.kind {
        guard let name = event.anchor, let known = anchors[name] else {
          throw YAMLEvents.Failure("an alias of nothing", line: event.line)
        }
        try spend(known.count, event)
        return known.value
      }
      let before = count
      let value = try content(event, level: level)
      if let name = event.anchor { anchors[name] = (value, count - before) }
      return value
    }

    private mutating func content(_ event: YAMLEvents.Event, level: Int) throws(YAMLEvents.Failure) -> JSONValue {
      try spend(1, event)
      guard level <= TaskYAML.maximumLevels else {
        throw YAMLEvents.Failure("more than \(TaskYAML.maximumLevels) levels", line: event.line)
      }
      switch event.kind {
      case .scalar(let text, let isText):
        if event.tag == "!function" { functions.append((text, event.line)) }
        return isText || event.tag != nil ? .string(text) : TaskYAML.scalar(text)
      case .list:
        var elements: [JSONValue] = []
        while let next = try inside() { elements.append(try value(next, level: level + 1)) }
        return .array(elements)
      case .mapping:
        var members: [JSONValue.Member] = []
        while let key = try inside() {
          let value = try member(key, level: level)
          for member in value {
            if let known = members.firstIndex(where: { $0.name.hasBytes(member.name) }) {
              if value.count == 1 { members[known].value = member.value }
            } else {
              members.append(member)
            }
          }
        }
        return .object(members)
      case .alias, .end, .endOfText, .boundary: throw YAMLEvents.Failure("a value was expected", line: event.line)
      }
    }

    /// A name with its value; the members of a mapping that is merged (`<<`).
    private mutating func member(
      _ key: YAMLEvents.Event, level: Int
    ) throws(YAMLEvents.Failure) -> [JSONValue.Member] {
      guard case .scalar(let name, _) = key.kind else {
        throw YAMLEvents.Failure("a name was expected", line: key.line)
      }
      if level == 0 { lines[name] = key.line }
      try spend(1, key)
      let value = try self.value(try events.next(), level: level + 1)
      guard name == "<<", let merged = value.members else { return [.init(name, value)] }
      return merged
    }

    /// The next event inside a list or a mapping; nil at its end.
    private mutating func inside() throws(YAMLEvents.Failure) -> YAMLEvents.Event? {
      let event = try events.next()
      if case .end = event.kind { return nil }
      return event
    }
  }

  /// A plain scalar by the rules of YAML 1.1, as PyYAML applies them.
  static func scalar(_ text: String) -> JSONValue {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return true
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return false
    case ".inf", ".Inf", ".INF", "+.inf": return .number(.infinity)
    case "-.inf", "-.Inf", "-.INF": return .number(-.infinity)
    case ".nan", ".NaN", ".NAN": return .number(.nan)
    default: break
    }
    let first = text.utf8.first { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "+") } ?? 0
    guard 0x30...0x39 ~= first || first == UInt8(ascii: ".") else { return .string(text) }
    let digits = text.replacingEvery("_", with: "")
    let (sign, magnitude) =
      digits.utf8.first == UInt8(ascii: "-")
      ? ("-", digits.dropFirst()) : ("", digits.utf8.first == UInt8(ascii: "+") ? digits.dropFirst() : digits[...])
    if let whole = Int64(digits), magnitude == "0" || magnitude.utf8.first != UInt8(ascii: "0") {
      return .integer(whole)
    }
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0", 8)] where magnitude.hasPrefix(prefix) {
      if let whole = Int64(sign + magnitude.dropFirst(prefix.count), radix: radix) { return .integer(whole) }
    }
    // Without a point it is a text to PyYAML.
    let isNumber =
      text.utf8.allSatisfy { "0123456789+-.eE_".utf8.contains($0) } && text.utf8.contains(UInt8(ascii: "."))
    if isNumber, let number = Double(digits.utf8.last == UInt8(ascii: ".") ? digits + "0" : digits) {
      let hasSign = text.utf8.contains { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
      // Exponents have a sign there.
      if !hasSign || text.contains(/[eE][-+][0-9]+$/) { return .number(number) }
    }
    return .string(text)
  }
}
