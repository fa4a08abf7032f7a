// What is made of answers before they are compared: the filters of lm-eval that need no code of a task's own.

package import Checkpoints
import Patterns

/// A named list of steps.
package struct ResponseFilter: Sendable {
  /// What a step makes of the answers to one request.
  private typealias Step = @Sendable (JSONValue, JSONValue) throws(DocumentProblem) -> JSONValue

  package let name: String
  private let steps: [Step]

  /// The filter of a task that names none: the first answer.
  package static let none = ResponseFilter(name: "none", steps: [first])

  private init(name: String, steps: [Step]) { (self.name, self.steps) = (name, steps) }

  /// - Throws: `DocumentProblem` for a step that is not known, or that has wrong options.
  package init(_ name: String, _ steps: [FilterStep]) throws(DocumentProblem) {
    var made: [Step] = []
    for step in steps { made.append(try Self.step(step)) }
    self.init(name: name, steps: made)
  }

  /// What the steps make of the answers to one request about a document: a text, or a list of texts.
  package func apply(_ answers: [String], _ document: JSONValue) throws(DocumentProblem) -> JSONValue {
    var value = JSONValue.array(answers.map(JSONValue.string))
    for step in steps { value = try step(value, document) }
    return value
  }

  // MARK: Steps

  private static let first: Step = { answers, _ throws(DocumentProblem) in
    guard let first = answers.array?.first else { throw DocumentProblem("there is no answer to take") }
    return first
  }

  private static func each(_ change: @escaping @Sendable (String) throws(DocumentProblem) -> JSONValue) -> Step {
    { answers, _ throws(DocumentProblem) in
      var changed: [JSONValue] = []
      for answer in answers.array ?? [] { changed.append(try change(answer.string ?? "")) }
      return .array(changed)
    }
  }

  private static func step(_ step: FilterStep) throws(DocumentProblem) -> Step {
    let known: Set<String>
    switch step.function {
    case "regex": known = ["regex_pattern", "group_select", "fallback"]
    case "take_first_k": known = ["k"]
    case "map": known = ["mapping_dict", "default_value"]
    case "multi_choice_regex": known = ChoiceFilter.options
    default: known = []
    }
    if let unknown = step.options.first(where: { !known.contains($0.name) }) {
      throw DocumentProblem("the filter \(step.function) has no option \"\(unknown.name)\" here")
    }
    let options = JSONValue.object(step.options)
    switch step.function {
    case "take_first": return first
    case "remove_whitespace": return each { .string($0.stripped) }
    case "lowercase": return each { .string($0.lowercased()) }
    case "uppercase": return each { .string($0.uppercased()) }
    case "take_first_k": return try firstAnswers(options)
    case "majority_vote": return vote
    case "map":
      let other = options["default_value"] ?? .null
      let mapping = options["mapping_dict"] ?? .null
      return each { mapping[$0] ?? other }
    case "regex": return try pattern(options)
    case "multi_choice_regex":
      let filter = try ChoiceFilter(options)
      return { answers, document throws(DocumentProblem) in
        var choices: [JSONValue] = []
        for answer in answers.array ?? [] { choices.append(try filter.choice(of: answer.string ?? "", document)) }
        return .array(choices)
      }
    case "prepend_prompt":
      return { answers, document throws(DocumentProblem) in
        let prompt = try document.text(of: "prompt")
        return .array((answers.array ?? []).map { .string(prompt + ($0.string ?? "")) })
      }
    default:
      throw DocumentProblem(
        "the filter \"\(step.function)\" is not built; there are regex, multi_choice_regex, remove_whitespace, lowercase, "
          + "uppercase, map, take_first, take_first_k and majority_vote")
    }
  }

  private static func firstAnswers(_ options: JSONValue) throws(DocumentProblem) -> Step {
    guard let count = options["k"]?.int, count > 0 else { throw DocumentProblem("take_first_k needs k, above 0") }
    return { answers, _ throws(DocumentProblem) in
      let all = answers.array ?? []
      guard all.count >= count else {
        throw DocumentProblem("take_first_k takes \(count) answers, there are \(all.count): raise repeats")
      }
      return .array(Array(all.prefix(count)))
    }
  }

  /// The most frequent answer, of equals the first.
  private static let vote: Step = { answers, _ in
    let all = answers.array ?? []
    var (best, most) = (0, 0)
    for (place, answer) in all.enumerated() {
      let count = all.count { $0 == answer }
      if count > most { (best, most) = (place, count) }
    }
    return .array(all.isEmpty ? [] : [all[best]])
  }

  private static func pattern(_ options: JSONValue) throws(DocumentProblem) -> Step {
    let text = options["regex_pattern"]?.string ?? #"#### (\-?[0-9\.\,]+)"#
    let place = options["group_select"]?.int ?? 0
    let fallback = options["fallback"] ?? "[invalid]"
    let search = try PatternSearch(pattern: text)
    return each { answer throws(DocumentProblem) in
      let matches = try search.all(in: answer)
      let index = place < 0 ? matches.count + place : place
      guard matches.indices.contains(index) else { return fallback }
      let groups = matches[index]
      // Of several groups the first that is not empty.
      if groups.count == 1 { return .string(groups[0].stripped) }
      return groups.first { !$0.isEmpty }.map { .string($0.stripped) } ?? fallback
    }
  }
}
