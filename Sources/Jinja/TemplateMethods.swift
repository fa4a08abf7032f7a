// The methods of Python's str and dict that templates call, and its formatting with %.

import Foundation

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
    methods["title"] = { _, text, _ in .text(text.derived(titled(text.plain))) }
    methods["capitalize"] = { _, text, _ in .text(text.derived(capitalized(text.plain))) }
    methods["strip"] = { _, text, arguments in .text(text.stripped(try characters(arguments))) }
    methods["lstrip"] = { _, text, arguments in .text(text.stripped(try characters(arguments), right: false)) }
    methods["rstrip"] = { _, text, arguments in .text(text.stripped(try characters(arguments), left: false)) }
    methods["split"] = { budget, text, arguments in
      let limit = try arguments.whole(1, "maxsplit").map { $0 < 0 ? .max : $0 } ?? .max
      let parts: [TemplateText]
      if let separator = try separator(arguments) {
        parts = text.split(by: separator, limit: limit)
      } else {
        parts = text.words(limit: limit)
      }
      try budget.spend(parts.count)
      return .list(parts.map { .text($0) })
    }
    methods["rsplit"] = { _, text, arguments in
      guard let separator = try separator(arguments), let limit = try arguments.whole(1, "maxsplit"), limit >= 0 else {
        throw TemplateProblem("rsplit needs a separator and how often it splits")
      }
      return .list(text.split(by: separator, last: limit).map { .text($0) })
    }
    methods["splitlines"] = { _, text, arguments in
      .list(text.lines(withEnds: arguments.value(0, "keepends")?.isTrue ?? false).map { .text($0) })
    }
    methods["partition"] = { _, text, arguments in
      guard let separator = try separator(arguments) else { throw TemplateProblem("partition needs a separator") }
      let parts = text.split(by: separator, limit: 1)
      return .tuple(
        (parts.count == 2 ? [parts[0], separator, parts[1]] : [text, TemplateText(""), TemplateText("")])
          .map { .text($0) })
    }
    methods["replace"] = { budget, text, arguments in
      guard let old = try arguments.text(0, "old"), let new = try arguments.text(1, "new") else {
        throw TemplateProblem("replace needs the old and the new text")
      }
      let limit = try arguments.whole(2, "count").map { $0 < 0 ? .max : $0 } ?? .max
      return .text(try replacing(budget, text, old, new, limit))
    }
    methods["startswith"] = { _, text, arguments in
      .bool(try affixes(arguments).contains { text.plain.utf8.starts(with: $0.utf8) })
    }
    methods["endswith"] = { _, text, arguments in
      .bool(try affixes(arguments).contains { text.plain.utf8.reversed().starts(with: $0.utf8.reversed()) })
    }
    methods["removeprefix"] = { _, text, arguments in
      let prefix = try affixes(arguments)[0]
      return .text(
        text.plain.utf8.starts(with: prefix.utf8)
          ? text.slice(prefix.unicodeScalars.count..<text.count) : text)
    }
    methods["removesuffix"] = { _, text, arguments in
      let suffix = try affixes(arguments)[0]
      return .text(
        text.plain.utf8.reversed().starts(with: suffix.utf8.reversed())
          ? text.slice(0..<text.count - suffix.unicodeScalars.count) : text)
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
      let parts = try (arguments.value(0, "iterable") ?? .list([])).elements().map { element in
        guard case .text(let part) = element else { throw TemplateProblem("join needs texts, found \(element.kind)") }
        return part
      }
      try budget.make(bytes: parts.reduce(0) { $0 + $1.byteCount + text.byteCount })
      return .text(TemplateText.joined(parts, separator: text))
    }
    methods["format"] = { _, _, _ in throw TemplateProblem("str.format is not built") }
    methods["zfill"] = { _, text, arguments in
      let width = min(max(0, try arguments.whole(0, "width") ?? 0), 1000)
      let sign = text.plain.hasPrefix("-") || text.plain.hasPrefix("+") ? 1 : 0
      let zeros = TemplateText(String(repeating: "0", count: max(0, width - text.count)))
      return .text(text.slice(0..<sign) + zeros + text.slice(sign..<text.count))
    }
    let checks: [String: @Sendable (Unicode.Scalar) -> Bool] = [
      "isdigit": { $0.properties.numericType == .decimal || $0.properties.numericType == .digit },
      "isdecimal": { $0.properties.numericType == .decimal }, "isnumeric": { $0.properties.numericType != nil },
      "isalpha": { isLetter($0) }, "isalnum": { isLetter($0) || $0.properties.numericType != nil },
      "isspace": { TemplateText.isSpace($0) },
    ]
    for (name, check) in checks {
      methods[name] = { _, text, _ in .bool(!text.isEmpty && text.plain.unicodeScalars.allSatisfy(check)) }
    }
    methods["isupper"] = { _, text, _ in .bool(isCased(text.plain) && text.plain == text.plain.uppercased()) }
    methods["islower"] = { _, text, _ in .bool(isCased(text.plain) && text.plain == text.plain.lowercased()) }
    return methods
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  private static func isCased(_ text: String) -> Bool { text.unicodeScalars.contains { $0.properties.isCased } }

  static func replacing(
    _ budget: TemplateBudget, _ text: TemplateText, _ old: TemplateText, _ new: TemplateText, _ limit: Int
  ) throws(TemplateProblem) -> TemplateText {
    let count = old.isEmpty ? text.count + 1 : text.places(of: old, limit: limit).count
    try budget.make(bytes: text.byteCount + count * new.byteCount)
    return text.replacing(old, with: new, limit: limit)
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

  static func characters(_ arguments: TemplateArguments) throws(TemplateProblem) -> Set<Unicode.Scalar>? {
    guard let value = arguments.value(0, "chars") else { return nil }
    if case .none = value { return nil }
    return try arguments.text(0, "chars").map { Set($0.plain.unicodeScalars) }
  }

  private static func separator(_ arguments: TemplateArguments) throws(TemplateProblem) -> TemplateText? {
    guard let value = arguments.value(0, "sep") else { return nil }
    if case .none = value { return nil }
    let separator = try arguments.text(0, "sep")
    if separator?.isEmpty == true { throw TemplateProblem("the separator is empty") }
    return separator
  }

  private static func affixes(_ arguments: TemplateArguments) throws(TemplateProblem) -> [String] {
    switch arguments.value(0, "prefix") {
    case .text(let text)?: return [text.plain]
    case .tuple(let elements)?:
      let texts = elements.compactMap { if case .text(let text) = $0 { text.plain } else { nil } }
      if texts.count == elements.count, !texts.isEmpty { return texts }
    default: break
    }
    throw TemplateProblem("expected a text, or a tuple of texts")
  }

  // MARK: Mappings and lists

  private static func mappings(_ name: String, _ mapping: TemplateMapping) -> TemplateFunction? {
    switch name {
    case "items": TemplateFunction(name: name) { _, _ in .list(mapping.members.map { .tuple([$0.key, $0.value]) }) }
    case "keys": TemplateFunction(name: name) { _, _ in .list(mapping.members.map(\.key)) }
    case "values": TemplateFunction(name: name) { _, _ in .list(mapping.members.map(\.value)) }
    case "copy": TemplateFunction(name: name) { _, _ in .mapping(mapping) }
    case "get":
      TemplateFunction(name: name) { _, arguments in
        guard let key = arguments.value(0, "key") else { throw TemplateProblem("get needs a key") }
        return mapping[key] ?? arguments.value(1, "default") ?? .none
      }
    case "update", "pop", "setdefault", "clear", "popitem": refusal(name)
    default: nil
    }
  }

  private static func lists(_ name: String, _ elements: [TemplateValue]) -> TemplateFunction? {
    switch name {
    case "index":
      TemplateFunction(name: name) { _, arguments in
        guard let wanted = arguments.value(0, "value"),
          let place = elements.firstIndex(where: { $0.isEqual(to: wanted) })
        else { throw TemplateProblem("the list has no such element") }
        return .integer(place)
      }
    case "count":
      TemplateFunction(name: name) { _, arguments in
        .integer(elements.count { element in arguments.value(0, "value").map(element.isEqual) ?? false })
      }
    case "append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear": refusal(name)
    default: nil
    }
  }

  /// As in transformers' sandbox.
  private static func refusal(_ name: String) -> TemplateFunction {
    TemplateFunction(name: name) { _, _ in throw TemplateProblem("values cannot be changed: \(name)") }
  }

  // MARK: Formatting

  /// Python's `format % arguments`, for %s, %r, %d, %i, %f and %%, with a width and a precision.
  static func format(_ format: TemplateText, _ arguments: [TemplateValue]) throws(TemplateProblem) -> TemplateText {
    var rest = arguments[...]
    var result = TemplateText("")
    for (place, part) in format.split(by: TemplateText("%%")).enumerated() {
      if place > 0 { result.append(TemplateText("%")) }
      let pieces = part.split(by: TemplateText("%"))
      result.append(pieces[0])
      for piece in pieces.dropFirst() {
        guard let match = piece.plain.prefixMatch(of: /([-0]*)([0-9]{0,3})(?:\.([0-9]{1,2}))?([srdif])/) else {
          throw TemplateProblem("a format that is not built: %\(piece.plain.prefix(10))")
        }
        guard let value = rest.popFirst() else { throw TemplateProblem("not enough values for a format") }
        var text: TemplateText
        switch match.4 {
        case "s": text = value.string
        case "r": text = TemplateText(value.representation, .data(message: nil))
        case "f":
          guard let number = value.double else { throw TemplateProblem("%f needs a number") }
          text = TemplateText(String(format: "%.\(match.3 ?? "6")f", number))
        default:
          guard let number = value.double, let whole = Int(exactly: number.rounded(.towardZero)) else {
            throw TemplateProblem("%d needs a number")
          }
          text = TemplateText("\(whole)")
        }
        let fill = max(0, (Int(match.2) ?? 0) - text.count)
        let isLeft = match.1.contains("-")
        let filling = TemplateText(String(repeating: match.1.contains("0") && !isLeft ? "0" : " ", count: fill))
        text = isLeft ? text + filling : filling + text
        result.append(text)
        result.append(piece.slice(match.0.unicodeScalars.count..<piece.count))
      }
    }
    guard rest.isEmpty else { throw TemplateProblem("more values than a format takes") }
    return result
  }
}
