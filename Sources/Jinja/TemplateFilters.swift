// Jinja's filters: `x | trim`.

import Foundation

enum TemplateFilters {
  typealias Filter = @Sendable (TemplateBudget, TemplateValue, TemplateArguments) throws -> TemplateValue

  static let all: [String: Filter] = texts.merging(collections) { text, _ in text }

  // MARK: Texts and numbers

  private static let texts = makeTexts()

  private static func makeTexts() -> [String: Filter] {
    var filters: [String: Filter] = [:]
    filters["string"] = { _, value, _ in .text(value.string) }
    filters["safe"] = { _, value, _ in .text(value.string) }
    filters["upper"] = { _, value, _ in .text(value.string.map { $0.uppercased() }) }
    filters["lower"] = { _, value, _ in .text(value.string.map { $0.lowercased() }) }
    filters["title"] = { _, value, _ in .text(value.string.derived(titled(value.string.plain))) }
    filters["capitalize"] = { _, value, _ in
      .text(value.string.derived(TemplateMethods.capitalized(value.string.plain)))
    }
    filters["trim"] = { _, value, arguments in .text(value.string.stripped(try TemplateMethods.characters(arguments))) }
    filters["replace"] = { budget, value, arguments in
      guard let old = arguments.value(0, "old")?.string, let new = arguments.value(1, "new")?.string else {
        throw TemplateProblem("replace needs the old and the new text")
      }
      let limit = try arguments.whole(2, "count") ?? .max
      return .text(try TemplateMethods.replacing(budget, value.string, old, new, limit < 0 ? .max : limit))
    }
    filters["indent"] = { budget, value, arguments in
      let text = value.string
      let width: TemplateText
      if case .text(let given)? = arguments.value(0, "width") {
        width = given
      } else {
        width = TemplateText(String(repeating: " ", count: min(max(0, try arguments.whole(0, "width") ?? 4), 1000)))
      }
      let lines = text.split(by: TemplateText("\n"))
      try budget.make(bytes: text.byteCount + lines.count * width.byteCount)
      let (first, blank) = (arguments.value(1, "first")?.isTrue ?? false, arguments.value(2, "blank")?.isTrue ?? false)
      let indented = lines.enumerated().map { place, line in
        (place == 0 ? first : blank || !line.isEmpty) ? width + line : line
      }
      return .text(TemplateText.joined(indented, separator: TemplateText("\n")))
    }
    filters["format"] = { _, value, arguments in .text(try TemplateMethods.format(value.string, arguments.positional)) }
    filters["escape"] = escape
    filters["e"] = escape
    filters["wordcount"] = { _, value, _ in .integer(value.string.words().count) }
    filters["center"] = { _, value, arguments in
      let text = value.string
      let width = min(max(0, try arguments.whole(0, "width") ?? 80), 1000)
      let fill = max(0, width - text.count)
      let left = fill / 2 + (fill & width & 1)
      func spaces(_ count: Int) -> TemplateText { TemplateText(String(repeating: " ", count: count)) }
      return .text(spaces(left) + text + spaces(fill - left))
    }
    filters["int"] = { _, value, arguments in
      if let whole = value.whole { return .integer(whole) }
      if case .number(let number) = value, let whole = Int(exactly: number.rounded(.towardZero)) {
        return .integer(whole)
      }
      let digits = value.string.stripped().plain
      let base = try arguments.whole(1, "base") ?? 10
      if 2...36 ~= base, let whole = Int(digits, radix: base) { return .integer(whole) }
      if let number = Double(digits), let whole = Int(exactly: number.rounded(.towardZero)) { return .integer(whole) }
      return arguments.value(0, "default") ?? .integer(0)
    }
    filters["float"] = { _, value, arguments in
      if let number = value.double { return .number(number) }
      return Double(value.string.stripped().plain).map { .number($0) } ?? arguments.value(0, "default") ?? .number(0)
    }
    filters["abs"] = { _, value, _ in
      if let whole = value.whole, whole != .min { return .integer(abs(whole)) }
      guard let number = value.double else { throw TemplateProblem("\(value.kind) is no number") }
      return .number(abs(number))
    }
    filters["round"] = { _, value, arguments in
      guard let number = value.double else { throw TemplateProblem("\(value.kind) is no number") }
      let scale = pow(10, Double(min(max(try arguments.whole(0, "precision") ?? 0, -15), 15)))
      let rule: FloatingPointRoundingRule =
        switch try arguments.text(1, "method")?.plain {
        case "ceil": .up
        case "floor": .down
        default: .toNearestOrEven
        }
      return .number((number * scale).rounded(rule) / scale)
    }
    filters["tojson"] = { budget, value, arguments in
      var style = TemplateValue.JSONStyle()
      style.isASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
      style.indent = try arguments.whole(1, "indent").map { min(max(0, $0), 32) }
      if case .list(let separators)? = arguments.value(2, "separators").map(listed), separators.count == 2 {
        (style.itemSeparator, style.keySeparator) = (separators[0].string.plain, separators[1].string.plain)
      }
      style.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
      let text = try value.json(style)
      try budget.make(bytes: text.utf8.count)
      return .text(TemplateText(text, .data(message: nil)))
    }
    return filters
  }

