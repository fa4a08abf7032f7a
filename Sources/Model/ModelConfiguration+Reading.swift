// Reads a configuration from config.json. All key names, types, bounds and refusals are here.

package import Checkpoints
import Tensors

extension ModelConfiguration {
  /// Reads `config.json` of a hub directory.
  /// - Throws: `FileError`; `ContentError` with every problem of the file.
  package init(directory: String) throws {
    let path = "\(directory)/config.json"
    self = try ModelConfiguration(json: try JSONValue.read(file: path, limit: 1 << 20), path: path)
  }

  /// Reads the JSON object of a config.json.
  /// - Parameter path: the name of the object in error messages.
  /// - Throws: `ContentError` with every problem.
  package init(json: JSONValue, path: String) throws(ContentError) {
    var reader = ConfigurationReader(json)
    reader.requireArchitecture()
    reader.refuseUnsupported()
    self = reader.configuration()
    guard reader.problems.isEmpty else { throw ContentError(path, reader.problems) }
  }
}

/// Reads keys one by one and collects their problems. A harmless value replaces a wrong one, so that reading goes on.
struct ConfigurationReader {
  private let json: JSONValue
  private(set) var problems: [ContentError.Problem] = []

  init(_ json: JSONValue) { self.json = json }

  // MARK: - What must hold

  mutating func requireArchitecture() {
    if json.members == nil { problems.append(.init(nil, "is not a JSON object")) }
    let architectures = json["architectures"].flatMap(\.array)?.compactMap(\.string) ?? []
    if !architectures.isEmpty, architectures != ["Qwen2ForCausalLM"] {
      problems.append(
        .init(
          "architectures", "is \(architectures.joined(separator: ", "))",
          expected: "Qwen2ForCausalLM (Qwen2 and Qwen2.5, dense)"))
    }
    let type = json["model_type"]?.string
    if type != "qwen2" {
      problems.append(.init("model_type", "is \(type ?? "missing")", expected: "qwen2 (Qwen2 and Qwen2.5, dense)"))
    }
  }

  mutating func refuseUnsupported() {
    refuse("use_sliding_window", unless: { $0 == false }, expected: "false: attention is full here")
    refuse("rope_scaling", expected: "null: no scaling of positions is supported")
    refuse("quantization_config", expected: "no such key: weights in BF16, F16 or F32")
    refuse("hidden_act", unless: { $0 == "silu" }, expected: "silu")
    refuse("attention_dropout", unless: { $0.double == 0 }, expected: "0")
    if let kinds = value("layer_types") {
      let layers = json["num_hidden_layers"]?.int
      let names = kinds.array?.map { $0.string ?? $0.serialized() } ?? [kinds.serialized()]
      if let other = names.first(where: { $0 != "full_attention" }) {
        problems.append(.init("layer_types", "has \(other)", expected: "full_attention everywhere"))
      } else if let layers, names.count != layers {
        problems.append(.init("layer_types", "has \(names.count) layers", expected: "\(layers) (num_hidden_layers)"))
      }
    }
    if let rope = value("rope_parameters") {
      for member in rope.members ?? [] {
        switch member.name {
        case "rope_theta": break
        case "rope_type" where member.value == "default": break
        case "partial_rotary_factor" where member.value.double == 1: break
        default:
          problems.append(
            .init(
              "rope_parameters", "has \(member.name) \(member.value.serialized())",
              expected: "rope_theta and rope_type \"default\""))
        }
      }
      if rope.members == nil { problems.append(.init("rope_parameters", "is not an object")) }
    }
  }

  mutating func configuration() -> ModelConfiguration {
    let hiddenSize = integer("hidden_size", in: 1...65_536)
    let headCount = integer("num_attention_heads", in: 1...1024)
    var keyValueHeadCount = headCount
    if json["num_key_value_heads"]?.isNull != true {
      keyValueHeadCount = integer("num_key_value_heads", in: 1...1024)
    }
    let vocabularySize = integer("vocab_size", in: 1...4_194_304)
    if headCount % keyValueHeadCount != 0 {
      problems.append(
        .init(
          "num_key_value_heads", "is \(keyValueHeadCount)",
          expected: "a divisor of num_attention_heads (\(headCount))"))
    }
    return ModelConfiguration(
      hiddenSize: hiddenSize, feedForwardSize: integer("intermediate_size", in: 1...1_048_576),
      layerCount: integer("num_hidden_layers", in: 1...512),
      headCount: headCount, keyValueHeadCount: keyValueHeadCount,
      headWidth: headWidth(hiddenSize: hiddenSize, headCount: headCount), vocabularySize: vocabularySize,
      normEpsilon: Float(number("rms_norm_eps", above: 0, below: 1, otherwise: 1e-6)), ropeTheta: ropeTheta(),
      tiesEmbeddings: boolean("tie_word_embeddings", otherwise: false),
      maximumPositions: integer("max_position_embeddings", in: 1...(1 << 30), otherwise: 32_768),
      beginOfSequence: tokenIDs("bos_token_id", below: vocabularySize).first,
      endOfSequence: tokenIDs("eos_token_id", below: vocabularySize), storedType: storedType())
  }

