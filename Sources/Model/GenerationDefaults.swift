// Reads generation_config.json: the model's own sampling settings and the tokens that end its answers.

package import Checkpoints
import Tensors

/// The generation settings of a hub directory, read as transformers reads them.
package struct GenerationDefaults: Sendable, Equatable {
  package static let name = "generation_config.json"

  package var rules = SamplingRules()
  /// Tokens that end an answer.
  package var stopIDs: Set<Int32> = []
  package var maximumNewTokens: Int?
  /// Of prompt and answer, where there is no `maximumNewTokens`.
  package var maximumLength: Int?
  /// Values that nobody can draw with; greedy answers do without them.
  private var samplingProblems: [ContentError.Problem] = []
  private let path: String
  /// Settings of the file that change answers in transformers but have no effect here.
  private var unsupportedKeys: [String] = []

  /// Settings whose listed value changes nothing.
  private static let neutral: [String: JSONValue] = [
    "num_beams": 1, "num_return_sequences": 1, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1, "min_length": 0, "min_new_tokens": 0, "guidance_scale": 1, "penalty_alpha": 0,
  ]
  /// The same, of settings that only sampling has.
  private static let neutralInSampling: [String: JSONValue] = [
    "min_p": 0, "typical_p": 1, "epsilon_cutoff": 0, "eta_cutoff": 0, "top_h": 1,
  ]
  private static let neutralWhenAbsent = [
    "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id",
    "sequence_bias", "exponential_decay_length_penalty", "watermarking_config", "stop_strings", "max_time",
    "constraints", "force_words_ids", "dola_layers",
  ]

  /// - Parameter replaced: settings of which others take the place.
  /// - Throws: `ContentError` when the file's values cannot be drawn with.
  package func checkSampling(except replaced: [String]) throws(ContentError) {
    let problems = samplingProblems.filter { problem in !replaced.contains { $0 == problem.item } }
    guard problems.isEmpty else { throw ContentError(path, problems) }
  }

  /// Settings of the file that change such answers in transformers but have no effect here.
  package func ignoredKeys(draws: Bool) -> [String] {
    unsupportedKeys.filter { draws || Self.neutralInSampling[$0] == nil }
  }

  /// Reads the directory's generation_config.json. Without the file or its `eos_token_id`, config.json's value holds.
  /// - Throws: `FileError`; `ContentError` with every problem.
  package init(directory: String, _ configuration: ModelConfiguration) throws {
    let path = "\(directory)/\(Self.name)"
    let json: JSONValue = HubFiles.exists(path) ? try .read(file: path, limit: 1 << 20) : .object([])
    self = try Self(json: json, path: path, configuration)
  }

  /// - Parameter path: the name of the object in error messages.
  package init(json: JSONValue, path: String, _ configuration: ModelConfiguration) throws(ContentError) {
    self.path = path
    var problems: [ContentError.Problem] = []
    func value<T>(_ name: String, _ expected: String, _ read: (JSONValue) -> T?) -> T? {
      guard let found = json[name], !found.isNull else { return nil }
      let value = read(found)
      if value == nil { problems.append(.init(name, "is \(found.serialized().prefix(80))", expected: expected)) }
      return value
    }
    func number(_ name: String, _ expected: String, _ isValid: (Double) -> Bool) -> Double? {
      value(name, expected) { $0.double.flatMap { isValid($0) ? $0 : nil } }
    }
    if json.members == nil { problems.append(.init(nil, "is no JSON object")) }
    rules.draws = value("do_sample", "true or false", \.bool) ?? rules.draws
    rules.repetitionPenalty = number("repetition_penalty", "a number above 0", SamplingRules.isPenalty) ?? 1
    func count(_ name: String) -> Int? {
      value(name, "a whole number above 0") { $0.wholeNumber.flatMap { $0 > 0 ? $0 : nil } }
    }
    (maximumNewTokens, maximumLength) = (count("max_new_tokens"), count("max_length"))
    let ids = 0..<configuration.vocabularySize
    let stops = value("eos_token_id", "an id or a list of ids below \(ids.upperBound)") { found -> [Int]? in
      let list = (found.array ?? [found]).map(\.int)
      return list.allSatisfy { $0.map(ids.contains) ?? false } ? list.compactMap(\.self) : nil
    }
    stopIDs = Set((stops ?? configuration.endOfSequence.filter(ids.contains)).map(Int32.init))
    unsupportedKeys = (json.members ?? []).filter { member in
      guard !member.value.isNull else { return false }
      if let neutral = Self.neutral[member.name] ?? Self.neutralInSampling[member.name] {
        return member.value.double != neutral.double
      }
      return Self.neutralWhenAbsent.contains(member.name)
    }.map(\.name)
    guard problems.isEmpty else { throw ContentError(path, problems) }
    rules.temperature = number("temperature", "a number above 0", SamplingRules.isTemperature) ?? 1
    rules.topP = number("top_p", "a number from 0 to 1", SamplingRules.isTopP) ?? 1
    // vLLM's -1 is transformers' 0: all tokens.
    rules.topK =
      value("top_k", "a whole number, 0 or -1 for all") { $0.wholeNumber.flatMap { $0 >= -1 ? max($0, 0) : nil } }
      ?? rules.topK
    samplingProblems = problems
  }
}

extension SamplingRules {
  package static func isTemperature(_ number: Double) -> Bool { number > 0 && number.isFinite && Float(number) > 0 }
  package static func isTopP(_ number: Double) -> Bool { number >= 0 && number <= 1 }
  package static func isPenalty(_ number: Double) -> Bool { number > 0 && number.isFinite && Float(number) > 0 }
}

extension JSONValue {
  /// A whole number in either form: Python writes `3.0` for a number that came through arithmetic.
  fileprivate var wholeNumber: Int? { int ?? double.flatMap { Int(exactly: $0) } }
}
