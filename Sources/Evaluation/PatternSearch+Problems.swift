// Patterns of tasks: what is wrong with one is a problem of the document or of the task.

import Patterns

extension PatternSearch {
  /// - Throws: `DocumentProblem` for a malformed pattern.
  init(pattern: String) throws(DocumentProblem) {
    do throws(PatternRefusal) {
      try self.init(pattern)
    } catch {
      throw DocumentProblem("the pattern \(pattern.prefix(200)) \(error.reason)")
    }
  }

  /// What Python's `re.findall` gives.
  /// - Throws: `DocumentProblem` if it takes too long.
  func all(in text: String) throws(DocumentProblem) -> [[String]] {
    do throws(PatternRefusal) {
      return try findAll(text)
    } catch {
      throw DocumentProblem("a pattern \(error.reason)")
    }
  }
}

extension [PatternSearch] {
  /// A text without what the patterns match, one after the other (`regexes_to_ignore`).
  /// - Throws: `DocumentProblem` if it takes too long, all together.
  func removed(from text: String) throws(DocumentProblem) -> String {
    var text = text
    var room = PatternRoom()
    do throws(PatternRefusal) {
      for search in self { text = try search.replacing(text, with: "", &room) }
    } catch {
      throw DocumentProblem("regexes_to_ignore: a pattern \(error.reason)")
    }
    return text
  }
}
