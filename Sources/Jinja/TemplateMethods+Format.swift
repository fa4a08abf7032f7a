// Python's formatting with %.

import Foundation

extension TemplateMethods {
  /// Python's `format % arguments`, for %s, %r, %d, %i, %f and %%, with a width and a precision.
  static func format(_ budget: TemplateBudget, _ format: TemplateText, _ arguments: [TemplateValue])
    throws(TemplateProblem) -> TemplateText
  {
    var rest = arguments[...]
    var result = TemplateText("")
    for (place, part) in try format.split(by: TemplateText("%%"), budget).enumerated() {
      if place > 0 { result.append(TemplateText("%")) }
      let pieces = try part.split(by: TemplateText("%"), budget)
      result.append(pieces[0])
      for piece in pieces.dropFirst() {
        try budget.spend(10)
        guard let directive = Directive(piece.plain) else {
          throw TemplateProblem("a format that is not built: %\(piece.plain.prefix(10))")
        }
        guard let value = rest.popFirst() else { throw TemplateProblem("not enough values for a format") }
        var text: TemplateText
        switch directive.kind {
        case "s": text = try budget.string(of: value)
        case "r": text = TemplateText(try budget.representation(of: value), .data(message: nil))
        case "f":
          guard let number = value.double else { throw TemplateProblem("%f needs a number") }
          text = TemplateText(String(format: "%.\(directive.precision ?? 6)f", number))
        default:
          guard let whole = value.whole ?? value.double.flatMap({ Int(exactly: $0.rounded(.towardZero)) }) else {
            throw TemplateProblem("%d needs a number")
          }
          text = TemplateText("\(whole)")
        }
        let count = directive.width > 0 ? text.count : 0
        if count < directive.width {
          let hasZeros = directive.hasZeros && !directive.isLeft && !"sr".unicodeScalars.contains(directive.kind)
          let filling = TemplateText(String(repeating: hasZeros ? "0" : " ", count: directive.width - count))
          let sign = hasZeros && text.plain.hasPrefix("-") ? 1 : 0
          text = directive.isLeft ? text + filling : text.slice(0..<sign) + filling + text.slice(sign..<count)
        }
        try budget.make(bytes: text.byteCount + piece.byteCount, beside: result.byteCount)
        result.append(text)
        result.append(piece.slice(bytes: directive.length..<piece.byteCount))
      }
    }
    guard rest.isEmpty else { throw TemplateProblem("more values than a format takes") }
    return result
  }

  /// What stands behind `%`: `-08.3f`.
  private struct Directive {
    var (isLeft, hasZeros) = (false, false)
    var width = 0
    var precision: Int?
    var kind: Unicode.Scalar
    /// In bytes.
    var length: Int

    init?(_ text: String) {
      let bytes = Array(text.utf8.prefix(32))
      var place = 0
      func isNext(_ marks: String) -> Bool { place < bytes.count && marks.utf8.contains(bytes[place]) }
      func number(_ digits: Int) -> Int? {
        let start = place
        while place < start + digits, isNext("0123456789") { place += 1 }
        return Int(String(decoding: bytes[start..<place], as: UTF8.self))
      }
      while isNext("-0") {
        if isNext("-") { isLeft = true } else { hasZeros = true }
        place += 1
      }
      width = number(3) ?? 0
      if isNext(".") {
        place += 1
        guard let digits = number(2) else { return nil }
        precision = digits
      }
      guard isNext("srdif") else { return nil }
      (kind, length) = (Unicode.Scalar(bytes[place]), place + 1)
    }
  }
}