  private static func listed(_ value: TemplateValue) -> TemplateValue {
    if case .tuple(let elements) = value { .list(elements) } else { value }
  }

  private static let escape: Filter = { _, value, _ in
    let marks = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")]
    return .text(marks.reduce(value.string) { $0.replacing(TemplateText($1.0), with: TemplateText($1.1)) })
  }

  /// Jinja's title, which starts words at spaces, hyphens and brackets.
  private static func titled(_ text: String) -> String {
    var result = ""
    var isStart = true
    for character in text {
      result += isStart ? character.uppercased() : character.lowercased()
      isStart = character.isWhitespace || "-({[<".contains(character)
    }
    return result
  }

  // MARK: Collections

  private static let collections = makeCollections()

  private static func makeCollections() -> [String: Filter] {
    var filters: [String: Filter] = [:]
    filters["default"] = fallback
    filters["d"] = fallback
    filters["length"] = length
    filters["count"] = length
    filters["first"] = { _, value, _ in try value.elements().first ?? .undefined("the first of nothing") }
    filters["last"] = { _, value, _ in try value.elements().last ?? .undefined("the last of nothing") }
    filters["list"] = { _, value, _ in .list(try value.elements()) }
    filters["reverse"] = { _, value, _ in
      let elements = try value.elements()
      guard case .text(let text) = value else { return .list(elements.reversed()) }
      return .text(text.reversed)
    }
    filters["join"] = { budget, value, arguments in
      var elements = try value.elements()
      if let name = arguments.value(1, "attribute") { elements = try elements.map { try attribute(name, of: $0) } }
      let separator = arguments.value(0, "d")?.string ?? TemplateText("")
      let parts = elements.map(\.string)
      try budget.make(bytes: parts.reduce(0) { $0 + $1.byteCount + separator.byteCount })
      return .text(TemplateText.joined(parts, separator: separator))
    }
    filters["items"] = { _, value, _ in
      if value.isUndefined { return .list([]) }
      guard case .mapping(let mapping) = value else {
        throw TemplateProblem("items needs a mapping, found \(value.kind)")
      }
      return .list(mapping.members.map { .tuple([$0.key, $0.value]) })
    }
    filters["dictsort"] = { _, value, arguments in
      guard case .mapping(let mapping) = value else { throw TemplateProblem("dictsort needs a mapping") }
      let byValue = try arguments.text(1, "by")?.plain == "value"
      let places = try order(
        mapping.members.map { byValue ? $0.value : $0.key },
        isCased: arguments.value(0, "case_sensitive")?.isTrue ?? false)
      let pairs = places.map { TemplateValue.tuple([mapping.members[$0].key, mapping.members[$0].value]) }
      return .list(arguments.value(2, "reverse")?.isTrue ?? false ? pairs.reversed() : pairs)
    }
    filters["sort"] = { _, value, arguments in
      let elements = try value.elements()
      let keys = try arguments.value(2, "attribute").map { name in try elements.map { try attribute(name, of: $0) } }
      let isReversed = arguments.value(0, "reverse")?.isTrue ?? false
      // Python keeps the order of equal elements in both directions.
      var places = try order(
        isReversed ? (keys ?? elements).reversed() : keys ?? elements,
        isCased: arguments.value(1, "case_sensitive")?.isTrue ?? false)
      if isReversed { places = places.reversed().map { elements.count - 1 - $0 } }
      return .list(places.map { elements[$0] })
    }
    filters["unique"] = { _, value, arguments in
      let isCased = arguments.value(0, "case_sensitive")?.isTrue ?? false
      var seen: [TemplateValue] = []
      return .list(
        try value.elements().filter { element in
          let key = folded(element, isCased: isCased)
          guard !seen.contains(where: { $0.isEqual(to: key) }) else { return false }
          seen.append(key)
          return true
        })
    }
    filters["sum"] = { _, value, arguments in
      var elements = try value.elements()
      if let name = arguments.value(0, "attribute") { elements = try elements.map { try attribute(name, of: $0) } }
      let start = arguments.value(1, "start") ?? .integer(0)
      if let wholes = elements.map(\.whole) as? [Int], let first = start.whole {
        return .integer(
          try wholes.reduce(first) { sum, whole in
            let sum = sum.addingReportingOverflow(whole)
            guard !sum.overflow else { throw TemplateProblem("a number is too large") }
            return sum.partialValue
          })
      }
      return .number(
        try elements.reduce(start.double ?? 0) { sum, element in
          guard let number = element.double else { throw TemplateProblem("\(element.kind) is no number") }
          return sum + number
        })
    }
    filters["min"] = { _, value, _ in try extreme(value, takesLast: false) }
    filters["max"] = { _, value, _ in try extreme(value, takesLast: true) }
    filters["map"] = { budget, value, arguments in
      let elements = value.isTrue ? try value.elements() : []
      try budget.spend(elements.count)
      if let name = arguments.named.first(where: { $0.name == "attribute" })?.value {
        let other = arguments.named.first { $0.name == "default" }?.value
        return .list(
          try elements.map { element in
            let found = try attribute(name, of: element)
            return found.isUndefined ? other ?? found : found
          })
      }
      guard let name = try arguments.text(0, "filter")?.plain, let filter = all[name] else {
        throw TemplateProblem("map needs the name of a filter, or attribute=…")
      }
      let rest = TemplateArguments(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
      return .list(try elements.map { try filter(budget, $0, rest) })
    }
    filters["batch"] = { _, value, arguments in
      guard let size = try arguments.whole(0, "linecount"), size > 0 else {
        throw TemplateProblem("batch needs a size")
      }
      let elements = try value.elements()
      return .list(stride(from: 0, to: elements.count, by: size).map { .list(Array(elements[$0...].prefix(size))) })
    }
    for (name, byAttribute, keeps) in [
      ("select", false, true), ("reject", false, false), ("selectattr", true, true), ("rejectattr", true, false),
    ] {
      filters[name] = { budget, value, arguments in
        let elements = value.isTrue ? try value.elements() : []
        try budget.spend(elements.count)
        var rest = arguments.positional[...]
        let key = byAttribute ? rest.popFirst() : nil
        let test = try rest.popFirst().map { name in
          guard let test = TemplateTests.all[name.string.plain] else {
            throw TemplateProblem("unknown test \"\(name.string.plain.prefix(40))\"")
          }
          return test
        }
        let others = TemplateArguments(positional: Array(rest), named: arguments.named)
        return .list(
          try elements.filter { element in
            let subject = try key.map { try attribute($0, of: element) } ?? element
            return try (test.map { try $0(subject, others) } ?? subject.isTrue) == keeps
          })
      }
    }
    return filters
  }

  private static let fallback: Filter = { _, value, arguments in
    let other = arguments.value(0, "default_value") ?? .text("")
    let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
    return value.isUndefined || (replacesFalse && !value.isTrue) ? other : value
  }

  private static let length: Filter = { _, value, _ in
    if case .text(let text) = value { return .integer(text.count) }
    return .integer(try value.elements().count)
  }

  /// A member by a dotted name or an index.
  private static func attribute(_ name: TemplateValue, of value: TemplateValue) throws(TemplateProblem) -> TemplateValue
  {
    if let place = name.whole {
      let elements = try value.elements()
      return elements.indices.contains(place) ? elements[place] : .undefined("element \(place)")
    }
    var found = value
    for part in name.string.plain.split(separator: ".") {
      switch found {
      case .mapping(let mapping): found = mapping[String(part)] ?? .undefined(String(part))
      case .namespace(let scope): found = scope[String(part)] ?? .undefined(String(part))
      case .list(let elements), .tuple(let elements):
        found = Int(part).flatMap { elements.indices.contains($0) ? elements[$0] : nil } ?? .undefined(String(part))
      default: return .undefined(String(part))
      }
    }
    return found
  }

  private static func folded(_ value: TemplateValue, isCased: Bool) -> TemplateValue {
    if case .text(let text) = value, !isCased { .text(text.map { $0.lowercased() }) } else { value }
  }

  private static func order(_ keys: [TemplateValue], isCased: Bool) throws(TemplateProblem) -> [Int] {
    try TemplateValue.order(keys.map { folded($0, isCased: isCased) })
  }

  private static func extreme(_ value: TemplateValue, takesLast: Bool) throws -> TemplateValue {
    let elements = try value.elements()
    let places = try order(elements, isCased: false)
    guard let first = takesLast ? places.last : places.first else { return .undefined("the extreme of nothing") }
    // Of equal elements Python takes the first.
    let key = folded(elements[first], isCased: false)
    return elements.first { folded($0, isCased: false).isEqual(to: key) } ?? elements[first]
  }
}
