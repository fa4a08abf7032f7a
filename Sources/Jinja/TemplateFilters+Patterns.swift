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
    try budget.read(bytes: 16 * pattern.byteCount + 16 * text.byteCount + replacement.byteCount)
    let (replaced, work): (String, Int)
    do throws(PatternRefusal) {
      let search = try PatternSearch(pattern.plain)
      var room = PatternRoom()
      room.states = (budget.left - search.stateCount * bytesPerState) / bytesPerState
      room.bytes = TemplateBudget.maximumBytes
      let states = room.states
      replaced = try search.replacing(text.plain, with: replacement.plain, count: count, &room)
      work = search.stateCount + states - room.states
    } catch {
      throw TemplateProblem("the pattern \(error.reason)")
    }
    try budget.read(bytes: work * bytesPerState)
    try budget.make(bytes: replaced.utf8.count)
    return .text(text.derived(replaced))
  }

  /// What a state of a pattern costs, read or entered, in bytes of text.
  private static let bytesPerState = 8
}
