// The methods of Python's str and dict that templates call, and its formatting with %.

import Foundation
import Patterns

enum TemplateMethods {
  private typealias Method = @Sendable (TemplateBudget, TemplateText, TemplateArguments) throws -> TemplateValue

  /// The method of a value; nil if there is none of the name.
  static func method(_ name: String, of value: TemplateValue) -> TemplateValue? {
    switch value {
    case .text(let text):
      return texts[name].map { method in
        .function(
          TemplateFunction(name: name) { budget, arguments in
            try budget.make(bytes: text.byteCount)
            return try method(budget, text, arguments)
          })
      }
    case .mapping(let mapping): return mappings(name, mapping).map { .function($0) }
    case .list(let elements), .tuple(let elements): return lists(name, elements).map { .function($0) }
    default: return nil
    }
  }

  // MARK: Text

  private static let texts = makeTexts()

  private static func makeTexts() -> [String: Method] {
    var methods: [String: Method] = [:]
    methods["upper"] = { _, text, _ in .text(text.map { $0.uppercased() }) }
    methods["lower"] = { _, text, _ in .text(text.map { $0.lowercased() }) }
    methods["title"] = { budget, text, _ in
      // A text is made for every letter.
      try budget.read(bytes: text.byteCount * 4)
      return .text(text.derived(titled(text.plain)))
    }
    methods["capitalize"] = { _, text, _ in .text(text.derived(capitalized(text.plain))) }
    methods["strip"] = { budget, text, arguments in .text(text.stripped(try characters(budget, arguments))) }
    methods["lstrip"] = { budget, text, arguments in
      .text(text.stripped(try characters(budget, arguments), right: false))
    }
    methods["rstrip"] = { budget, text, arguments in
      .text(text.stripped(try characters(budget, arguments), left: false))
    }
    methods["split"] = { budget, text, arguments in
      let limit = try arguments.whole(1, "maxsplit").map { $0 < 0 ? .max : $0 } ?? .max
      let parts =
        if let separator = try separator(arguments) {
          try text.split(by: separator, limit: limit, budget)
        } else {
          try text.words(limit: limit, budget)
        }
      return .list(parts.map { .text($0) })
    }
    methods["rsplit"] = { budget, text, arguments in
      guard let separator = try separator(arguments), let limit = try arguments.whole(1, "maxsplit"), limit >= 0 else {
        throw TemplateProblem("rsplit needs a separator and how often it splits")
      }
      return .list(try text.split(by: separator, last: limit, budget).map { .text($0) })
    }
    methods["splitlines"] = { budget, text, arguments in
      .list(try text.lines(withEnds: arguments.value(0, "keepends")?.isTrue ?? false, budget).map { .text($0) })
    }
    methods["partition"] = { budget, text, arguments in
      guard let separator = try separator(arguments) else { throw TemplateProblem("partition needs a separator") }
      let parts = try text.split(by: separator, limit: 1, budget)
      return .tuple(
        (parts.count == 2 ? [parts[0], separator, parts[1]] : [text, TemplateText(""), TemplateText("")])
          .map { .text($0) })
    }
    methods["replace"] = { budget, text, arguments in
      guard let old = try arguments.text(0, "old"), let new = try arguments.text(1, "new") else {
        throw TemplateProblem("replace needs the old and the new text")
      }
      let limit = try arguments.whole(2, "count").map { $0 < 0 ? .max : $0 } ?? .max
      return .text(try text.replacing(old, with: new, limit: limit, budget))
    }
    methods["startswith"] = { budget, text, arguments in
      .bool(try affixes(budget, arguments).contains { text.plain.utf8.starts(with: $0.utf8) })
    }
    methods["endswith"] = { budget, text, arguments in
      .bool(try affixes(budget, arguments).contains { text.plain.utf8.reversed().starts(with: $0.utf8.reversed()) })
    }
    methods["removeprefix"] = { budget, text, arguments in
      let prefix = try affixes(budget, arguments)[0]
      return .text(
        text.plain.utf8.starts(with: prefix.utf8)
          ? text.slice(bytes: prefix.utf8.count..<text.byteCount) : text)
    }
    methods["removesuffix"] = { budget, text, arguments in
      let suffix = try affixes(budget, arguments)[0]
      return .text(
        text.plain.utf8.reversed().starts(with: suffix.utf8.reversed())
          ? text.slice(bytes: 0..<text.byteCount - suffix.utf8.count) : text)
    }
    methods["find"] = { _, text, arguments in
      guard let part = try arguments.text(0, "sub") else { throw TemplateProblem("find needs a text") }
      return .integer(text.firstPlace(of: part) ?? -1)
    }
    methods["count"] = { _, text, arguments in
      guard let part = try arguments.text(0, "sub") else { throw TemplateProblem("count needs a text") }
      return .integer(part.isEmpty ? text.count + 1 : text.places(of: part).count)
    }
    methods["join"] = { budget, text, arguments in
      let parts = try budget.elements(of: arguments.value(0, "iterable") ?? .list([])).map { element in
        guard case .text(let part) = element else { throw TemplateProblem("join needs texts, found \(element.kind)") }
        return part
      }
      try budget.make(bytes: parts.reduce(0) { $0 + $1.byteCount + text.byteCount })
      return .text(TemplateText.joined(parts, separator: text))
    }
    methods["format"] = { _, _, _ in throw TemplateProblem("str.format is not built") }
    methods["zfill"] = { budget, text, arguments in
      let width = min(max(0, try arguments.whole(0, "width") ?? 0), 1000)
      let sign = text.plain.hasPrefix("-") || text.plain.hasPrefix("+") ? 1 : 0
      try budget.make(bytes: text.byteCount + width)
      try budget.make(bytes: text.byteCount + width)
      let zeros = TemplateText(String(repeating: "0", count: max(0, width - text.count)))
      return .text(text.slice(0..<sign) + zeros + text.slice(sign..<text.count))
    }
    let checks: [String: @Sendable (Unicode.Scalar) -> Bool] = [
      "isdigit": { $0.properties.numericType == .decimal || $0.properties.numericType == .digit },
      "isdecimal": { $0.properties.numericType == .decimal }, "isnumeric": { $0.properties.numericType != nil },
      "isalpha": { isLetter($0) }, "isalnum": { isLetter($0) || $0.properties.numericType != nil },
      "isspace": { $0.isPythonSpace },
    ]
    for (name, check) in checks {
      methods[name] = { budget, text, _ in
        try budget.read(bytes: text.byteCount)
        return .bool(!text.isEmpty && text.plain.unicodeScalars.allSatisfy(check))
      }
    }
    methods["isupper"] = { _, text, _ in .bool(text.isUppercase) }
    methods["islower"] = { _, text, _ in .bool(text.isLowercase) }
    return methods
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    // The tables of Unicode are slow.
    if scalar.isASCII { return ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
    default: return false
    }
  }

