// The filter that lm-eval adds to Jinja's.

import Patterns

extension TemplateFilters {
  /// `re.sub`.
  static func replacePattern(
    _ budget: TemplateBudget, _ value: TemplateValue, _ arguments: TemplateArguments
  ) throws -> TemplateValue {
    let text = try budget.text(of: value)
    guard let pattern = try arguments.text(0, "pattern"), let replacement = try arguments.text(1, "repl") else {
      throw TemplateProblem("regex_replace needs a pattern and a replacement")
    }
    let count = try arguments.whole(2, "count") ?? 0
    try budget.make(bytes: text.byteCount * 16)
    let replaced: String
    do throws(PatternRefusal) {
      replaced = try PatternSearch(pattern.plain).replacing(text.plain, with: replacement.plain, count: count)
    } catch {
      throw TemplateProblem("the pattern \(error.reason)")
    }
    try budget.make(bytes: replaced.utf8.count)
    return .text(text.derived(replaced))
  }
}
