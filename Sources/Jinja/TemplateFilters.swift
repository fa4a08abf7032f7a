// Jinja's filters: `x | trim`.

import Tensors

enum TemplateFilters {
  typealias Filter = @Sendable (TemplateBudget, TemplateValue, TemplateArguments) throws -> TemplateValue

  static let all: [String: Filter] = texts.merging(collections) { text, _ in text }

  // MARK: Texts and numbers

  private static let texts = makeTexts()

  private static func makeTexts() -> [String: Filter] {
    var filters: [String: Filter] = [:]
    filters["string"] = { budget, value, _ in .text(try budget.string(of: value)) }
    filters["safe"] = { budget, value, _ in .text(try budget.string(of: value)) }
    filters["upper"] = { budget, value, _ in .text(try budget.text(of: value).map { $0.uppercased() }) }
    filters["lower"] = { budget, value, _ in .text(try budget.text(of: value).map { $0.lowercased() }) }
    filters["title"] = { budget, value, _ in
      let text = try budget.text(of: value)
      // Characters are found slowly.
      try budget.read(bytes: text.byteCount * 4)
      return .text(text.derived(titled(text.plain)))
    }
    filters["capitalize"] = { budget, value, _ in
      let text = try budget.text(of: value)
      return .text(text.derived(TemplateMethods.capitalized(text.plain)))
    }
    filters["trim"] = { budget, value, arguments in
      .text(try budget.text(of: value).stripped(try TemplateMethods.characters(budget, arguments)))
    }
    filters["replace"] = { budget, value, arguments in
      guard let old = arguments.value(0, "old"), let new = arguments.value(1, "new") else {
        throw TemplateProblem("replace needs the old and the new text")
      }
      let limit = try arguments.whole(2, "count") ?? .max
      return .text(
        try budget.text(of: value).replacing(
          budget.string(of: old), with: budget.string(of: new), limit: limit < 0 ? .max : limit, budget))
    }
    filters["indent"] = { budget, value, arguments in
      let text = try budget.text(of: value)
      let width: TemplateText
      if case .text(let given)? = arguments.value(0, "width") {
        width = given
      } else {
        width = TemplateText(String(repeating: " ", count: min(max(0, try arguments.whole(0, "width") ?? 4), 1000)))
      }
      let lines = try text.split(by: TemplateText("\n"), budget)
      try budget.make(bytes: text.byteCount + lines.count * width.byteCount)
      let (first, blank) = (arguments.value(1, "first")?.isTrue ?? false, arguments.value(2, "blank")?.isTrue ?? false)
      let indented = lines.enumerated().map { place, line in
        (place == 0 ? first : blank || !line.isEmpty) ? width + line : line
      }
      return .text(TemplateText.joined(indented, separator: TemplateText("\n")))
    }
    filters["format"] = { budget, value, arguments in
      .text(try TemplateMethods.format(budget, budget.text(of: value), arguments.positional))
    }
    filters["escape"] = escape
    filters["e"] = escape
    filters["wordcount"] = { budget, value, _ in
      .integer(try budget.text(of: value).words(budget).count)
    }
    filters["center"] = { budget, value, arguments in
      let text = try budget.text(of: value)
      let width = min(max(0, try arguments.whole(0, "width") ?? 80), 1000)
      let fill = max(0, width - text.count)
      try budget.make(bytes: text.byteCount + fill)
      try budget.make(bytes: text.byteCount + fill)
      let left = fill / 2 + (fill & width & 1)
      func spaces(_ count: Int) -> TemplateText { TemplateText(String(repeating: " ", count: count)) }
      return .text(spaces(left) + text + spaces(fill - left))
    }
    filters["int"] = { budget, value, arguments in
      if let whole = value.whole { return .integer(whole) }
      if case .number(let number) = value, let whole = Int(exactly: number.rounded(.towardZero)) {
        return .integer(whole)
      }
      let digits = try budget.text(of: value).stripped().plain
      let base = try arguments.whole(1, "base") ?? 10
      if 2...36 ~= base, let whole = Int(digits, radix: base) { return .integer(whole) }
      if let number = Double(digits), let whole = Int(exactly: number.rounded(.towardZero)) { return .integer(whole) }
      return arguments.value(0, "default") ?? .integer(0)
    }
    filters["float"] = { budget, value, arguments in
      if let number = value.double { return .number(number) }
      let number = Double(try budget.text(of: value).stripped().plain)
      return number.map { .number($0) } ?? arguments.value(0, "default") ?? .number(0)
    }
    filters["abs"] = { _, value, _ in
      if let whole = value.whole, whole != .min { return .integer(abs(whole)) }
      guard let number = value.double else { throw TemplateProblem("\(value.kind) is no number") }
      return .number(abs(number))
    }
    filters["round"] = { _, value, arguments in
      guard let number = value.double else { throw TemplateProblem("\(value.kind) is no number") }
      let scale = Double.pow(10, Double(min(max(try arguments.whole(0, "precision") ?? 0, -15), 15)))
      let rule: FloatingPointRoundingRule =
        switch try arguments.text(1, "method")?.plain {
        case "ceil": .up
        case "floor": .down
        default: .toNearestOrEven
        }
      return .number((number * scale).rounded(rule) / scale)
    }
    filters["tojson"] = { budget, value, arguments in
      var style = TemplateWriter.JSONStyle()
      style.isASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
      style.indent = try arguments.whole(1, "indent").map { min(max(0, $0), 32) }
      if case .list(let separators)? = arguments.value(2, "separators").map(listed), separators.count == 2 {
        style.itemSeparator = try budget.string(of: separators[0]).plain
        style.keySeparator = try budget.string(of: separators[1]).plain
      }
      style.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
      return .text(TemplateText(try budget.json(value, style), .data(message: nil)))
    }
    return filters
  }

  private static func listed(_ value: TemplateValue) -> TemplateValue {
    if case .tuple(let elements) = value { .list(elements) } else { value }
  }

  private static let escape: Filter = { budget, value, _ in
    let marks = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")]
    return .text(
      try marks.reduce(budget.text(of: value)) { text, mark in
        try budget.read(bytes: text.byteCount)
        return try text.replacing(TemplateText(mark.0), with: TemplateText(mark.1), budget)
      })
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
}
