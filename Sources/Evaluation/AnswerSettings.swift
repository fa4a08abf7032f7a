// How a model answers the prompts of a task.

package import Checkpoints
import Model

/// How answers are generated.
package struct AnswerSettings: Sendable, Equatable {
  package var stopTexts: [String]
  package var maximumTokens: Int
  package var draws = false
  package var temperature = 1.0
  package var topP: Double?
  package var topK: Int?
  package var repeats = 1
  /// As results show them.
  package var shown: [JSONValue.Member]

  private static let lengthNames = ["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"]
  /// What is read; `do_sample: false` makes the last three idle.
  private static let known = Set(lengthNames + ["until", "do_sample", "temperature", "top_p", "top_k"])

  /// - Throws: `DocumentProblem` for settings that are not built.
  package init(_ settings: [JSONValue.Member], repeats: Int) throws(DocumentProblem) {
    shown = settings
    self.repeats = repeats
    let all = JSONValue.object(settings)
    // One beam is none.
    let others = settings.filter { !Self.known.contains($0.name) && !$0.value.isNull }
    if let unknown = others.first(where: { $0.name != "num_beams" || $0.value.int != 1 }) {
      throw DocumentProblem(
        "generation_kwargs: \"\(unknown.name)\" is not built; there are \(Self.known.sorted().joined(separator: ", "))")
    }
    let until = all["until"] ?? []
    let texts = until.string.map { [$0] } ?? until.array?.compactMap(\.string) ?? []
    guard until.isNull || until.string != nil || texts.count == until.array?.count else {
      throw DocumentProblem("generation_kwargs: until is a text or a list of texts")
    }
    guard !texts.contains("") else {
      throw DocumentProblem("generation_kwargs: until has an empty text, which ends every answer at once")
    }
    stopTexts = texts
    let length = Self.lengthNames.lazy.compactMap { all[$0] }.first { !$0.isNull } ?? 256
    guard let count = length.int, 1...1_000_000 ~= count else {
      throw DocumentProblem("generation_kwargs: the number of new tokens is a whole number above 0")
    }
    maximumTokens = count
    let temperature = all["temperature"]?.double
    // A temperature above 0 samples unless it is said otherwise.
    draws = all["do_sample"]?.bool ?? ((temperature ?? 0) > 0)
    if draws {
      self.temperature = temperature ?? 1
      guard SamplingRules.isTemperature(self.temperature) else {
        throw DocumentProblem("generation_kwargs: sampling needs a temperature above 0")
      }
      topP = all["top_p"]?.double
      guard topP.map(SamplingRules.isTopP) ?? true else {
        throw DocumentProblem("generation_kwargs: top_p is a number from 0 to 1")
      }
      topK = all["top_k"]?.int
    }
  }
}
