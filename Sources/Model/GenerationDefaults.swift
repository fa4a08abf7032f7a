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
  /// Settings of the file that change answers in transformers but have no effect here.
  package var ignoredKeys: [String] = []

  /// Settings whose listed value changes nothing.
  private static let neutral: [String: JSONValue] = [
    "num_beams": 1, "min_p": 0, "typical_p": 1, "no_repeat_ngram_size": 0, "encoder_repetition_penalty": 1,
    "epsilon_cutoff": 0, "eta_cutoff": 0, "min_length": 0, "min_new_tokens": 0, "guidance_scale": 1,
    "penalty_alpha": 0, "top_h": 1,
  ]
  private static let neutralWhenAbsent = [
    "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id",
    "sequence_bias", "exponential_decay_length_penalty", "watermarking_config",
  ]

  /// Reads the directory's generation_config.json. Without the file or its `eos_token_id`, config.json's value holds.
  /// - Throws: `FileError`; `ContentError` with every problem.
  package init(directory: String, _ configuration: ModelConfiguration) throws {
    let path = "\(directory)/\(Self.name)"
    let json: JSONValue = HubFiles.exists(path) ? try .read(file: path, limit: 1 << 20) : .object([])
    self = try Self(json: json, path: path, configuration)
  }

  /// - Parameter path: the name of the object in error messages.
  package init(json: JSONValue, path: String, _ configuration: ModelConfiguration) throws(ContentError) {
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
    rules.temperature = number("temperature", "a number above 0", SamplingRules.isTemperature) ?? 1
    rules.topP = number("top_p", "a number from 0 to 1", SamplingRules.isTopP) ?? 1
    rules.repetitionPenalty = number("repetition_penalty", "a number above 0", SamplingRules.isPenalty) ?? 1
    rules.topK =
      value("top_k", "a whole number, 0 or more") { $0.int.flatMap { $0 >= 0 ? $0 : nil } } ?? rules.topK
    maximumNewTokens = value("max_new_tokens", "a whole number above 0") { $0.int.flatMap { $0 > 0 ? $0 : nil } }
    let ids = 0..<configuration.vocabularySize
    let stops = value("eos_token_id", "an id or a list of ids below \(ids.upperBound)") { found -> [Int]? in
      let list = (found.array ?? [found]).map(\.int)
      return list.allSatisfy { $0.map(ids.contains) ?? false } ? list.compactMap(\.self) : nil
    }
    stopIDs = Set((stops ?? configuration.endOfSequence.filter(ids.contains)).map(Int32.init))
    ignoredKeys = (json.members ?? []).filter { member in
      guard !member.value.isNull else { return false }
      if let neutral = Self.neutral[member.name] { return member.value.double != neutral.double }
      return Self.neutralWhenAbsent.contains(member.name)
    }.map(\.name)
    guard problems.isEmpty else { throw ContentError(path, problems) }
  }
}

extension SamplingRules {
  package static func isTemperature(_ number: Double) -> Bool { number > 0 && number.isFinite && Float(number) > 0 }
  package static func isTopP(_ number: Double) -> Bool { number >= 0 && number <= 1 }
  package static func isPenalty(_ number: Double) -> Bool { number > 0 && number.isFinite && Float(number) > 0 }
}