  // MARK: - Numbers that depend on others

  private mutating func headWidth(hiddenSize: Int, headCount: Int) -> Int {
    let width: Int
    if value("head_dim") != nil {
      width = integer("head_dim", in: 2...1024)
    } else {
      guard hiddenSize % headCount == 0 else {
        problems.append(
          .init(
            "hidden_size", "is \(hiddenSize)",
            expected: "a multiple of num_attention_heads (\(headCount)), or a head_dim"))
        return 2
      }
      width = hiddenSize / headCount
    }
    // The rotary embedding rotates pairs of entries.
    if !width.isMultiple(of: 2) { problems.append(.init("head_dim", "is \(width)", expected: "an even number")) }
    return width
  }

  /// transformers 4 writes `rope_theta`, transformers 5 writes `rope_parameters`; the default is 10000.
  private mutating func ropeTheta() -> Double {
    let plain = value("rope_theta")
    let nested = value("rope_parameters")?["rope_theta"]
    if let plain, let nested, plain.double != nested.double {
      problems.append(
        .init(
          "rope_theta", "is \(plain.serialized())", expected: "the one of rope_parameters (\(nested.serialized()))"))
    }
    guard let given = nested ?? plain else { return 10_000 }
    guard let theta = given.double, theta > 1, theta <= 1e12 else {
      problems.append(.init("rope_theta", "is \(given.serialized())", expected: "a number above 1, at most 1e12"))
      return 10_000
    }
    return theta
  }

  private mutating func storedType() -> ElementType? {
    let key = value("dtype") == nil ? "torch_dtype" : "dtype"
    switch value(key)?.string {
    case "bfloat16": return .bfloat16
    case "float16": return .float16
    case "float32": return .float32
    case let other:
      if let value = value(key) {
        problems.append(.init(key, "is \(other ?? value.serialized())", expected: "bfloat16, float16 or float32"))
      }
      return nil
    }
  }

  /// One id, a list of ids, or an absent key (an empty list).
  private mutating func tokenIDs(_ key: String, below bound: Int) -> [Int] {
    guard let given = value(key) else { return [] }
    let elements = given.array ?? [given]
    let ids = elements.compactMap(\.int).filter { 0..<bound ~= $0 }
    if ids.count != elements.count {
      problems.append(.init(key, "is \(given.serialized())", expected: "ids below vocab_size (\(bound))"))
    }
    return ids
  }

  // MARK: - Kinds of values

  /// The value of a key; null counts as absent.
  private func value(_ key: String) -> JSONValue? { json[key].flatMap { $0.isNull ? nil : $0 } }

  private mutating func refuse(
    _ key: String, unless isSupported: (JSONValue) -> Bool = { _ in false }, expected: String
  ) {
    guard let value = value(key), !isSupported(value) else { return }
    problems.append(.init(key, "is \(value.serialized().prefix(120))", expected: expected))
  }

  private mutating func integer(_ key: String, in range: ClosedRange<Int>, otherwise fallback: Int? = nil) -> Int {
    if let fallback, value(key) == nil { return fallback }
    guard let number = json[key]?.int, range ~= number else {
      let found = json[key].map { "is \($0.serialized().prefix(120))" } ?? "is missing"
      problems.append(.init(key, found, expected: "an integer from \(range.lowerBound) to \(range.upperBound)"))
      return range.lowerBound
    }
    return number
  }

  private mutating func number(
    _ key: String, above low: Double, below high: Double, otherwise fallback: Double
  ) -> Double {
    guard let value = value(key) else { return fallback }
    guard let number = value.double, number > low, number < high else {
      problems.append(.init(key, "is \(value.serialized())", expected: "a number between \(low) and \(high)"))
      return fallback
    }
    return number
  }

  private mutating func boolean(_ key: String, otherwise fallback: Bool) -> Bool {
    guard let value = value(key) else { return fallback }
    guard let flag = value.bool else {
      problems.append(.init(key, "is \(value.serialized())", expected: "true or false"))
      return fallback
    }
    return flag
  }
}