  /// Python's `str.title`.
  static func titled(_ text: String) -> String {
    var result = ""
    var isInside = false
    for scalar in text.unicodeScalars {
      result += isInside ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
      isInside = scalar.properties.isCased
    }
    return result
  }

  /// Python's `str.capitalize`.
  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return text }
    return first.properties.titlecaseMapping + String(text.unicodeScalars.dropFirst()).lowercased()
  }

  static func characters(_ budget: TemplateBudget, _ arguments: TemplateArguments) throws(TemplateProblem)
    -> Set<Unicode.Scalar>?
  {
    guard let value = arguments.value(0, "chars") else { return nil }
    if case .none = value { return nil }
    guard let characters = try arguments.text(0, "chars") else { return nil }
    try budget.spend(characters.byteCount)
    return Set(characters.plain.unicodeScalars)
  }

  private static func separator(_ arguments: TemplateArguments) throws(TemplateProblem) -> TemplateText? {
    guard let value = arguments.value(0, "sep") else { return nil }
    if case .none = value { return nil }
    let separator = try arguments.text(0, "sep")
    if separator?.isEmpty == true { throw TemplateProblem("the separator is empty") }
    return separator
  }

  private static func affixes(_ budget: TemplateBudget, _ arguments: TemplateArguments) throws(TemplateProblem)
    -> [String]
  {
    switch arguments.value(0, "prefix") {
    case .text(let text)?:
      try budget.read(bytes: text.byteCount)
      return [text.plain]
    case .tuple(let elements)?:
      let texts = elements.compactMap { if case .text(let text) = $0 { text.plain } else { nil } }
      try budget.read(bytes: texts.reduce(0) { $0 + $1.utf8.count + 16 })
      if texts.count == elements.count, !texts.isEmpty { return texts }
    default: break
    }
    throw TemplateProblem("expected a text, or a tuple of texts")
  }

  // MARK: Mappings and lists

  private static func mappings(_ name: String, _ mapping: TemplateMapping) -> TemplateFunction? {
    switch name {
    case "items":
      TemplateFunction(name: name) { budget, _ in
        try budget.spend(mapping.members.count)
        return .list(mapping.members.map { .tuple([$0.key, $0.value]) })
      }
    case "keys": TemplateFunction(name: name) { budget, _ in .list(try budget.elements(of: .mapping(mapping))) }
    case "values":
      TemplateFunction(name: name) { budget, _ in
        try budget.read(bytes: mapping.members.count * 4)
        return .list(mapping.members.map(\.value))
      }
    case "copy": TemplateFunction(name: name) { _, _ in .mapping(mapping) }
    case "get":
      TemplateFunction(name: name) { budget, arguments in
        guard let key = arguments.value(0, "key") else { throw TemplateProblem("get needs a key") }
        return try mapping.value(of: key, budget) ?? arguments.value(1, "default") ?? .none
      }
    case "update", "pop", "setdefault", "clear", "popitem": refusal(name)
    default: nil
    }
  }

  private static func lists(_ name: String, _ elements: [TemplateValue]) -> TemplateFunction? {
    switch name {
    case "index":
      TemplateFunction(name: name) { budget, arguments in
        guard let wanted = arguments.value(0, "value"),
          let place = try elements.firstIndex(where: { try $0.isEqual(to: wanted, budget) })
        else { throw TemplateProblem("the list has no such element") }
        return .integer(place)
      }
    case "count":
      TemplateFunction(name: name) { budget, arguments in
        guard let wanted = arguments.value(0, "value") else { throw TemplateProblem("count needs a value") }
        return .integer(try elements.count { try $0.isEqual(to: wanted, budget) })
      }
    case "append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear": refusal(name)
    default: nil
    }
  }

  /// As in transformers' sandbox.
  private static func refusal(_ name: String) -> TemplateFunction {
    TemplateFunction(name: name) { _, _ in throw TemplateProblem("values cannot be changed: \(name)") }
  }
}
